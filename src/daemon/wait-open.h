/* SPDX-License-Identifier: MIT */
#pragma once
/* Waiting until the holders of leases let somebody open what they have. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/fs.h"

/* Answers @req, by which @caller opens @node of @fs with @flags, when that was done. */
void wait_for_open(fuse_req_t req, const struct caller *caller, struct fs *fs,
		   uint64_t node, int flags);
