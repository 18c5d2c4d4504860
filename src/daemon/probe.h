/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether the kernel holds a directory of the mount, for long, where it does not say so:
 * as for somebody who removes a file there that a request still holds.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct probe {
	void (*look)(void *context); /* returns when no directory is held */
	void *context;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	bool looks;   /* protected by lock */
	bool stopped; /* likewise */
	uint64_t age; /* nanoseconds that it looks; for who asks */
};

/* With @look NULL nothing is ever held. */
int probe_start(struct probe *p, void (*look)(void *context), void *context);
/* Returns whether it has ended: else its thread is in a call. */
bool probe_stop(struct probe *p);

/* Looks if it does not, and returns for how long it has, when @ns more have passed. */
uint64_t probe_ask(struct probe *p, uint64_t ns);
