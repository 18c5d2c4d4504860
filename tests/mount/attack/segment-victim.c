/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attack/objects.h"
#include "attack/segment-victim.h"
#include "attack/segments.h"
#include "mount.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MODE 0600

static const char *path(void)
{
	static const char *const names[] = { SEGMENT_NAME, SEGMENT_NAME, "id-7", "id-8" };
	static char text[64];

	snprintf(text, sizeof(text), "%s/%s", MOUNT_DIR,
		 names[arena_random(COUNT(names))]);
	return text;
}

/* As shmat(2) has it: writing takes reading, too. */
static mode_t needed(int flags)
{
	return (flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC) ? 4 : 6;
}

/* Of the attackers' groups the victim is in none. */
static mode_t granted(uid_t uid, const struct stat *st)
{
	if (uid == 0)
		return 7;
	return (uid == st->st_uid ? st->st_mode >> 6 : st->st_mode) & 7;
}

/* What is read must be of the segment that is open. */
static void check_mark(struct arena *arena, const struct segment_mark *m,
		       const struct stat *st)
{
	if (m->magic != SEGMENT_MAGIC)
		return;
	if (m->uid != st->st_uid)
		arena_breach(arena, "in user %u's there is what user %u wrote",
			     st->st_uid, m->uid);
	/* The victim changes the mode of what is his own. */
	else if (m->uid != VICTIM_UID && m->mode != (st->st_mode & 0777))
		arena_breach(arena, "in mode %o of user %u there is mode %o", st->st_mode,
			     st->st_uid, m->mode);
}

static struct segment_mark mapped_mark(int fd)
{
	struct segment_mark m = { 0, 0, 0, 0 };
	void *memory = mmap(NULL, SEGMENT_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (memory != MAP_FAILED) {
		memcpy(&m, memory, sizeof(m));
		munmap(memory, SEGMENT_SIZE);
	}
	return m;
}

static struct segment_mark read_mark(int fd)
{
	struct segment_mark m = { 0, 0, 0, 0 };

	if (pread(fd, &m, sizeof(m), 0) != sizeof(m))
		m.magic = 0;
	return m;
}

/* What one has open stays what it is, whatever its key or identifier come to mean. */
static void use(struct arena *arena, int fd, const struct stat *was)
{
	struct segment_mark first = read_mark(fd);
	struct segment_mark second = mapped_mark(fd);
	struct stat st;

	check_mark(arena, &first, was);
	check_mark(arena, &second, was);
	arena_dwell();
	second = read_mark(fd);
	if (first.magic == SEGMENT_MAGIC && memcmp(&first, &second, sizeof(first)) != 0)
		arena_breach(arena, "what one has open contains another's");
	if (fstat(fd, &st) < 0)
		arena_breach(arena, "cannot look at what is open: %s", strerror(errno));
	else if (st.st_ino != was->st_ino || st.st_uid != was->st_uid)
		arena_breach(arena,
			     "open mode %o of user %u, %lu, has become user %u's, %lu",
			     was->st_mode, was->st_uid, was->st_ino, st.st_uid,
			     st.st_ino);
}

static bool open_with(struct arena *arena, uid_t uid, int flags)
{
	_cleanup_close_ int fd = open(path(), flags | O_CLOEXEC, MODE);
	struct stat st;

	if (fd < 0)
		return false;
	/* A new one is nobody else's, and a segment only now. */
	if (flags & O_CREAT && fstat(fd, &st) == 0 && st.st_size == 0 &&
	    ftruncate(fd, SEGMENT_SIZE) < 0)
		return false;
	if (fstat(fd, &st) < 0)
		arena_breach(arena, "cannot look at what is open: %s", strerror(errno));
	else if (needed(flags) & ~granted(uid, &st))
		arena_breach(arena, "opened mode %o of user %u with flags %#o",
			     st.st_mode, st.st_uid, (unsigned int)flags);
	/* While it is pending anybody may yet make it a segment. */
	else if (st.st_size > 0)
		use(arena, fd, &st);
	if ((flags & O_ACCMODE) == O_RDWR && uid != 0)
		(void)!pwrite(fd, "victim", 6, SEGMENT_SCRATCH);
	return true;
}

static bool do_unlink(void)
{
	return unlink(path()) == 0;
}

static bool do_chmod(void)
{
	return chmod(path(), MODE) == 0;
}

static bool do_chown(void)
{
	return chown(path(), getuid(), getgid()) == 0;
}

static bool do_truncate(void)
{
	return truncate(path(), SEGMENT_SIZE) == 0;
}

static bool do_ask(void)
{
	char text[16];

	return getxattr(path(), "user.shmfs.cuid", text, sizeof(text)) > 0;
}

void segment_victim_round(struct arena *arena, void *context)
{
	static const int flags[] = { O_RDONLY,
				     O_RDONLY,
				     O_RDWR,
				     O_RDWR,
				     O_RDONLY | O_TRUNC,
				     O_RDWR | O_CREAT,
				     O_RDWR | O_CREAT | O_EXCL };
	static bool (*const acts[])(void) = { do_unlink, do_unlink, do_chmod,
					      do_chown,  do_ask,    do_truncate };
	const struct segment_victim *v = context;
	bool done;

	/* Root would do it to others' segments, and rightly so. */
	if (v->opens_only || arena_random(2))
		done = open_with(arena, v->uid, flags[arena_random(COUNT(flags))]);
	else
		done = acts[arena_random(COUNT(acts))]();
	arena_tried(arena, done);
}
