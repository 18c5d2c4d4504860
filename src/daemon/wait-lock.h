/* SPDX-License-Identifier: MIT */
#pragma once
/* Waiting for locks. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/fs.h"

/*
 * Answers @req, whose lock was refused with @busy, which is taken over, when it is had:
 * with @sleep however long that takes, else when files that are being closed are.
 */
void wait_for_lock(fuse_req_t req, struct fs *fs, const struct fs_busy *busy, bool sleep);
