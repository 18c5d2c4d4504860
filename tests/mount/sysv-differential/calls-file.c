/* SPDX-License-Identifier: MIT */
/* Open files: opening with every flag, reading, writing, positions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static unsigned char buffer[OP_LENGTH_MAX];

static int open_flags(const struct op *op)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR };
	static const struct {
		int flag;
		unsigned int percent;
	} flags[] = {
		{ O_CREAT, 50 },  { O_EXCL, 8 },     { O_TRUNC, 12 },
		{ O_APPEND, 10 }, { O_NOFOLLOW, 5 }, { O_DIRECTORY, 2 },
	};
	int all = modes[choose(op, 0, 5)] | O_CLOEXEC;

	for (unsigned int i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (chance(op, i + 1, flags[i].percent))
			all |= flags[i].flag;
	return all;
}

static void describe_open(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	say(out, ", %#o, %04o with umask %03o into slot %u", open_flags(op), op->mode,
	    op->umask, op->slot);
}

static int look_by_slot(struct side *side, const struct op *op, struct stat *ret)
{
	return fstat(side->fds[op->slot], ret);
}

static long mount_open(struct side *side, const struct op *op, struct outcome *out)
{
	long r;

	side_close(side, op->slot);
	umask(op->umask);
	r = errno_or(open(side_path(side, op), open_flags(op), op->mode));
	umask(0);
	if (r < 0)
		return r;
	side->fds[op->slot] = (int)r;
	return side_say_stat(side, op, out, look_by_slot);
}

/* shmget(2) makes nothing without a size, and this file could never have one. */
static long open_missing(struct model *model, const struct op *op, int flags, int r)
{
	struct name name = op_name(op);

	if (r != -ENOENT || !(flags & O_CREAT))
		return r;
	if (name.meaning != BY_KEY || (flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	model_open_pending(model, op, name.key, flags);
	return 0;
}

static long open_model(struct model *model, const struct op *op, int flags)
{
	struct name name = op_name(op);
	struct found found;
	int r = model_find(model, &name, &found);

	if (flags & O_CREAT && flags & O_DIRECTORY)
		return -EINVAL;
	if (r < 0)
		return open_missing(model, op, flags, r);
	if (flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	return model_open_found(model, op, &found, flags);
}

static void say_found(struct model *model, const struct found *found, struct outcome *out)
{
	struct stat st = model_stat(model, found);

	say_attributes(out, &st);
}

static long model_open(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	long r;

	model_close(model, op);
	r = open_model(model, op, open_flags(op));
	if (r < 0)
		return r;
	found = file_found(model_file(model, op));
	say_found(model, &found, out);
	return 0;
}

static int reopen_flags(const struct op *op)
{
	return open_flags(op) & ~(O_CREAT | O_EXCL | O_NOFOLLOW);
}

static void describe_reopen(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %#o into slot %u", op->slot, reopen_flags(op), op->other);
}

/* By the descriptor, whatever has become of the name. */
static long mount_reopen(struct side *side, const struct op *op, struct outcome *out)
{
	char path[40];
	long r;

	(void)out;
	if (side->fds[op->slot] < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", side->fds[op->slot]);
	r = errno_or(open(path, reopen_flags(op)));
	if (r < 0)
		return r;
	side_close(side, op->other);
	side->fds[op->other] = (int)r;
	return 0;
}

static long model_reopen(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	struct op into = *op, spare = *op;
	struct found found;
	long r;

	(void)out;
	into.slot = op->other;
	spare.slot = SLOTS;
	if (!f)
		return -EBADF;
	if (reopen_flags(op) & O_DIRECTORY)
		return -ENOTDIR;
	found = file_found(f);
	r = model_open_found(model, &spare, &found, reopen_flags(op));
	if (r < 0)
		return r;
	model_file(model, &spare)->direct = f->direct;
	model_close(model, &into);
	model->slots[op->actor][op->other] = take_ptr(model->slots[op->actor][SLOTS]);
	return 0;
}

static long mount_close(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return side_close(side, op->slot);
}

static long model_closed(struct model *model, const struct op *op, struct outcome *out)
{
	(void)out;
	return model_close(model, op);
}

static void describe_dup(const struct op *op, struct outcome *out)
{
	say(out, "slot %u into slot %u", op->slot, op->other);
}

static long mount_dup(struct side *side, const struct op *op, struct outcome *out)
{
	long r;

	(void)out;
	if (op->slot == op->other)
		return 0;
	r = errno_or(fcntl(side->fds[op->slot], F_DUPFD_CLOEXEC, 0));
	if (r < 0)
		return r;
	side_close(side, op->other);
	side->fds[op->other] = (int)r;
	return 0;
}

static long model_dup(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	struct op other = *op;

	(void)out;
	other.slot = op->other;
	if (op->slot == op->other)
		return 0;
	if (!f)
		return -EBADF;
	f->refs++;
	model_close(model, &other);
	model->slots[op->actor][op->other] = f;
	return 0;
}

static void describe_sequential(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %zu", op->slot, op->length);
}

static void describe_positioned(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %zu, at %lld", op->slot, op->length, (long long)op->offset);
}

static long said_read(struct outcome *out, long r)
{
	if (r >= 0)
		say_bytes(out, buffer, (size_t)r);
	return r;
}

long mount_read(struct side *side, const struct op *op, struct outcome *out)
{
	return said_read(out, errno_or(read(side->fds[op->slot], buffer, op->length)));
}

static long mount_pread(struct side *side, const struct op *op, struct outcome *out)
{
	ssize_t n = pread(side->fds[op->slot], buffer, op->length, op->offset);

	return said_read(out, errno_or(n));
}

/* Nothing reaches behind the last place that there can be. */
static int check_place(int64_t at, size_t n)
{
	return (int64_t)n > INT64_MAX - at ? -EINVAL : 0;
}

/* Bounded by the segment. */
static long file_read(const struct file *f, size_t n, int64_t at)
{
	const struct twin *twin;

	if (!f || !f->reads)
		return -EBADF;
	if (check_place(at, n) < 0)
		return -EINVAL;
	twin = file_twin(f);
	if (!twin && f->pending->data >= 0)
		return errno_or(pread(f->pending->data, buffer, n, at));
	if (!twin || at >= (int64_t)twin->size)
		return 0;
	if (n > twin->size - (size_t)at)
		n = twin->size - (size_t)at;
	twin_read(twin, buffer, n, at);
	return (long)n;
}

long model_read(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	long r = file_read(f, op->length, f ? f->position : 0);

	if (r > 0)
		f->position += r;
	return said_read(out, r);
}

static long model_pread(struct model *model, const struct op *op, struct outcome *out)
{
	if (op->offset < 0)
		return -EINVAL;
	return said_read(out, file_read(model_file(model, op), op->length, op->offset));
}

static long mount_write(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(write(side->fds[op->slot], op_bytes(op), op->length));
}

static long mount_pwrite(struct side *side, const struct op *op, struct outcome *out)
{
	ssize_t n = pwrite(side->fds[op->slot], op_bytes(op), op->length, op->offset);

	(void)out;
	return errno_or(n);
}

/* Appending is at no place, but at -1 it moves the position. */
static off_t append_at(const struct op *op)
{
	return chance(op, 0, 50) ? -1 : 0;
}

static void describe_append(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %zu, at %lld", op->slot, op->length, (long long)append_at(op));
}

/* Where the file ends is what the kernel has seen last: so it looks. (difference: size)
 */
static long mount_append(struct side *side, const struct op *op, struct outcome *out)
{
	struct iovec part = { (char *)op_bytes(op), op->length };
	struct stat st;

	(void)out;
	(void)!fstat(side->fds[op->slot], &st);
	return errno_or(
		pwritev2(side->fds[op->slot], &part, 1, append_at(op), RWF_APPEND));
}

/* Bounded by the segment, where there is one that stays. */
static long file_write(struct model *model, struct file *f, const void *bytes, size_t n,
		       int64_t at)
{
	struct twin *twin = file_twin(f);

	if (n == 0)
		return 0;
	f->wrote = true;
	if (f->pending && twin && at + (int64_t)n > (int64_t)twin->size)
		pending_again(model, f->pending);
	twin = file_twin(f);
	if (!twin)
		return pending_write(model, f->pending, bytes, n, at);
	if (at >= (int64_t)twin->size)
		return -ENOSPC;
	if (n > twin->size - (size_t)at)
		n = twin->size - (size_t)at;
	twin_write(twin, bytes, n, at);
	return (long)n;
}

static int64_t end_of(const struct file *f)
{
	const struct twin *twin = file_twin(f);

	return twin ? (int64_t)twin->size : pending_size(f->pending);
}

static long write_at(struct model *model, const struct op *op, int64_t at, bool append)
{
	struct file *f = model_file(model, op);

	if (!f || !f->writes)
		return -EBADF;
	if (check_place(at, op->length) < 0)
		return -EINVAL;
	if (append || f->appends)
		at = end_of(f);
	return file_write(model, f, op_bytes(op), op->length, at);
}

static long model_write(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	int64_t at = f && f->appends ? end_of(f) : f ? f->position : 0;
	long r = write_at(model, op, f ? f->position : 0, false);

	(void)out;
	if (r > 0)
		f->position = at + r;
	return r;
}

static long model_pwrite(struct model *model, const struct op *op, struct outcome *out)
{
	(void)out;
	return op->offset < 0 ? -EINVAL : write_at(model, op, op->offset, false);
}

static long model_append(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	int64_t at = f && append_at(op) < 0 ? f->position : 0;
	int64_t end = f ? end_of(f) : 0;
	long r = write_at(model, op, at, true);

	(void)out;
	if (r > 0 && append_at(op) == -1)
		f->position = end + r;
	return r;
}

static int whence_of(const struct op *op)
{
	static const int whences[] = { SEEK_SET, SEEK_CUR,  SEEK_END,  SEEK_END,
				       SEEK_CUR, SEEK_DATA, SEEK_HOLE, 17 };

	return whences[choose(op, 0, 8)];
}

static off_t distance_of(const struct op *op)
{
	return chance(op, 1, 50) ? 0 : op->offset;
}

static void describe_lseek(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %lld, %d", op->slot, (long long)distance_of(op),
	    whence_of(op));
}

static bool seeks_memory(const struct op *op)
{
	return whence_of(op) == SEEK_DATA || whence_of(op) == SEEK_HOLE;
}

/*
 * Where there is memory the kernel may change: it is said, and then left again. In a
 * segment without any, which is no end of it, that is nowhere.
 */
#define NOWHERE UINT64_MAX

static long mount_lseek(struct side *side, const struct op *op, struct outcome *out)
{
	long r = errno_or(lseek(side->fds[op->slot], distance_of(op), whence_of(op)));
	struct stat st = { 0 };

	if (!seeks_memory(op) || (r < 0 && r != -ENXIO))
		return r;
	(void)!fstat(side->fds[op->slot], &st);
	if (distance_of(op) < 0 || distance_of(op) >= st.st_size)
		return r;
	say_memory(out, r == -ENXIO ? NOWHERE : (uint64_t)r);
	return errno_or(lseek(side->fds[op->slot], distance_of(op), SEEK_SET));
}

static int64_t seek_memory(const struct file *f, const struct op *op, struct outcome *out)
{
	const struct twin *twin = file_twin(f);
	off_t distance = distance_of(op), found;

	if (distance < 0 || distance >= end_of(f))
		return -ENXIO;
	found = lseek(twin ? twin->memory : f->pending->data, distance, whence_of(op));
	say_memory(out, found < 0 ? NOWHERE : (uint64_t)found);
	return distance;
}

/* From @base, unless that is nowhere. */
static int64_t seek_from(int64_t base, int64_t distance)
{
	int64_t to;

	return __builtin_add_overflow(base, distance, &to) || to < 0 ? -EINVAL : to;
}

static int64_t seek(const struct file *f, const struct op *op, struct outcome *out)
{
	switch (whence_of(op)) {
	case SEEK_SET:
		return seek_from(0, distance_of(op));
	case SEEK_CUR:
		return seek_from(f->position, distance_of(op));
	case SEEK_END:
		return seek_from(end_of(f), distance_of(op));
	case SEEK_DATA:
	case SEEK_HOLE:
		return seek_memory(f, op, out);
	}
	return -EINVAL;
}

static long model_lseek(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	int64_t r = f ? seek(f, op, out) : -EBADF;

	if (r >= 0)
		f->position = r;
	return r;
}

static int status_flags(const struct op *op)
{
	return chance(op, 0, 30) ? O_APPEND : 0;
}

static void describe_setfl(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %#o", op->slot, status_flags(op));
}

static long mount_setfl(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(fcntl(side->fds[op->slot], F_SETFL, status_flags(op)));
}

static long model_setfl(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);

	(void)out;
	if (!f)
		return -EBADF;
	f->appends = status_flags(op);
	return 0;
}

static long mount_fsync(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(fsync(side->fds[op->slot]));
}

static long model_fsync(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op), any;

	(void)out;
	if (!f)
		return -EBADF;
	/* By whatever descriptor. */
	any = *f;
	any.wrote = true;
	return pending_flush(model, &any);
}

static long read_all(int fd, struct outcome *out)
{
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		say_bytes(out, buffer, (size_t)n);
	return errno_or(n);
}

static long mount_cat(struct side *side, const struct op *op, struct outcome *out)
{
	_cleanup_close_ int fd = open(side_path(side, op), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : read_all(fd, out);
}

static void say_twin(const struct twin *twin, struct outcome *out)
{
	size_t n;

	for (size_t at = 0; at < twin->size; at += n) {
		n = twin->size - at;
		if (n > sizeof(buffer))
			n = sizeof(buffer);
		twin_read(twin, buffer, n, (int64_t)at);
		say_bytes(out, buffer, n);
	}
}

static long model_cat(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);
	struct twin *twin = NULL;
	struct found found;
	int r = model_find(model, &name, &found);

	if (r < 0)
		return r;
	if (found.pending && !model_allows(&found.ds.shm_perm, op->user, R_OK))
		return -EACCES;
	if (found.pending) {
		pending_say(found.pending, out);
		return 0;
	}
	r = twin_open(model, found.id, op->user, false, &twin);
	if (r == 0)
		say_twin(twin, out);
	twin_close(twin);
	return r;
}

const struct call file_calls[] = {
	{ "open", 240, MAY_BOTH, describe_open, mount_open, model_open, NULL },
	{ "close", 16, MAY_BOTH, describe_slot, mount_close, model_closed, NULL },
	{ "reopen", 15, MAY_BOTH, describe_reopen, mount_reopen, model_reopen, NULL },
	{ "dup", 12, MAY_BOTH, describe_dup, mount_dup, model_dup, NULL },
	{ "read", 25, MAY_BOTH, describe_sequential, mount_read, model_read, NULL },
	{ "pread", 40, MAY_BOTH, describe_positioned, mount_pread, model_pread, NULL },
	{ "write", 35, MAY_BOTH, describe_sequential, mount_write, model_write, NULL },
	{ "pwrite", 50, MAY_BOTH, describe_positioned, mount_pwrite, model_pwrite, NULL },
	{ "append", 16, MAY_BOTH, describe_append, mount_append, model_append, NULL },
	{ "lseek", 40, MAY_BOTH, describe_lseek, mount_lseek, model_lseek, NULL },
	{ "setfl", 8, MAY_BOTH, describe_setfl, mount_setfl, model_setfl, NULL },
	{ "cat", 15, MAY_BOTH, describe_name, mount_cat, model_cat, NULL },
	{ "fsync", 3, MAY_BOTH, describe_slot, mount_fsync, model_fsync, NULL },
	{ 0 },
};
