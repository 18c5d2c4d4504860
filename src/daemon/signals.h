/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The signals that end a session, SIGINT, SIGTERM and SIGHUP, and SIGUSR1, which asks for
 * figures. A thread of its own waits for them, so that none is lost, whatever the session
 * is about when it comes, and a second one changes nothing.
 */
#include <pthread.h>

#include "daemon/loop.h"

struct signals {
	struct loop *loop; /* borrowed */
	void (*asked)(void *context);
	void *context; /* of @asked */
	pthread_t thread;
	int ending; /* a signalfd */
	int asking; /* likewise */
	int stop;   /* an eventfd */
};

/* Blocks them for this thread and those that it makes; to be called before there are any.
 */
int signals_block(void);

/* From now on a signal ends @s->loop or calls @s->asked, which are the caller's to set.
 */
int signals_start(struct signals *s);
/* To be called when the loop has ended. */
void signals_stop(struct signals *s);
