/* SPDX-License-Identifier: MIT */
/*
 * Attributes: seen by each call that shows them, changed by name and by descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static long run_stat(struct side *side, const struct op *op, struct outcome *out)
{
	int flags = chance(op, 0, 50) ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st = { 0 };
	long r;

	say(out, "fstatat(%s, %#x)", name_label(op->name), flags);
	r = errno_or(fstatat(AT_FDCWD, side_path(side, op->name), &st, flags));
	if (r < 0)
		return r;
	say_stat(out, &st);
	side_say_identity(side, out, st.st_ino);
	return r;
}

static long run_fstat(struct side *side, const struct op *op, struct outcome *out)
{
	struct stat st = { 0 };
	long r;

	say(out, "fstat(slot %u)", op->slot);
	r = errno_or(fstat(side_fd(side, op->slot), &st));
	if (r < 0)
		return r;
	say_stat(out, &st);
	side_say_identity(side, out, st.st_ino);
	return r;
}

static struct timespec as_timespec(struct statx_timestamp at)
{
	return (struct timespec){ .tv_sec = at.tv_sec, .tv_nsec = at.tv_nsec };
}

/* Times of birth and the like are not every file system's. (difference: statx) */
static long run_statx(struct side *side, const struct op *op, struct outcome *out)
{
	int flags = chance(op, 0, 50) ? AT_STATX_FORCE_SYNC : AT_STATX_SYNC_AS_STAT;
	struct statx x = { 0 };
	long r;

	say(out, "statx(%s, %#x)", name_label(op->name), flags);
	r = errno_or(
		statx(AT_FDCWD, side_path(side, op->name), flags, STATX_BASIC_STATS, &x));
	if (r < 0)
		return r;
	say(out, " %#x {%06o, %u links, %u:%u, %llu bytes, %llu blocks of 512, %u:%u;",
	    x.stx_mask & STATX_BASIC_STATS, x.stx_mode, x.stx_nlink, x.stx_uid, x.stx_gid,
	    (unsigned long long)x.stx_size, (unsigned long long)x.stx_blocks,
	    x.stx_rdev_major, x.stx_rdev_minor);
	say_time(out, "a", as_timespec(x.stx_atime));
	say_time(out, "m", as_timespec(x.stx_mtime));
	say_time(out, "c", as_timespec(x.stx_ctime));
	say(out, "}");
	return r;
}

static long run_chmod(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "chmod(%s, %04o)", name_label(op->name), op->mode);
	return errno_or(chmod(side_path(side, op->name), op->mode));
}

static long run_fchmod(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "fchmod(slot %u, %04o)", op->slot, op->mode);
	return errno_or(fchmod(side_fd(side, op->slot), op->mode));
}

static uid_t new_owner(const struct op *op)
{
	static const uid_t owners[] = { 0, 1000, 1001, 1000, 1001, (uid_t)-1, (uid_t)-1 };

	return owners[choose(op, 0, 7)];
}

static gid_t new_group(const struct op *op)
{
	static const gid_t groups[] = { 0, 1000, 1001, 2000, 2000, (gid_t)-1, (gid_t)-1 };

	return groups[choose(op, 1, 7)];
}

static long run_chown(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "lchown(%s, %d, %d)", name_label(op->name), (int)new_owner(op),
	    (int)new_group(op));
	return errno_or(lchown(side_path(side, op->name), new_owner(op), new_group(op)));
}

static long run_fchown(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "fchown(slot %u, %d, %d)", op->slot, (int)new_owner(op),
	    (int)new_group(op));
	return errno_or(fchown(side_fd(side, op->slot), new_owner(op), new_group(op)));
}

/* Far from the time of the run: before 2001, before 1970, or in the 23rd century. */
static struct timespec new_time(const struct op *op, unsigned int what)
{
	static const time_t bases[] = { 0, 0, -1000000000, 9000000000 };
	unsigned int kind = choose(op, what, 12);
	struct timespec at = {
		.tv_sec =
			bases[choose(op, what + 1, 4)] + choose(op, what + 2, 900000000),
		.tv_nsec = choose(op, what + 3, 1000000000),
	};

	if (kind == 0)
		at.tv_nsec = 1000000000; /* one too many */
	else if (kind <= 2)
		at.tv_nsec = UTIME_NOW;
	else if (kind <= 4)
		at.tv_nsec = UTIME_OMIT;
	return at;
}

static void new_times(const struct op *op, struct outcome *out, struct timespec ret[2])
{
	ret[0] = new_time(op, 10);
	ret[1] = new_time(op, 20);
	for (int i = 0; i < 2; i++)
		say(out, " %lld.%09ld", (long long)ret[i].tv_sec, ret[i].tv_nsec);
}

static long run_utimens(struct side *side, const struct op *op, struct outcome *out)
{
	const struct timespec *arg;
	struct timespec times[2];

	say(out, "utimensat(%s)", name_label(op->name));
	new_times(op, out, times);
	arg = chance(op, 0, 10) ? NULL : times;
	say(out, arg ? "" : " but NULL");
	return errno_or(utimensat(AT_FDCWD, side_path(side, op->name), arg, 0));
}

static long run_futimens(struct side *side, const struct op *op, struct outcome *out)
{
	struct timespec times[2];

	say(out, "futimens(slot %u)", op->slot);
	new_times(op, out, times);
	return errno_or(futimens(side_fd(side, op->slot), times));
}

const struct call attr_calls[] = {
	{ "stat", 30, MAY_BOTH, false, run_stat },
	{ "fstat", 30, MAY_BOTH, false, run_fstat },
	{ "statx", 15, MAY_BOTH, false, run_statx },
	{ "chmod", 12, MAY_BOTH, false, run_chmod },
	{ "fchmod", 12, MAY_BOTH, false, run_fchmod },
	{ "chown", 10, MAY_BOTH, false, run_chown },
	{ "fchown", 10, MAY_BOTH, false, run_fchown },
	{ "utimens", 20, MAY_BOTH, false, run_utimens },
	{ "futimens", 20, MAY_BOTH, false, run_futimens },
	{ 0 },
};
