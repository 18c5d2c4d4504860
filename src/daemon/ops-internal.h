/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of operations have in common. */
#include "daemon/ops.h"

const struct tree *tree_of(fuse_req_t req);
/* The file system of @*node, which becomes the number that the node has there. */
struct fs *fs_of(fuse_req_t req, fuse_ino_t *node);
struct caller caller_of(fuse_req_t req);

void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int command, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_size, size_t out_size);
/* With libfuse 3.18. */
void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask,
	      struct fuse_file_info *fi);

void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value,
		 size_t size, int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);

void op_getlk(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
	      struct flock *lock);
void op_setlk(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
	      struct flock *lock, int sleep);
void op_flock(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi, int operation);
