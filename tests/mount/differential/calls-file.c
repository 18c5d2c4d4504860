/* SPDX-License-Identifier: MIT */
/*
 * Open files: opening with every flag, reading, writing, positions.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static int open_flags(const struct op *op)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	static const struct {
		int flag;
		unsigned int percent;
	} flags[] = {
		{ O_CREAT, 75 },  { O_EXCL, 8 },      { O_TRUNC, 10 },
		{ O_APPEND, 10 }, { O_NOFOLLOW, 10 }, { O_DIRECTORY, 3 },
		{ O_NOATIME, 5 },
	};
	int all = modes[choose(op, 0, 4)] | O_CLOEXEC;

	for (unsigned int i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (chance(op, i + 1, flags[i].percent))
			all |= flags[i].flag;
	}
	/* Not the owner's: the mount is refused with EPERM before it is asked for EACCES.
	 * (difference: noatime) */
	if (op->user != USER_ROOT)
		all &= ~O_NOATIME;
	return all;
}

/* Keeps and tells of the descriptor @r; or it is an error, and is returned. */
static long put_opened(struct side *side, const struct op *op, long r,
		       struct outcome *out)
{
	struct stat st = { 0 };

	if (r < 0)
		return r;
	side_put(side, op->slot, (int)r);
	fstat((int)r, &st);
	say_stat(out, &st);
	side_say_identity(side, out, st.st_ino);
	return 0;
}

static long run_open(struct side *side, const struct op *op, struct outcome *out)
{
	int flags = open_flags(op);
	long r;

	say(out, "open(%s, %#o, %04o) with umask %03o into slot %u", name_label(op->name),
	    flags, op->mode, op->umask, op->slot);
	side_close(side, op->slot);
	umask(op->umask);
	r = errno_or(open(side_path(side, op->name), flags, op->mode));
	umask(0);
	return put_opened(side, op, r, out);
}

/*
 * A descriptor of a name, without an open file. It is closed at once: on tmpfs it pins
 * the object and its memory, and the mount pins nothing that is not open.
 * (difference: release)
 */
static long run_path(struct side *side, const struct op *op, struct outcome *out)
{
	_cleanup_close_ int fd = -1;
	struct stat st = { 0 };
	char byte = 0;

	say(out, "open(%s, O_PATH)", name_label(op->name));
	fd = open(side_path(side, op->name), O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	say(out, " %d", errno_or(fstat(fd, &st)));
	say_stat(out, &st);
	side_say_identity(side, out, st.st_ino);
	say(out, " %zd %d %d %d", errno_or(read(fd, &byte, 1)), errno_or(fchmod(fd, 0)),
	    errno_or(ftruncate(fd, 0)), errno_or(fsync(fd)));
	return 0;
}

static long run_tmpfile(struct side *side, const struct op *op, struct outcome *out)
{
	int flags = chance(op, 0, 30) ? O_EXCL : 0;
	long r;

	say(out, "open(., O_TMPFILE|%#o, %04o) with umask %03o into slot %u", flags,
	    op->mode, op->umask, op->slot);
	side_close(side, op->slot);
	umask(op->umask);
	r = errno_or(open(side->dir, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, op->mode));
	umask(0);
	return put_opened(side, op, r, out);
}

static long run_close(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "close(slot %u)", op->slot);
	return side_close(side, op->slot);
}

static long run_dup(struct side *side, const struct op *op, struct outcome *out)
{
	const struct slot *from = &side->slots[op->slot];
	long r;

	say(out, "dup(slot %u) into slot %u", op->slot, op->other);
	if (op->slot == op->other)
		return 0;
	r = errno_or(fcntl(from->fd, F_DUPFD_CLOEXEC, 0));
	if (r < 0)
		return r;
	side_close(side, op->other);
	side->slots[op->other] = *from;
	side->slots[op->other].fd = (int)r;
	return 0;
}

/* Reading nothing is left out: only tmpfs itself takes it for an access.
 * (difference: atime) */
static size_t read_length(const struct op *op)
{
	return op->length ? op->length : 1;
}

static unsigned char buffer[OP_LENGTH_MAX];

static long said_read(struct outcome *out, long r)
{
	if (r >= 0)
		say_bytes(out, buffer, (size_t)r);
	return r;
}

static long run_read(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "read(slot %u, %zu)", op->slot, read_length(op));
	return said_read(
		out, errno_or(read(side_fd(side, op->slot), buffer, read_length(op))));
}

