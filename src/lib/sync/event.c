/* SPDX-License-Identifier: MIT */
/*
 * A thread that wakes others takes them off the count. So a thread that was killed while
 * it waited costs one system call that wakes nobody: if nobody has entered since, nobody
 * waits, and the count becomes 0.
 *
 * The count is never too small, because it changes together with the key. A thread whose
 * key has changed does not go to sleep, and a sleeping thread is counted until somebody
 * is woken in its place. The count can be too large, because all threads leave that were
 * not asleep yet when the key changed.
 *
 * A sleeping thread wakes up from time to time and compares the key. That makes up for a
 * wake-up of a thread that was killed before it ran, and for a wake-up whose sender died
 * before it made the system call.
 */
#include <errno.h>

#include "lib/sync/event.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define KEY_SHIFT    0
#define WAITER_SHIFT 32
#else
#define KEY_SHIFT    32
#define WAITER_SHIFT 0
#endif

static uint32_t key_of(uint64_t event)
{
	return (uint32_t)(event >> KEY_SHIFT);
}

static uint64_t make(uint32_t key, uint32_t waiters)
{
	return (uint64_t)key << KEY_SHIFT | (uint64_t)waiters << WAITER_SHIFT;
}

/* Sequentially consistent: either the waiter sees the change, or its maker the waiter. */
static uint64_t load(const uint64_t *event)
{
	return __atomic_load_n(event, __ATOMIC_SEQ_CST);
}

static bool swap(uint64_t *event, uint64_t *expected, uint64_t value)
{
	return __atomic_compare_exchange_n(event, expected, value, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

uint32_t event_enter(uint64_t *event)
{
	uint64_t now = load(event);

	while (!swap(event, &now, make(key_of(now), event_waiters(now) + 1)))
		;
	return key_of(now);
}

bool event_has_come(const uint64_t *event, uint32_t key)
{
	return key_of(load(event)) != key;
}

int event_sleep(uint64_t *event, uint32_t key, long *ns, const struct deadline *until)
{
	int r;

	do {
		if (event_has_come(event, key))
			return 0;
		r = futex_sleep((const uint32_t *)event, key, *ns, until);
	} while (r == 0);
	*ns = futex_longer(*ns);
	return event_has_come(event, key) ? 0 : r;
}

static bool one_has_come(const struct event_since *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (event_has_come(list[i].event, list[i].key))
			return true;
	return false;
}

int event_sleep_any(const struct event_since *list, size_t n, long *ns,
		    const struct deadline *until)
{
	struct futex_word words[FUTEX_WORDS];
	int r;

	for (size_t i = 0; i < n; i++)
		words[i] = (struct futex_word){ (const uint32_t *)list[i].event,
						list[i].key };
	do {
		if (one_has_come(list, n))
			return 0;
		r = futex_sleep_any(words, n, *ns, until);
	} while (r == 0);
	*ns = futex_longer(*ns);
	return one_has_come(list, n) ? 0 : r;
}

void event_leave(uint64_t *event, uint32_t key)
{
	uint64_t now = load(event);

	while (key_of(now) == key && event_waiters(now) > 0)
		if (swap(event, &now, make(key, event_waiters(now) - 1)))
			return;
}

void event_wake_waiters(uint64_t *event, uint32_t n)
{
	uint64_t now = load(event), then;

	do {
		uint32_t waiters = event_waiters(now);

		if (!waiters)
			return;
		then = make(key_of(now) + 1, waiters > n ? waiters - n : 0);
	} while (!swap(event, &now, then));
	if (futex_wake((const uint32_t *)event, n < FUTEX_ALL ? (int)n : FUTEX_ALL) ==
		    0 &&
	    event_waiters(then))
		swap(event, &then, make(key_of(then), 0));
}
