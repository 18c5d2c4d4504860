/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attack/objects.h"
#include "attack/victim.h"
#include "mount.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PLACE   MOUNT_DIR "/" NAME
#define TAKEN   "/taken"
#define CONTENT "victim"
#define MODE    0600

static mode_t needed(int flags)
{
	mode_t bits = (flags & O_ACCMODE) == O_RDONLY ? 4
		      : (flags & O_ACCMODE) == O_RDWR ? 6
						      : 2;

	return flags & O_TRUNC ? bits | 2 : bits;
}

/* Of the attackers' groups the victim is in none. */
static mode_t granted(const struct victim *v, const struct stat *st)
{
	if (v->uid == 0)
		return 7;
	return (v->uid == st->st_uid ? st->st_mode >> 6 : st->st_mode) & 7;
}

/* What one has open stays what it is, whatever becomes of its name. */
static void use_own(struct arena *arena, int fd, const struct stat *was)
{
	static const struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	char found[sizeof(CONTENT)] = "";
	struct stat st;

	if (pwrite(fd, CONTENT, sizeof(CONTENT) - 1, 0) < 0 || fchmod(fd, MODE) < 0 ||
	    ftruncate(fd, sizeof(CONTENT) - 1) < 0 || futimens(fd, times) < 0 ||
	    fstat(fd, &st) < 0)
		arena_breach(arena, "cannot use what one has open: %s", strerror(errno));
	else if (st.st_ino != was->st_ino || st.st_uid != was->st_uid ||
		 st.st_mode != (S_IFREG | MODE) || st.st_mtim.tv_sec != 3)
		arena_breach(arena, "what one has open has become another's");
	else if (pread(fd, found, sizeof(found), 0) != sizeof(CONTENT) - 1 ||
		 strcmp(found, CONTENT) != 0)
		arena_breach(arena, "what one has open contains another's");
}

static void check(struct arena *arena, const struct victim *v, int fd, int flags)
{
	bool creates = flags & O_CREAT;
	struct stat st;

	if (fstat(fd, &st) < 0)
		arena_breach(arena, "cannot look at what is open: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		arena_breach(arena, "opened what is no object: mode %o", st.st_mode);
	else if (needed(flags) & ~granted(v, &st))
		arena_breach(arena, "opened mode %o of user %u with flags %#o",
			     st.st_mode, st.st_uid, (unsigned int)flags);
	else if (creates && flags & O_EXCL && st.st_uid != v->uid)
		arena_breach(arena, "created what is user %u's", st.st_uid);
	/* The directory is root's. */
	else if (creates && v->is_protected && st.st_uid != v->uid && st.st_uid != 0)
		arena_breach(arena, "opened mode %o of user %u with flags %#o, protected",
			     st.st_mode, st.st_uid, (unsigned int)flags);
	else if (st.st_uid == v->uid && (flags & O_ACCMODE) == O_RDWR && v->uid != 0)
		use_own(arena, fd, &st);
}

static bool open_with(struct arena *arena, const struct victim *v, int flags)
{
	_cleanup_close_ int fd = open(PLACE, flags | O_CLOEXEC, MODE);

	if (fd >= 0)
		check(arena, v, fd, flags);
	return fd >= 0;
}

static bool do_truncate(void)
{
	return truncate(PLACE, 3) == 0;
}

static bool do_chmod(void)
{
	return chmod(PLACE, MODE) == 0;
}

static bool do_chown(void)
{
	return chown(PLACE, getuid(), getgid()) == 0;
}

static bool do_touch(void)
{
	static const struct timespec times[2] = { { 1, 2 }, { 3, 4 } };

	return utimensat(AT_FDCWD, PLACE, times, 0) == 0;
}

static bool do_set_xattr(void)
{
	return setxattr(PLACE, "user.victim", "x", 1, 0) == 0;
}

static bool do_unlink(void)
{
	return unlink(PLACE) == 0;
}

/* Only what is one's own can be taken away. It is looked at natively: where names are
 * cached, what the kernel believes to have renamed may be seen for a moment. */
static bool do_rename(struct arena *arena, const struct victim *v)
{
	struct stat st;

	if (rename(PLACE, MOUNT_DIR TAKEN) < 0)
		return false;
	if (v->uid != 0 && stat(NATIVE_DIR TAKEN, &st) == 0 && st.st_uid != v->uid)
		arena_breach(arena, "took away mode %o of user %u", st.st_mode,
			     st.st_uid);
	unlink(MOUNT_DIR TAKEN);
	return true;
}

static bool act_by_name(struct arena *arena, const struct victim *v)
{
	static bool (*const acts[])(void) = { do_truncate,  do_chmod,  do_chown, do_touch,
					      do_set_xattr, do_unlink, do_unlink };
	unsigned int which = arena_random(COUNT(acts) + 1);

	return which < COUNT(acts) ? acts[which]() : do_rename(arena, v);
}

void victim_round(struct arena *arena, void *context)
{
	static const int flags[] = {
		O_RDONLY,         O_WRONLY,           O_RDWR,
		O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND
	};
	static const int creating[] = { O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
					O_WRONLY | O_CREAT | O_TRUNC,
					O_RDWR | O_CREAT | O_TRUNC, O_RDONLY | O_CREAT };
	const struct victim *v = context;
	bool done;

	if (v->reads_only) {
		open_with(arena, v, O_RDONLY);
		return;
	}
	switch (v->creates_only ? 0 : arena_random(3)) {
	case 0:
		done = open_with(arena, v, creating[arena_random(COUNT(creating))]);
		break;
	case 1:
		done = open_with(arena, v, flags[arena_random(COUNT(flags))]);
		break;
	default:
		done = act_by_name(arena, v);
	}
	arena_tried(arena, done);
}
