/* SPDX-License-Identifier: MIT */
/* Attributes: mode, owner, times, extended ones; and asking what one may. */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount.h"
#include "rights/acts.h"
#include "rights/scene.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Who and which group an act gives a file to. */
enum giving {
	SELF = 1 << 0,
	AWAY = 1 << 1,
	OWN_GROUP = 1 << 2,
	THE_GROUP = 1 << 3,
	AWAY_GROUP = 1 << 4,
};

static uid_t given_uid(int to)
{
	return to & SELF ? getuid() : to & AWAY ? 77 : (uid_t)-1;
}

static gid_t given_gid(int to)
{
	if (to & OWN_GROUP)
		return getgid();
	return to & THE_GROUP ? SCENE_GROUP : to & AWAY_GROUP ? 77 : (gid_t)-1;
}

static int chmod_it(const struct act *a, const struct place *p)
{
	return errno_or(chmod(p->f, (mode_t)a->then));
}

static int chmod_open(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(fchmod(fd, (mode_t)a->then));
}

static int chown_it(const struct act *a, const struct place *p)
{
	return errno_or(chown(p->f, given_uid(a->then), given_gid(a->then)));
}

static int chown_open(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(fchown(fd, given_uid(a->then), given_gid(a->then)));
}

static const struct timespec times[][2] = {
	{ { 1, 2 }, { 3, 4 } },
	{ { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } },
	{ { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } },
	{ { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } },
	{ { .tv_nsec = UTIME_OMIT }, { 5, 6 } },
	{ { .tv_nsec = UTIME_NOW }, { 7, 8 } },
};

#define NULL_TIMES -1

static int set_times(const struct act *a, const struct place *p)
{
	return errno_or(utimensat(AT_FDCWD, p->f,
				  a->then == NULL_TIMES ? NULL : times[a->then], 0));
}

static int set_times_open(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd
		      : errno_or(futimens(fd,
					  a->then == NULL_TIMES ? NULL : times[a->then]));
}

static const char *const xattrs[] = { "user.x", "user.kept", "trusted.x", "security.x",
				      SCENE_ACL };

enum { NEW, KEPT, TRUSTED, SECURITY, ACL };

static int set_xattr(const struct act *a, const struct place *p)
{
	return errno_or(setxattr(p->f, xattrs[a->then], "x", 1, a->flags));
}

static int set_xattr_open(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(fsetxattr(fd, xattrs[a->then], "x", 1, 0));
}

static int get_xattr(const struct act *a, const struct place *p)
{
	ssize_t n = errno_or(getxattr(p->f, xattrs[a->then], NULL, 0));

	return n < 0 ? (int)n : 0;
}

static int remove_xattr(const struct act *a, const struct place *p)
{
	return errno_or(removexattr(p->f, xattrs[a->then]));
}

static int list_xattr(const struct act *a, const struct place *p)
{
	ssize_t n = errno_or(listxattr(p->f, NULL, 0));

	(void)a;
	return n < 0 ? (int)n : 0;
}

static int set_acl(const struct act *a, const struct place *p)
{
	const struct scene_acl acl = { .user = 7, .mask = a->then };

	return scene_set_acl(p->f, &acl);
}

static int access_as(const struct act *a, const struct place *p)
{
	return errno_or(faccessat(AT_FDCWD, p->f, a->flags, a->then));
}

static int ask(const struct act *a, const struct place *p)
{
	struct stat st;
	int r = errno_or(stat(p->f, &st));

	(void)a;
	return r;
}

static const struct act on_attributes[] = {
	{ "stat", .run = ask },
	{ "access", .run = access_as, .flags = F_OK },
	{ "access r", .run = access_as, .flags = R_OK },
	{ "access w", .run = access_as, .flags = W_OK },
	{ "access x", .run = access_as, .flags = X_OK },
	{ "access rw", .run = access_as, .flags = R_OK | W_OK },
	{ "access rwx", .run = access_as, .flags = R_OK | W_OK | X_OK },
	{ "access rwx effectively", .run = access_as, .flags = R_OK | W_OK | X_OK,
	  .then = AT_EACCESS },
	{ "chmod", .run = chmod_it, .then = 0751 },
	{ "chmod to nothing", .run = chmod_it, .then = 0 },
	{ "chmod to set-ID", .run = chmod_it, .then = 06755 },
	{ "chmod what is open r", .run = chmod_open, .flags = O_RDONLY, .then = 0642 },
	{ "chmod what is open w", .run = chmod_open, .flags = O_WRONLY, .then = 0642 },
	{ "chown to nobody", .run = chown_it },
	{ "chown to oneself", .run = chown_it, .then = SELF },
	{ "chown away", .run = chown_it, .then = AWAY },
	{ "chgrp to one's own", .run = chown_it, .then = OWN_GROUP },
	{ "chgrp to the group", .run = chown_it, .then = THE_GROUP },
	{ "chgrp away", .run = chown_it, .then = AWAY_GROUP },
	{ "chown to oneself and group", .run = chown_it, .then = SELF | OWN_GROUP },
	{ "chown what is open", .run = chown_open, .then = SELF },
	{ "chgrp what is open", .run = chown_open, .then = THE_GROUP },
	{ "touch", .run = set_times, .then = NULL_TIMES },
	{ "set times", .run = set_times, .then = 0 },
	{ "set times to now", .run = set_times, .then = 1 },
	{ "set one time to now", .run = set_times, .then = 2 },
	{ "set no time", .run = set_times, .then = 3 },
	{ "set one time", .run = set_times, .then = 4 },
	{ "set one time, one to now", .run = set_times, .then = 5 },
	{ "touch what is open r", .run = set_times_open, .then = NULL_TIMES },
	{ "touch what is open w", .run = set_times_open, .flags = O_WRONLY,
	  .then = NULL_TIMES },
	{ "set times of what is open", .run = set_times_open, .then = 0 },
	{ "set an attribute", .run = set_xattr, .then = NEW },
	{ "create an attribute", .run = set_xattr, .flags = XATTR_CREATE, .then = KEPT },
	{ "replace an attribute", .run = set_xattr, .flags = XATTR_REPLACE,
	  .then = KEPT },
	{ "set an attribute of what is open", .run = set_xattr_open, .then = NEW },
	{ "get an attribute", .run = get_xattr, .then = KEPT },
	{ "list attributes", .run = list_xattr },
	{ "remove an attribute", .run = remove_xattr, .then = KEPT },
	{ "set a trusted attribute", .run = set_xattr, .then = TRUSTED },
	{ "get a trusted attribute", .run = get_xattr, .then = TRUSTED },
	{ "set a security attribute", .run = set_xattr, .then = SECURITY },
	{ "set an ACL", .run = set_acl, .then = 7 },
	{ "set an ACL that masks", .run = set_acl, .then = 0 },
	{ "set a broken ACL", .run = set_xattr, .then = ACL },
	{ "get an ACL", .run = get_xattr, .then = ACL },
	{ "remove an ACL", .run = remove_xattr, .then = ACL },
};

void acts_on_attributes(struct act *acts, size_t *n)
{
	acts_add(acts, n, on_attributes, COUNT(on_attributes));
}
