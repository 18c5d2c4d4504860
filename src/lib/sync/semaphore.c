/* SPDX-License-Identifier: MIT */
/*
 * The permits are a number, and waiting for one is an event (event.h). Taking and adding
 * a permit is one instruction each, so that a death is before it or after it.
 */
#include <errno.h>

#include <shmfs/semaphore.h>

#include "lib/heap/heap.h"
#include "lib/sync/event.h"
#include "native/public.h"

static bool change(uint32_t *value, uint32_t *expected, uint32_t to)
{
	return __atomic_compare_exchange_n(value, expected, to, true, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static bool take(struct shmfs_semaphore *s)
{
	uint32_t n = __atomic_load_n(&s->value, __ATOMIC_SEQ_CST);

	while (n > 0)
		if (change(&s->value, &n, n - 1))
			return true;
	return false;
}

_public_ int shmfs_semaphore_post(struct shmfs_heap *heap,
				  struct shmfs_semaphore *semaphore)
{
	uint32_t n = __atomic_load_n(&semaphore->value, __ATOMIC_RELAXED);

	if (!heap->owner)
		return heap_refusal(heap);
	do {
		if (n >= SHMFS_SEMAPHORE_MAX)
			return -EOVERFLOW;
	} while (!change(&semaphore->value, &n, n + 1));
	event_wake(&semaphore->event, 1);
	return 0;
}

static int wait_for(struct shmfs_heap *h, struct shmfs_semaphore *s,
		    const struct deadline *until)
{
	long ns = FUTEX_FIRST_NS;
	uint32_t key;
	bool taken;
	int r = 0;

	if (!h->owner)
		return heap_refusal(h);
	for (int i = 0; i < FUTEX_LOOKS; i++) {
		if (take(s))
			return 0;
		futex_pause();
	}
	key = event_enter(&s->event);
	while (!(taken = take(s)) && r != -ETIMEDOUT) {
		if (event_has_come(&s->event, key))
			key = event_enter(&s->event);
		else
			r = event_sleep(&s->event, key, &ns, until);
	}
	event_leave(&s->event, key);
	return taken ? 0 : r;
}

_public_ int shmfs_semaphore_wait(struct shmfs_heap *heap,
				  struct shmfs_semaphore *semaphore)
{
	return wait_for(heap, semaphore, NULL);
}

_public_ int shmfs_semaphore_wait_until(struct shmfs_heap *heap,
					struct shmfs_semaphore *semaphore, int clock,
					const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : wait_for(heap, semaphore, &until);
}

_public_ int shmfs_semaphore_try_wait(struct shmfs_heap *heap,
				      struct shmfs_semaphore *semaphore)
{
	if (!heap->owner)
		return heap_refusal(heap);
	return take(semaphore) ? 0 : -EBUSY;
}

_public_ uint32_t shmfs_semaphore_value(const struct shmfs_semaphore *semaphore)
{
	return __atomic_load_n(&semaphore->value, __ATOMIC_ACQUIRE);
}
