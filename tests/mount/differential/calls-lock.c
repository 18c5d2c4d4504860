/* SPDX-License-Identifier: MIT */
/*
 * Locks of all three sorts, between the descriptors of one process, between processes,
 * and between the mount and native lockers. None waits: a lock that nobody gives back
 * would hold up the sequence for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "calls.h"
#include "util/cleanup.h"

static long run_flock(struct side *side, const struct op *op, struct outcome *out)
{
	static const int kinds[] = { LOCK_SH, LOCK_EX, LOCK_UN };
	int kind = kinds[choose(op, 0, 3)] | LOCK_NB;

	say(out, "flock(slot %u, %d)", op->slot, kind);
	return errno_or(flock(side_fd(side, op->slot), kind));
}

static struct flock range(const struct op *op, struct outcome *out)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct flock lock = {
		.l_type = types[choose(op, 0, 3)],
		.l_whence = SEEK_SET,
		.l_start = choose(op, 1, 40),
		.l_len = choose(op, 2, 20), /* 0: to the end */
	};

	if (chance(op, 3, 3))
		lock.l_start = -1;
	if (chance(op, 4, 10)) {
		lock.l_whence = SEEK_END;
		lock.l_len = 0;
	}
	say(out, ", %d, %d %lld %lld)", lock.l_type, lock.l_whence,
	    (long long)lock.l_start, (long long)lock.l_len);
	return lock;
}

static long set(struct side *side, const struct op *op, struct outcome *out, int command)
{
	struct flock lock;

	say(out, "fcntl(slot %u, %d", op->slot, command);
	lock = range(op, out);
	side_look(side, op->slot);
	return errno_or(fcntl(side_fd(side, op->slot), command, &lock));
}

/* Whose lock it is, is left out: to the mount each is an open file's, natively a
 * process's. (difference: lock-owner) */
static long get(struct side *side, const struct op *op, struct outcome *out, int command)
{
	struct flock lock;
	long r;

	say(out, "fcntl(slot %u, %d", op->slot, command);
	lock = range(op, out);
	side_look(side, op->slot);
	r = errno_or(fcntl(side_fd(side, op->slot), command, &lock));
	say(out, " %d %d", lock.l_type, lock.l_whence);
	if (lock.l_type != F_UNLCK)
		say(out, " %lld %lld", (long long)lock.l_start, (long long)lock.l_len);
	return r;
}

static long run_setlk(struct side *side, const struct op *op, struct outcome *out)
{
	return set(side, op, out, F_SETLK);
}

static long run_getlk(struct side *side, const struct op *op, struct outcome *out)
{
	return get(side, op, out, F_GETLK);
}

static long run_ofd_setlk(struct side *side, const struct op *op, struct outcome *out)
{
	return set(side, op, out, F_OFD_SETLK);
}

static long run_ofd_getlk(struct side *side, const struct op *op, struct outcome *out)
{
	return get(side, op, out, F_OFD_GETLK);
}

const struct call lock_calls[] = {
	{ "flock", 20, MAY_BOTH, true, run_flock },
	{ "setlk", 20, MAY_BOTH, true, run_setlk },
	{ "getlk", 15, MAY_BOTH, true, run_getlk },
	{ "ofd_setlk", 20, MAY_BOTH, true, run_ofd_setlk },
	{ "ofd_getlk", 15, MAY_BOTH, true, run_ofd_getlk },
	{ 0 },
};
