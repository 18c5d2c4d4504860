/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Passthrough: an open file of ours is backed by the native object, and the kernel takes
 * reads, writes and mappings of it straight there (Linux 6.9, CAP_SYS_ADMIN).
 *
 * libfuse has the means since 3.17 (passthrough-api.c); on earlier versions the kernel
 * interface is spoken beside it (passthrough-wire.c). What both have in common is here.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/fs.h"

/* Gets the session ready to negotiate; to be called between mounting and the first
 * request. */
int passthrough_attach(struct fuse_session *se);

/*
 * In op init: asks the kernel to leave privilege bits and the umask to us, to look names
 * up in parallel, and for passthrough if it is @wanted.
 */
void passthrough_negotiate(struct fuse_conn_info *conn, bool wanted);

/*
 * Whether the kernel took it, tried on a scratch file: 0 or a negative errno, of which
 * passthrough_why() tells the meaning.
 */
int passthrough_probe(struct fuse_session *se);
const char *passthrough_why(int error);

/* The registration of backing files; @context is the session. */
int passthrough_open(void *context, int fd);
void passthrough_close(void *context, int id);

/*
 * Answers OPEN and CREATE. The result is libfuse's: -ENOENT where the caller is gone and
 * the kernel does not know of the file, which is then to be released.
 */
int passthrough_reply_open(fuse_req_t req, const struct fs_open_file *file);
int passthrough_reply_create(fuse_req_t req, const struct fuse_entry_param *entry,
			     const struct fs_open_file *file);
