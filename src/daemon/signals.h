/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The signals that end a session: SIGINT, SIGTERM and SIGHUP. A thread of its own waits
 * for them, so that none is lost, whatever the session is about when it comes, and a
 * second one changes nothing.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>

struct signals {
	struct fuse_session *session; /* borrowed */
	pthread_t main;               /* the thread that runs the session's loop */
	pthread_t thread;
	int ending; /* a signalfd */
	int stop;   /* an eventfd */
};

/* Blocks them for this thread and those that it makes; to be called before there are any.
 */
int signals_block(void);

/* From now on a signal ends the loop of @session, which the calling thread will run. */
int signals_start(struct signals *s, struct fuse_session *session);
/* To be called when the loop has ended. */
void signals_stop(struct signals *s);
