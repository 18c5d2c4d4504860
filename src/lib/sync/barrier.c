/* SPDX-License-Identifier: MIT */
/*
 * A thread that comes counts itself under a lock. Whoever makes the count complete asks
 * which of the processes that are counted live: one that was killed and started anew
 * would count twice otherwise, and the others would go on without somebody who has not
 * come.
 *
 * Then one store, that of the next generation, lets all go. The counts are of the last
 * generation from then on. Whoever has the lock next clears them, unless the thread that
 * made the store has lived long enough to do it.
 */
#include <errno.h>

#include <shmfs/barrier.h>

#include "lib/heap/owned.h"
#include "lib/sync/shares.h"
#include "native/public.h"

_Static_assert(sizeof(struct shmfs_barrier) == 4160, "barrier");

static struct shares shares_of(struct shmfs_barrier *b)
{
	return (struct shares){ &b->groups, b->shares };
}

static uint32_t generation_of(const struct shmfs_barrier *b)
{
	return __atomic_load_n(&b->generation, __ATOMIC_ACQUIRE);
}

/* Nobody has come in this generation. */
static void begin_generation(struct shmfs_barrier *b)
{
	shares_clear(shares_of(b));
	heap_order();
	__atomic_store_n(&b->counted, generation_of(b), __ATOMIC_RELEASE);
}

static void lock(struct shmfs_heap *h, struct shmfs_barrier *b)
{
	if (!owned_take_free(h, &b->lock))
		owned_take(h, &b->lock, 0, NULL);
	if (b->counted != generation_of(b))
		begin_generation(b);
}

static bool is_complete(struct shmfs_heap *h, struct shmfs_barrier *b)
{
	uint32_t count = __atomic_load_n(&b->count, __ATOMIC_RELAXED);
	struct shares s = shares_of(b);

	if (shares_sum(s) < count)
		return false;
	shares_forget_dead(h, s);
	return shares_sum(s) >= count;
}

/* Counts the caller, in generation *@ret. */
static int come(struct shmfs_heap *h, struct shmfs_barrier *b, uint32_t *ret)
{
	int r;

	lock(h, b);
	*ret = generation_of(b);
	r = shares_add(h, shares_of(b));
	if (r == 0 && is_complete(h, b)) {
		__atomic_store_n(&b->generation, *ret + 1, __ATOMIC_RELEASE);
		begin_generation(b);
		r = SHMFS_BARRIER_SERIAL;
	}
	owned_give(&b->lock);
	return r;
}

/* Counts the caller no longer, unless all have come. */
static int go_away(struct shmfs_heap *h, struct shmfs_barrier *b, uint32_t generation)
{
	int r = 0;

	lock(h, b);
	if (generation_of(b) == generation) {
		shares_drop(h, shares_of(b));
		r = -ETIMEDOUT;
	}
	owned_give(&b->lock);
	return r;
}

static int wait_for(struct shmfs_heap *h, struct shmfs_barrier *b,
		    const struct deadline *until)
{
	long ns = FUTEX_FIRST_NS;
	uint32_t generation;
	int r;

	if (!h->owner)
		return heap_refusal(h);
	if (!b->count)
		return -EINVAL;
	r = come(h, b, &generation);
	if (r == SHMFS_BARRIER_SERIAL && b->count > 1)
		futex_wake(&b->generation, FUTEX_ALL);
	if (r != 0)
		return r;
	for (int i = 0; generation_of(b) == generation && i < FUTEX_LOOKS; i++)
		futex_pause();
	while (r != -ETIMEDOUT && generation_of(b) == generation) {
		r = futex_sleep(&b->generation, generation, ns, until);
		ns = futex_longer(ns);
	}
	return r == -ETIMEDOUT ? go_away(h, b, generation) : 0;
}

_public_ int shmfs_barrier_wait(struct shmfs_heap *heap, struct shmfs_barrier *barrier)
{
	return wait_for(heap, barrier, NULL);
}

_public_ int shmfs_barrier_wait_until(struct shmfs_heap *heap,
				      struct shmfs_barrier *barrier, int clock,
				      const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : wait_for(heap, barrier, &until);
}
