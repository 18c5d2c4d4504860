/* SPDX-License-Identifier: MIT */
/* Extended attributes. */
#include <errno.h>

#include "daemon/buffer.h"
#include "daemon/ops-internal.h"

/* The reply to a question for an attribute: its size where none was asked for, or it. */
static void reply_xattr(fuse_req_t req, ssize_t r, const char *buf, size_t size)
{
	if (r < 0)
		fuse_reply_err(req, (int)-r);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)r);
	else
		fuse_reply_buf(req, buf, (size_t)r);
}

void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	char *buf = thread_buffer(size);
	ssize_t r = buf ? fs_getxattr(fs, &caller, node, name, buf, size) : -ENOMEM;

	reply_xattr(req, r, buf, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	char *buf = thread_buffer(size);
	ssize_t r = buf ? fs_listxattr(fs, &caller, node, buf, size) : -ENOMEM;

	reply_xattr(req, r, buf, size);
}

void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value,
		 size_t size, int flags)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	int r = fs_setxattr(fs, &caller, node, name, value, size, flags);

	fuse_reply_err(req, r < 0 ? -r : 0);
}

void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	int r = fs_removexattr(fs, &caller, node, name);

	fuse_reply_err(req, r < 0 ? -r : 0);
}
