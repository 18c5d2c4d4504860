/* SPDX-License-Identifier: MIT */
/* Sizes: a segment gets one when it is made, and keeps it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static void describe_truncate(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	say(out, ", %lld", (long long)op->size);
}

static long mount_truncate(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(truncate(side_path(side, op), op->size));
}

/* What has no size gets it, or is emptied; what has one has that. */
static long set_size(struct model *model, struct pending *pending, int64_t has,
		     int64_t size)
{
	if (!pending)
		return size == has ? 0 : -EPERM;
	if (size > 0)
		return pending_make(model, pending, size);
	pending_empty(pending);
	return 0;
}

static long model_truncate(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);
	struct found found;
	int r;

	(void)out;
	if (op->size < 0)
		return -EINVAL;
	r = model_find(model, &name, &found);
	if (r < 0)
		return r;
	if (!model_allows(&found.ds.shm_perm, op->user, R_OK | W_OK))
		return -EACCES;
	return set_size(model, found.pending, (int64_t)found.ds.shm_segsz, op->size);
}

static void describe_ftruncate(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, %lld", op->slot, (long long)op->size);
}

static long mount_ftruncate(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(ftruncate(side->fds[op->slot], op->size));
}

static long model_ftruncate(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	struct found found;

	(void)out;
	if (op->size < 0)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (!f->writes)
		return -EINVAL;
	found = file_found(f);
	/* Now it is said, unless there is a segment of another size: that is refused. */
	if (f->pending &&
	    (!f->pending->twin || (off_t)f->pending->twin->size == op->size))
		f->pending->grows = false;
	return set_size(model, found.pending, (int64_t)found.ds.shm_segsz, op->size);
}

static int fallocate_mode(const struct op *op)
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
	};

	return modes[choose(op, 0, 8)];
}

static off_t fallocate_offset(const struct op *op)
{
	return chance(op, 1, 40) ? 0 : op->offset;
}

static off_t fallocate_length(const struct op *op)
{
	return chance(op, 2, 30) ? op->size : (off_t)op->length;
}

static void describe_fallocate(const struct op *op, struct outcome *out)
{
	say(out, "slot %u, mode %#x, %lld at %lld", op->slot, fallocate_mode(op),
	    (long long)fallocate_length(op), (long long)fallocate_offset(op));
}

static long mount_fallocate(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(fallocate(side->fds[op->slot], fallocate_mode(op),
				  fallocate_offset(op), fallocate_length(op)));
}

/* What the kernel says before it asks anybody. */
static int check_fallocate(const struct file *f, int mode, off_t offset, off_t length)
{
	off_t end;

	if (!f)
		return -EBADF;
	if (offset < 0 || length <= 0)
		return -EINVAL;
	if (mode == FALLOC_FL_PUNCH_HOLE)
		return -EOPNOTSUPP;
	if (!f->writes)
		return -EBADF;
	if (__builtin_add_overflow(offset, length, &end))
		return -EFBIG;
	return mode & FALLOC_FL_COLLAPSE_RANGE ? -EOPNOTSUPP : 0;
}

static long model_fallocate(struct model *model, const struct op *op, struct outcome *out)
{
	off_t offset = fallocate_offset(op), length = fallocate_length(op);
	struct file *f = model_file(model, op);
	int mode = fallocate_mode(op);
	int r = check_fallocate(f, mode, offset, length);
	struct twin *twin;
	int64_t end;

	(void)out;
	if (r < 0)
		return r;
	if (!file_twin(f) && mode)
		return -EOPNOTSUPP;
	if (f->pending && !mode)
		f->pending->grows = false;
	if (!file_twin(f)) {
		end = pending_size(f->pending);
		if (end < offset + length)
			end = offset + length;
		r = pending_make(model, f->pending, end);
	}
	if (r < 0)
		return r;
	twin = file_twin(f);
	if (offset + length > (off_t)twin->size)
		return -ENOSPC;
	return errno_or(fallocate(twin->memory, mode, offset, length));
}

const struct call size_calls[] = {
	{ "truncate", 30, MAY_BOTH, describe_truncate, mount_truncate, model_truncate,
	  NULL },
	{ "ftruncate", 40, MAY_BOTH, describe_ftruncate, mount_ftruncate, model_ftruncate,
	  NULL },
	{ "fallocate", 30, MAY_BOTH, describe_fallocate, mount_fallocate, model_fallocate,
	  NULL },
	{ 0 },
};
