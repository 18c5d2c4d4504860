/* SPDX-License-Identifier: MIT */
#pragma once
/* Data that goes through the daemon, in requests of up to DATA_MAX bytes. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/fs.h"

/* A pipe holds it, with what belongs to it, without special rights. */
#define DATA_MAX (512u * 1024)

/* A buffer of the calling thread, until it asks for another; NULL without memory. */
char *data_buffer(size_t size);

/* Replies to @req with data of @file. */
void data_read(fuse_req_t req, struct fs *fs, uint64_t file, size_t n, uint64_t offset);
/* Writes @data to @file. Returns the count or a negative errno. */
ssize_t data_write(struct fs *fs, uint64_t file, struct fuse_bufvec *data,
		   uint64_t offset, bool append);
