/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Waiting until something in shared memory may have changed. Changing it takes no system
 * call while nobody waits:
 *
 *	key = event_enter(e);			change something;
 *	while (not there) {			event_wake(e, n);
 *		r = event_sleep(e, key, &ns, until);
 *		...
 *	}
 *	event_leave(e, key);
 *
 * An event has 64 bits, all zeros at first. The 32 at the lower address are the key,
 * which is the futex; the others count the threads that wait.
 */
#include <stdbool.h>

#include "lib/heap/futex.h"

/* Counts the caller. Returns the key that event_wake() changes. */
uint32_t event_enter(uint64_t *event);
/* Whether something has happened since @key. If so, the caller is no longer counted. */
bool event_has_come(const uint64_t *event, uint32_t key);
/*
 * Sleeps until something happens: 0; or the deadline @until comes: -ETIMEDOUT; or it is
 * time to look whether others are alive: -EAGAIN. *@ns is FUTEX_FIRST_NS at first.
 */
int event_sleep(uint64_t *event, uint32_t key, long *ns, const struct deadline *until);
/* An event, and the key since which the caller waits for it. */
struct event_since {
	uint64_t *event;
	uint32_t key;
};

/* The same until something happens to one of @n events, FUTEX_WORDS at most. */
int event_sleep_any(const struct event_since *list, size_t n, long *ns,
		    const struct deadline *until);
/* Takes the caller off again, if nothing has happened since. */
void event_leave(uint64_t *event, uint32_t key);
/* Something has happened, for up to @n of those who wait. */
void event_wake_waiters(uint64_t *event, uint32_t n);

static inline uint32_t event_waiters(uint64_t event)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (uint32_t)(event >> 32);
#else
	return (uint32_t)event;
#endif
}

static inline void event_wake(uint64_t *event, uint32_t n)
{
	if (event_waiters(__atomic_load_n(event, __ATOMIC_SEQ_CST)))
		event_wake_waiters(event, n);
}
