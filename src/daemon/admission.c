/* SPDX-License-Identifier: MIT */
#include <linux/fuse.h>

#include "daemon/admission.h"
#include "daemon/wire.h"

#define OWNERS (FATTR_MODE | FATTR_UID | FATTR_GID)

/* A file that was opened serves whoever has it, as it does natively. */
static bool is_by_file(const struct fuse_in_header *header)
{
	const void *arguments = header + 1;
	const struct fuse_getattr_in *get = arguments;
	const struct fuse_setattr_in *set = arguments;

	switch (header->opcode) {
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_FSYNC:
	case FUSE_FALLOCATE:
	case FUSE_LSEEK:
	case FUSE_COPY_FILE_RANGE:
	case WIRE_COPY_FILE_RANGE_64:
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_FSYNCDIR:
	case FUSE_RELEASEDIR:
		return true;
	case FUSE_GETATTR:
		return header->len >= sizeof(*header) + sizeof(*get) &&
		       get->getattr_flags & FUSE_GETATTR_FH;
	case FUSE_SETATTR: /* ftruncate(2) */
		return header->len >= sizeof(*header) + sizeof(*set) &&
		       set->valid & FATTR_FH && !(set->valid & OWNERS);
	default:
		return false;
	}
}

/* What nobody asks for. */
static bool is_of_kernel(const struct fuse_in_header *header)
{
	switch (header->opcode) {
	case FUSE_INIT:
	case FUSE_DESTROY:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_NOTIFY_REPLY:
		return true;
	default:
		return false;
	}
}

bool admission_to_one(const void *header, uid_t owner)
{
	const struct fuse_in_header *in = header;

	return in->uid == owner || in->uid == 0 || is_of_kernel(in) || is_by_file(in);
}
