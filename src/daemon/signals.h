/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The signals that end a session: SIGINT, SIGTERM and SIGHUP. A thread of its own waits
 * for them, so that none is lost, whatever the session is about when it comes, and a
 * second one changes nothing.
 */
#include <pthread.h>

#include "daemon/loop.h"

struct signals {
	struct loop *loop; /* borrowed */
	pthread_t thread;
	int ending; /* a signalfd */
	int stop;   /* an eventfd */
};

/* Blocks them for this thread and those that it makes; to be called before there are any.
 */
int signals_block(void);

/* From now on a signal ends @loop. */
int signals_start(struct signals *s, struct loop *loop);
/* To be called when the loop has ended. */
void signals_stop(struct signals *s);
