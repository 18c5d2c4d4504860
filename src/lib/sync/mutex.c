/* SPDX-License-Identifier: MIT */
/*
 * The word of a mutex has an owner as the lock of the heap has (lib/heap/owned.h), and a
 * second word names the thread (holder.h).
 */
#include <errno.h>

#include "lib/sync/holder.h"
#include "lib/sync/mutex.h"
#include "native/public.h"

/* A holder died, and nobody has repaired what it left. */
#define ORPHANED 0x40000000u

bool mutex_is_mine(struct shmfs_heap *h, const struct shmfs_mutex *m)
{
	return holder_is_me(h, &m->holder);
}

/* The word is ours; @how it was got. */
static int begin(struct shmfs_heap *h, struct shmfs_mutex *m, int how)
{
	holder_set(&m->holder, holder_me(h));
	if (how == OWNED_FREE)
		return 0;
	m->depth = 0;
	__atomic_store_n(&m->deaths, m->deaths + 1, __ATOMIC_RELAXED);
	return -EOWNERDEAD;
}

static int lock_again(struct shmfs_mutex *m)
{
	if (!(m->flags & SHMFS_MUTEX_RECURSIVE))
		return -EDEADLK;
	if (m->depth == UINT32_MAX)
		return -EAGAIN;
	m->depth++;
	return 0;
}

static int lock(struct shmfs_heap *h, struct shmfs_mutex *m, const struct deadline *until)
{
	int r;

	if (!h->owner)
		return heap_refusal(h);
	if (owned_take_free(h, &m->word))
		return begin(h, m, OWNED_FREE);
	if (mutex_is_mine(h, m))
		return lock_again(m);
	r = owned_take(h, &m->word, ORPHANED, until);
	return r < 0 ? r : begin(h, m, r);
}

_public_ int shmfs_mutex_lock(struct shmfs_heap *heap, struct shmfs_mutex *mutex)
{
	return lock(heap, mutex, NULL);
}

_public_ int shmfs_mutex_lock_until(struct shmfs_heap *heap, struct shmfs_mutex *mutex,
				    int clock, const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : lock(heap, mutex, &until);
}

_public_ int shmfs_mutex_try_lock(struct shmfs_heap *heap, struct shmfs_mutex *mutex)
{
	int r;

	if (!heap->owner)
		return heap_refusal(heap);
	if (mutex_is_mine(heap, mutex))
		return lock_again(mutex);
	r = owned_try(heap, &mutex->word, ORPHANED);
	return r < 0 ? r : begin(heap, mutex, r);
}

static void unlock(struct shmfs_heap *h, struct shmfs_mutex *m)
{
	uint32_t word = h->owner;

	holder_set(&m->holder, 0);
	/* Nobody waits, and there is nothing to repair. */
	if (__atomic_compare_exchange_n(&m->word, &word, 0, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED))
		return;
	if (word & ORPHANED) {
		__atomic_store_n(&m->word, OWNED_LOST, __ATOMIC_RELEASE);
		futex_wake(&m->word, FUTEX_ALL);
	} else {
		owned_give(&m->word);
	}
}

_public_ int shmfs_mutex_unlock(struct shmfs_heap *heap, struct shmfs_mutex *mutex)
{
	if (!mutex_is_mine(heap, mutex))
		return -EPERM;
	if (mutex->depth > 0)
		mutex->depth--;
	else
		unlock(heap, mutex);
	return 0;
}

_public_ int shmfs_mutex_consistent(struct shmfs_heap *heap, struct shmfs_mutex *mutex)
{
	if (!mutex_is_mine(heap, mutex))
		return -EPERM;
	if (!(__atomic_load_n(&mutex->word, __ATOMIC_RELAXED) & ORPHANED))
		return -EINVAL;
	__atomic_fetch_and(&mutex->word, ~ORPHANED, __ATOMIC_RELAXED);
	return 0;
}

uint32_t mutex_release(struct shmfs_heap *h, struct shmfs_mutex *m)
{
	uint32_t depth = m->depth;

	m->depth = 0;
	unlock(h, m);
	return depth;
}

int mutex_regain(struct shmfs_heap *h, struct shmfs_mutex *m, uint32_t depth)
{
	int r = lock(h, m, NULL);

	if (r == 0 || r == -EOWNERDEAD)
		m->depth = depth;
	return r;
}
