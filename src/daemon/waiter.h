/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests that wait for what a user may never give, a lock or the end of a lease: each
 * gets a thread of its own, so that however many wait, none of the threads that serve
 * requests is held up.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdbool.h>

struct wait;

struct wait_ops {
	/* Waits in a system call: 0 or a negative errno, after a signal -EINTR. */
	int (*wait)(struct wait *w);
	/* Answers the request with what that returned, or with @no_room, and frees @w. */
	void (*answer)(struct wait *w, fuse_req_t req, int r);
	int no_room; /* too many wait, or too many of that user's */
};

/* The first member of what is waited for. */
struct wait {
	const struct wait_ops *ops;
};

/* To be called before there are threads, for each session anew. */
int waiter_init(void);

/* Takes over @wait, and sees to it that @req is answered. */
void waiter_start(fuse_req_t req, struct wait *wait);

/* To be called when there may be threads, before the first wait. */
int waiter_open(void);

/*
 * Ends all waits, with EINTR: nobody waits any more when it returns true, nor will. Else
 * some are in calls that no signal ends, for what a user keeps busy.
 */
bool waiter_stop_all(void);
