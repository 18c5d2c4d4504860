/* SPDX-License-Identifier: MIT */
#include <linux/fuse.h>
#include <unistd.h>

#include "daemon/demand.h"
#include "daemon/wire.h"
#include "fs/fs.h"
#include "util/slots.h"

/* The directories of tree.h have a number in common. */
static bool is_directory(uint64_t node)
{
	return (node & ((UINT64_C(1) << SLOTS_BITS) - 1)) == FS_ROOT;
}

static enum demand_class class_of(const struct fuse_in_header *request)
{
	switch (request->opcode) {
	case FUSE_LOOKUP:
	case FUSE_CREATE:
	case FUSE_MKNOD:
	case FUSE_UNLINK:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case WIRE_TMPFILE:
		return DEMAND_DIRECTORY;
	case FUSE_SETATTR:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_IOCTL:
		return is_directory(request->nodeid) ? DEMAND_DIRECTORY : DEMAND_FILE;
	case FUSE_OPEN:
	case FUSE_WRITE:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case WIRE_COPY_FILE_RANGE_64:
	case FUSE_LSEEK:
	case FUSE_GETATTR:
	case WIRE_STATX:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_ACCESS:
		return is_directory(request->nodeid) ? DEMAND_NOTHING : DEMAND_FILE;
	default:
		return DEMAND_NOTHING;
	}
}

struct demand demand_of(const struct fuse_buf *buf)
{
	const struct fuse_in_header *request = buf->mem;

	if (buf->flags & FUSE_BUF_IS_FD || buf->size < sizeof(*request))
		return (struct demand){ .class = DEMAND_NOTHING };
	return (struct demand){
		.class = class_of(request),
		.opcode = request->opcode,
		.unique = request->unique,
		.node = request->nodeid,
		.uid = request->uid,
		.thread = (pid_t)request->pid,
	};
}

bool demand_answer(const struct demand *d, int fd, int error)
{
	const struct fuse_out_header reply = {
		.len = sizeof(reply),
		.error = error,
		.unique = d->unique,
	};

	return write(fd, &reply, sizeof(reply)) == sizeof(reply);
}

static _Thread_local struct serving *mine;

void demand_serve_with(struct serving *s)
{
	mine = s;
}

const atomic_bool *demand_given_up(void)
{
	return mine ? &mine->given_up : NULL;
}

bool demand_is_hasty(void)
{
	return mine && mine->hasty;
}

void demand_would_wait(void)
{
	mine->would_wait = true;
}

void demand_afterwards(void (*after)(void *context), void *context)
{
	if (!mine) {
		after(context);
		return;
	}
	mine->after = after;
	mine->after_context = context;
}
