/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Waiting for locks: each request that has to wait gets a thread of its own, so that
 * however many wait, none of the threads that serve requests is held up.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/fs.h"

/* To be called before there are threads, for each session anew. */
int waiter_init(void);

/* A lock that was refused with @busy, whose reference waiter_start() takes over. */
struct waiter_lock {
	struct fs *fs;
	struct fs_busy busy;
	bool sleep; /* wait until it is free; else only for files being closed */
};

/*
 * Answers @req when the wait is over: also at once, with ENOLCK, where too many wait, or
 * too many of that user's.
 */
void waiter_start(fuse_req_t req, const struct waiter_lock *lock);

/* Ends all waits, with EINTR: nobody waits any more when it returns, nor will. */
void waiter_stop_all(void);
