/* SPDX-License-Identifier: MIT */
/*
 * Size, room and durability: what a file takes, and what the file system says it has
 * left.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static long run_truncate(struct side *side, const struct op *op, struct outcome *out)
{
	const char *path = side_path(side, op->name);

	say(out, "truncate(%s, %lld)", name_label(op->name), (long long)op->offset);
	return errno_or(truncate(path, op->offset));
}

static long run_ftruncate(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "ftruncate(slot %u, %lld)", op->slot, (long long)op->offset);
	return errno_or(ftruncate(side_fd(side, op->slot), op->offset));
}

static long run_fallocate(struct side *side, const struct op *op, struct outcome *out)
{
	static const int modes[] = {
		0,
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE,
	};
	int mode = modes[choose(op, 0, 10)];
	off_t length = (off_t)op->length;

	if (chance(op, 1, 4))
		length = op->other_offset;
	say(out, "fallocate(slot %u, mode %#x, %lld at %lld)", op->slot, mode,
	    (long long)length, (long long)op->offset);
	return errno_or(fallocate(side_fd(side, op->slot), mode, op->offset, length));
}

static long run_fsync(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "fsync(slot %u)", op->slot);
	return errno_or(fsync(side_fd(side, op->slot)));
}

static long run_fdatasync(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "fdatasync(slot %u)", op->slot);
	return errno_or(fdatasync(side_fd(side, op->slot)));
}

static long run_fadvise(struct side *side, const struct op *op, struct outcome *out)
{
	static const int advices[] = { POSIX_FADV_NORMAL,
				       POSIX_FADV_SEQUENTIAL,
				       POSIX_FADV_RANDOM,
				       POSIX_FADV_NOREUSE,
				       POSIX_FADV_DONTNEED,
				       POSIX_FADV_WILLNEED,
				       99 };
	int advice = advices[choose(op, 0, 7)];

	say(out, "posix_fadvise(slot %u, %lld, %zu, %d)", op->slot, (long long)op->offset,
	    op->length, advice);
	side_access(side, op->slot);
	return -posix_fadvise(side_fd(side, op->slot), op->offset, (off_t)op->length,
			      advice);
}

static void say_room(struct outcome *out, const struct statvfs *room)
{
	say(out,
	    " {%lu, %lu: %lu/%lu/%lu blocks, %lu/%lu files, names of %lu, flags %#lx}",
	    room->f_bsize, room->f_frsize, room->f_bavail, room->f_bfree, room->f_blocks,
	    room->f_ffree, room->f_files, room->f_namemax,
	    room->f_flag &
		    (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_SYNCHRONOUS));
}

static long run_statvfs(struct side *side, const struct op *op, struct outcome *out)
{
	struct statvfs room = { 0 };
	long r;

	say(out, "statvfs(%s)", name_label(op->name));
	r = errno_or(statvfs(side_path(side, op->name), &room));
	say_room(out, &room);
	return r;
}

static long run_fstatvfs(struct side *side, const struct op *op, struct outcome *out)
{
	struct statvfs room = { 0 };
	long r;

	say(out, "fstatvfs(slot %u)", op->slot);
	r = errno_or(fstatvfs(side_fd(side, op->slot), &room));
	say_room(out, &room);
	return r;
}

const struct call space_calls[] = {
	{ "truncate", 15, MAY_BOTH, false, run_truncate },
	{ "ftruncate", 25, MAY_BOTH, false, run_ftruncate },
	{ "fallocate", 30, MAY_BOTH, false, run_fallocate },
	{ "fsync", 4, MAY_BOTH, false, run_fsync },
	{ "fdatasync", 4, MAY_BOTH, false, run_fdatasync },
	{ "fadvise", 6, MAY_BOTH, false, run_fadvise },
	{ "statvfs", 10, MAY_BOTH, false, run_statvfs },
	{ "fstatvfs", 6, MAY_BOTH, false, run_fstatvfs },
	{ 0 },
};
