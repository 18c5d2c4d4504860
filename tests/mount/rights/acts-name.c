/* SPDX-License-Identifier: MIT */
/* Names: removing, renaming onto whatever may be there, linking. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"
#include "rights/acts.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int unlink_it(const struct act *a, const struct place *p)
{
	(void)a;
	return errno_or(unlink(p->f));
}

static int unlink_theirs(const struct act *a, const struct place *p)
{
	(void)a;
	return errno_or(unlink(p->theirs));
}

static int rename_with(const struct act *a, const char *from, const char *to)
{
	return errno_or(renameat2(AT_FDCWD, from, AT_FDCWD, to, (unsigned int)a->flags));
}

static int rename_it(const struct act *a, const struct place *p)
{
	return rename_with(a, p->f, p->free);
}

static int rename_onto_theirs(const struct act *a, const struct place *p)
{
	return rename_with(a, p->f, p->theirs);
}

static int rename_theirs(const struct act *a, const struct place *p)
{
	return rename_with(a, p->theirs, p->f);
}

static int make_mine(const struct place *p)
{
	_cleanup_close_ int fd =
		errno_or(open(p->mine, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));

	return fd < 0 ? fd : 0;
}

/* Takes a file of the actor's own in the place of one that is there. */
static int replace(const struct act *a, const struct place *p)
{
	int r = make_mine(p);

	return r < 0 ? r : rename_with(a, p->mine, p->f);
}

static int replace_theirs(const struct act *a, const struct place *p)
{
	int r = make_mine(p);

	return r < 0 ? r : rename_with(a, p->mine, p->theirs);
}

static int link_it(const struct act *a, const struct place *p)
{
	(void)a;
	return errno_or(link(p->f, p->free));
}

/* Removes that again: the object is gone if nobody else has it. */
static int link_and_unlink(const struct act *a, const struct place *p)
{
	int r = link_it(a, p);

	return r < 0 ? r : errno_or(unlink(p->free));
}

static int link_onto_theirs(const struct act *a, const struct place *p)
{
	(void)a;
	return errno_or(link(p->f, p->theirs));
}

static int link_fd(int fd, const struct place *p)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 ? fd
		      : errno_or(linkat(AT_FDCWD, path, AT_FDCWD, p->free,
					AT_SYMLINK_FOLLOW));
}

static int link_open(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return link_fd(fd, p);
}

static int link_unnamed(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd =
		errno_or(open(p->dir, O_TMPFILE | O_RDWR | O_CLOEXEC | a->flags, 0640));

	return link_fd(fd, p);
}

static int link_symbolically(const struct act *a, const struct place *p)
{
	(void)a;
	return errno_or(symlink(p->f, p->free));
}

static int make_dir(const struct act *a, const struct place *p)
{
	(void)a;
	return errno_or(mkdir(p->free, 0755));
}

static const struct act on_names[] = {
	{ "unlink", .run = unlink_it },
	{ "unlink another's", .run = unlink_theirs, .needs = ACT_THEIRS },
	{ "rename", .run = rename_it },
	{ "rename without replacing", .run = rename_it, .flags = RENAME_NOREPLACE },
	{ "rename leaving a whiteout", .run = rename_it, .flags = RENAME_WHITEOUT },
	{ "rename onto another's", .run = rename_onto_theirs, .needs = ACT_THEIRS },
	{ "rename onto another's without replacing", .run = rename_onto_theirs,
	  .needs = ACT_THEIRS, .flags = RENAME_NOREPLACE },
	{ "rename another's", .run = rename_theirs, .needs = ACT_THEIRS },
	{ "exchange with another's", .run = rename_onto_theirs, .needs = ACT_THEIRS,
	  .flags = RENAME_EXCHANGE },
	{ "replace", .run = replace },
	{ "exchange", .run = replace, .flags = RENAME_EXCHANGE },
	{ "replace another's", .run = replace_theirs, .needs = ACT_THEIRS },
	{ "link", .run = link_it, .needs = ACT_LINKS },
	{ "link and unlink", .run = link_and_unlink, .needs = ACT_LINKS },
	{ "link onto another's", .run = link_onto_theirs,
	  .needs = ACT_LINKS | ACT_THEIRS },
	{ "link what is open", .run = link_open, .needs = ACT_LINKS, .flags = O_RDONLY },
	{ "link what is held", .run = link_open, .needs = ACT_LINKS, .flags = O_PATH },
	{ "link what has no name", .run = link_unnamed },
	{ "link what shall have no name", .run = link_unnamed, .flags = O_EXCL },
	{ "link symbolically", .run = link_symbolically },
	{ "mkdir", .run = make_dir },
};

void acts_on_names(struct act *acts, size_t *n)
{
	acts_add(acts, n, on_names, COUNT(on_names));
}
