/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where requests come from: the descriptor of the session, read by one thread that waits,
 * the leader, and by others that take what is there.
 *
 * Its file flag O_NONBLOCK is the leader's: it is off only while the leader sleeps. Who
 * else reads in just that moment sleeps as well, until the next request or a signal after
 * source_stop().
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdatomic.h>

#include "daemon/polling.h"

struct source {
	struct fuse_session *session; /* borrowed */
	int fd;                       /* the session's */
	atomic_bool stopped;
	atomic_bool sleeping; /* the leader is about to sleep: others leave */

	/* The leader's. */
	struct polling polling;
	unsigned int streak; /* requests that were there without a pause */
};

void source_init(struct source *s, struct fuse_session *session, uint64_t poll_ns);
/* Before the leader, or anybody else, reads. */
void source_start(struct source *s);
/* From now on there are no requests. */
void source_stop(struct source *s);

/*
 * Reads a request into @buf. *@receiving is true while a signal may wake the thread,
 * since no native call is under way. Return > 0, 0 when the file system is gone, or a
 * negative errno: -EAGAIN, of source_receive() alone, where there is none.
 */
int source_receive(struct source *s, struct fuse_buf *buf, atomic_bool *receiving);
/* By the leader: waits for one. */
int source_await(struct source *s, struct fuse_buf *buf, atomic_bool *receiving);
