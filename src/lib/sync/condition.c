/* SPDX-License-Identifier: MIT */
/*
 * A waiting thread is counted before it unlocks the mutex. So a thread that changes
 * something under the mutex after that finds it counted, and wakes it.
 *
 * A process that dies between a change and its signal dies as the holder of the mutex.
 * Nobody wakes the waiting threads then, so they ask from time to time whether the holder
 * is alive. Another thread may have the mutex from the dead one by then, and know nothing
 * of the signal: so they also ask whether a holder has died since they began to wait.
 */
#include <errno.h>

#include <shmfs/condition.h>

#include "lib/sync/event.h"
#include "lib/sync/mutex.h"
#include "native/public.h"

static int wait_for(struct shmfs_heap *h, struct shmfs_condition *c,
		    struct shmfs_mutex *m, const struct deadline *until)
{
	uint32_t key, depth, deaths;
	long ns = FUTEX_FIRST_NS;
	int r, locked;

	if (!h->owner)
		return heap_refusal(h);
	if (!mutex_is_mine(h, m))
		return -EPERM;
	key = event_enter(&c->event);
	deaths = mutex_deaths(m);
	depth = mutex_release(h, m);
	for (int i = 0; i < FUTEX_LOOKS && !event_has_come(&c->event, key); i++)
		futex_pause();
	do
		r = event_sleep(&c->event, key, &ns, until);
	while (r == -EAGAIN && mutex_deaths(m) == deaths &&
	       !owned_is_orphaned(h, &m->word));
	event_leave(&c->event, key);
	locked = mutex_regain(h, m, depth);
	if (locked < 0)
		return locked;
	return r == -ETIMEDOUT ? r : 0;
}

_public_ int shmfs_condition_wait(struct shmfs_heap *heap,
				  struct shmfs_condition *condition,
				  struct shmfs_mutex *mutex)
{
	return wait_for(heap, condition, mutex, NULL);
}

_public_ int shmfs_condition_wait_until(struct shmfs_heap *heap,
					struct shmfs_condition *condition,
					struct shmfs_mutex *mutex, int clock,
					const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : wait_for(heap, condition, mutex, &until);
}

_public_ int shmfs_condition_signal(struct shmfs_heap *heap,
				    struct shmfs_condition *condition)
{
	if (!heap->owner)
		return heap_refusal(heap);
	event_wake(&condition->event, 1);
	return 0;
}

_public_ int shmfs_condition_broadcast(struct shmfs_heap *heap,
				       struct shmfs_condition *condition)
{
	if (!heap->owner)
		return heap_refusal(heap);
	event_wake(&condition->event, UINT32_MAX);
	return 0;
}