static long run_pread(struct side *side, const struct op *op, struct outcome *out)
{
	ssize_t n;

	say(out, "pread(slot %u, %zu, at %lld)", op->slot, read_length(op),
	    (long long)op->offset);
	n = pread(side_fd(side, op->slot), buffer, read_length(op), op->offset);
	return said_read(out, errno_or(n));
}

static long run_readv(struct side *side, const struct op *op, struct outcome *out)
{
	size_t half = read_length(op) / 2;
	struct iovec parts[] = {
		{ buffer, half },
		{ buffer + half, 0 },
		{ buffer + half, read_length(op) - half },
	};

	say(out, "readv(slot %u, %zu in 3 parts)", op->slot, read_length(op));
	return said_read(out, errno_or(readv(side_fd(side, op->slot), parts, 3)));
}

static long run_write(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "write(slot %u, %zu)", op->slot, op->length);
	side_look(side, op->slot);
	return errno_or(write(side_fd(side, op->slot), op_bytes(op), op->length));
}

static long run_pwrite(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "pwrite(slot %u, %zu, at %lld)", op->slot, op->length,
	    (long long)op->offset);
	side_look(side, op->slot);
	return errno_or(
		pwrite(side_fd(side, op->slot), op_bytes(op), op->length, op->offset));
}

static long run_pwritev2(struct side *side, const struct op *op, struct outcome *out)
{
	static const int flags[] = { 0, RWF_APPEND, RWF_DSYNC, RWF_SYNC | RWF_APPEND,
				     1 << 30 };
	int flag = flags[choose(op, 0, 5)];
	off_t offset = chance(op, 1, 30) ? -1 : op->offset;
	char *bytes = (char *)op_bytes(op);
	struct iovec parts[] = {
		{ bytes, op->length / 3 },
		{ bytes + op->length / 3, op->length - op->length / 3 },
	};

	say(out, "pwritev2(slot %u, %zu in 2 parts, at %lld, flags %#x)", op->slot,
	    op->length, (long long)offset, flag);
	side_look(side, op->slot);
	return errno_or(pwritev2(side_fd(side, op->slot), parts, 2, offset, flag));
}

static long run_lseek(struct side *side, const struct op *op, struct outcome *out)
{
	static const int whences[] = { SEEK_SET,  SEEK_CUR,  SEEK_CUR,
				       SEEK_END,  SEEK_END,  SEEK_DATA,
				       SEEK_DATA, SEEK_HOLE, 17 };
	int whence = whences[choose(op, 0, 9)];
	off_t offset = chance(op, 1, 40) ? 0 : op->offset;

	say(out, "lseek(slot %u, %lld, %d)", op->slot, (long long)offset, whence);
	return errno_or(lseek(side_fd(side, op->slot), offset, whence));
}

/* O_NOATIME stays as it is: the kernel has told the object's file of it once for all.
 * (difference: noatime) */
static long run_setfl(struct side *side, const struct op *op, struct outcome *out)
{
	int fd = side_fd(side, op->slot);
	int flags = choose(op, 0, 2) ? O_APPEND : 0;
	long r;

	say(out, "fcntl(slot %u, F_SETFL, %#o)", op->slot, flags);
	r = errno_or(fcntl(fd, F_SETFL, flags | (fcntl(fd, F_GETFL) & O_NOATIME)));
	if (r == 0)
		say(out, " %#x", fcntl(fd, F_GETFL));
	return r;
}

const struct call file_calls[] = {
	{ "open", 150, MAY_BOTH, false, run_open },
	{ "path", 8, MAY_BOTH, false, run_path },
	{ "tmpfile", 6, MAY_SUCCEED, false, run_tmpfile },
	{ "close", 14, MAY_BOTH, false, run_close },
	{ "dup", 12, MAY_BOTH, false, run_dup },
	{ "read", 25, MAY_BOTH, false, run_read },
	{ "pread", 35, MAY_BOTH, false, run_pread },
	{ "readv", 12, MAY_BOTH, false, run_readv },
	{ "write", 30, MAY_BOTH, false, run_write },
	{ "pwrite", 40, MAY_BOTH, false, run_pwrite },
	{ "pwritev2", 25, MAY_BOTH, false, run_pwritev2 },
	{ "lseek", 40, MAY_BOTH, false, run_lseek },
	{ "setfl", 8, MAY_BOTH, false, run_setfl },
	{ 0 },
};
