/* SPDX-License-Identifier: MIT */
#pragma once
/* Serves the requests of a session, by as few threads as do. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/dispatch.h"
#include "util/cleanup.h"

struct loop_config {
	unsigned int threads; /* the most that serve at the same time */
	uint64_t poll_ns;     /* the longest look for a request before sleeping */
	/* Asked before each request, by its header in memory: whether to serve it; it is
	 * answered otherwise. NULL: always. */
	bool (*serves)(void *context, const void *header);
	/* Told of each request when it was served: what it was, and how long it took. */
	void (*served)(void *context, uint32_t request, uint64_t ns);
	/* Returns when the kernel holds no directory of the mount. NULL: it never does.
	 */
	void (*look)(void *context);
	void *context;
	struct dispatch_loss loss;
};

struct loop;

int loop_new(struct fuse_session *session, const struct loop_config *config,
	     struct loop **ret);
/* Takes NULL, returns NULL. The loop must have ended with no thread held up, or never
 * have run. */
struct loop *loop_free(struct loop *l);
DEFINE_CLEANUP(struct loop, loop, loop_free);

/*
 * Serves until the file system is unmounted or loop_stop() was called: 0; or a negative
 * errno. What was read is served before it returns, but what was put off (slow.h), and
 * what takes seconds.
 */
int loop_run(struct loop *l);

/*
 * The threads that had not ended when loop_run() returned, some seconds after it was told
 * to: a user keeps busy what their requests wait for. They use the session and what it
 * serves, which must not go before the process does.
 */
unsigned int loop_held(const struct loop *l);

/*
 * Ends the loop. A thread that sleeps is woken by a signal, and would sleep over one that
 * comes too early: to be called again until loop_run() has returned.
 */
void loop_stop(struct loop *l);
