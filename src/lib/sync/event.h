/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Waiting until something in shared memory may have changed, without a system call for
 * who changes it while nobody waits:
 *
 *	key = event_enter(e);			change something;
 *	while (not there) {			event_wake(e, n);
 *		r = event_sleep(e, key, &ns, until);
 *		...
 *	}
 *	event_leave(e, key);
 *
 * An event is 64 bits, all zeros at first: 32 that count what happened, at the lower
 * address, which are the futex, and 32 that count who waits.
 */
#include <stdbool.h>

#include "lib/heap/futex.h"

/* Counts the caller among those who wait. Returns the key that event_wake() changes. */
uint32_t event_enter(uint64_t *event);
/* Whether something has happened since @key: then the caller is no longer counted. */
bool event_has_come(const uint64_t *event, uint32_t key);
/*
 * Sleeps until something happens: 0; or the deadline @until comes: -ETIMEDOUT; or it is
 * time to look whether others are alive: -EAGAIN. *@ns is FUTEX_FIRST_NS at first.
 */
int event_sleep(uint64_t *event, uint32_t key, long *ns, const struct deadline *until);
/* Takes the caller off again, if nothing has happened since. */
void event_leave(uint64_t *event, uint32_t key);
/* Something has happened, for one of those who wait or for all of them. */
void event_wake_one(uint64_t *event);
void event_wake_all(uint64_t *event);
