/* SPDX-License-Identifier: MIT */
#pragma once
/* What takes long and nobody waits for, to be done by one thread when it has time. */
#include <pthread.h>
#include <stdbool.h>

struct later_act;

/* All of it is protected by a lock of the user's. */
struct later {
	struct later_act *first;
	bool done; /* by a thread, just now */
};

/* Returns false where there is no memory to remember it. */
bool later_add(struct later *l, void (*act)(void *context), void *context);
/* Does all there is, and gives @lock up meanwhile. */
void later_do(struct later *l, pthread_mutex_t *lock);
