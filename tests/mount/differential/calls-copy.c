/* SPDX-License-Identifier: MIT */
/*
 * Bytes that go from one file to another without passing through a buffer of the caller,
 * and the whole contents of a file, however sparse.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static void look_at_both(const struct side *side, const struct op *op)
{
	side_access(side, op->slot);
	side_look(side, op->other);
}

static long run_copy(struct side *side, const struct op *op, struct outcome *out)
{
	off_t from = op->offset, to = op->other_offset;
	bool positions = chance(op, 0, 50);
	long r;

	say(out, "copy_file_range(slot %u %lld, slot %u %lld, %zu)%s", op->slot,
	    (long long)from, op->other, (long long)to, op->length,
	    positions ? "" : " from and to the positions");
	look_at_both(side, op);
	r = errno_or(copy_file_range(side_fd(side, op->slot), positions ? &from : NULL,
				     side_fd(side, op->other), positions ? &to : NULL,
				     op->length, 0));
	say(out, " %lld %lld", (long long)from, (long long)to);
	return r;
}

/*
 * Within one file tmpfs hands its own pages on, and reads what it is just writing; what
 * then comes out is nobody's promise.
 */
static bool within_one_file(const struct side *side, const struct op *op)
{
	return side_fd(side, op->slot) >= 0 && side_fd(side, op->other) >= 0 &&
	       side->slots[op->slot].ino == side->slots[op->other].ino;
}

static long run_sendfile(struct side *side, const struct op *op, struct outcome *out)
{
	off_t from = op->offset;
	long r;

	say(out, "sendfile(slot %u, slot %u %lld, %zu)", op->other, op->slot,
	    (long long)from, op->length);
	if (within_one_file(side, op))
		return 0;
	look_at_both(side, op);
	r = errno_or(sendfile(side_fd(side, op->other), side_fd(side, op->slot), &from,
			      op->length));
	say(out, " %lld", (long long)from);
	return r;
}

/* What goes in comes out: less than a pipe holds, so that no splice has to wait. */
static long run_splice(struct side *side, const struct op *op, struct outcome *out)
{
	off_t from = op->offset, to = op->other_offset;
	size_t length = op->length % 16384;
	int ends[2];
	long in, written = 0;

	say(out, "splice(slot %u %lld, slot %u %lld, %zu)", op->slot, (long long)from,
	    op->other, (long long)to, length);
	if (within_one_file(side, op))
		return 0;
	look_at_both(side, op);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = errno_or(splice(side_fd(side, op->slot), &from, ends[1], NULL, length, 0));
	if (in > 0)
		written = errno_or(splice(ends[0], NULL, side_fd(side, op->other), &to,
					  (size_t)in, 0));
	close(ends[0]);
	close(ends[1]);
	say(out, " in %ld at %lld, out %ld at %lld", in, (long long)from, written,
	    (long long)to);
	return in < 0 ? in : written;
}

/* Says the bytes of one piece of data, and counts them against what is still to be read.
 */
static void say_piece(struct outcome *out, int fd, off_t start, off_t end)
{
	static unsigned char bytes[OP_LENGTH_MAX];
	uint64_t sum = (uint64_t)start * 31 + (uint64_t)end;
	ssize_t n = 1;

	for (off_t at = start; at < end && n > 0; at += n) {
		size_t want = sizeof(bytes);

		if (end - at < (off_t)want)
			want = (size_t)(end - at);
		n = pread(fd, bytes, want, at);
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ bytes[i]) * 0x100000001b3u;
	}
	say(out, " %lld-%lld:%08x", (long long)start, (long long)end,
	    (unsigned int)(sum ^ sum >> 32));
}

/* All of a file, by its data and its holes, its attributes and their names. */
static long run_cat(struct side *side, const struct op *op, struct outcome *out)
{
	char names[400];
	ssize_t length;
	off_t start, end = 0;
	struct stat st = { 0 };
	_cleanup_close_ int fd = -1;

	say(out, "cat(%s)", name_label(op->name));
	fd = open(side_path(side, op->name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((start = lseek(fd, end, SEEK_DATA)) >= 0) {
		end = lseek(fd, start, SEEK_HOLE);
		if (end <= start)
			break;
		say_piece(out, fd, start, end);
	}
	fstat(fd, &st);
	say_stat(out, &st);
	length = flistxattr(fd, names, sizeof(names));
	if (length > 0)
		say_bytes(out, names, (size_t)length);
	return 0;
}

const struct call copy_calls[] = {
	{ "copy_file_range", 15, MAY_BOTH, false, run_copy },
	{ "sendfile", 10, MAY_BOTH, false, run_sendfile },
	{ "splice", 12, MAY_BOTH, false, run_splice },
	{ "cat", 15, MAY_BOTH, false, run_cat },
	{ 0 },
};
