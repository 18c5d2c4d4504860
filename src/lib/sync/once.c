/* SPDX-License-Identifier: MIT */
/*
 * Whoever does the task owns the word, as an owner of the lock of the heap
 * (lib/heap/owned.h). It stores that the task is done before it gives the word back. So
 * an heir that finds the task not done knows that the dead one was doing it.
 */
#include <errno.h>

#include <shmfs/once.h>

#include "lib/heap/owned.h"
#include "native/public.h"

static bool is_done(const struct shmfs_once *once)
{
	return __atomic_load_n(&once->done, __ATOMIC_ACQUIRE);
}

static bool is_mine(const struct shmfs_heap *h, const struct shmfs_once *once)
{
	uint32_t word = __atomic_load_n(&once->word, __ATOMIC_RELAXED);

	return h->owner && (word & FORMAT_OWNER) == h->owner;
}

_public_ int shmfs_once_begin(struct shmfs_heap *heap, struct shmfs_once *once)
{
	int how;

	if (is_done(once))
		return -EALREADY;
	if (!heap->owner)
		return heap_refusal(heap);
	how = owned_take(heap, &once->word, 0, NULL);
	if (is_done(once)) {
		owned_give(&once->word);
		return -EALREADY;
	}
	return how == OWNED_FREE ? 0 : -EOWNERDEAD;
}

_public_ int shmfs_once_end(struct shmfs_heap *heap, struct shmfs_once *once)
{
	if (!is_mine(heap, once))
		return -EPERM;
	heap_order();
	__atomic_store_n(&once->done, 1, __ATOMIC_RELEASE);
	owned_give(&once->word);
	return 0;
}

_public_ int shmfs_once_abort(struct shmfs_heap *heap, struct shmfs_once *once)
{
	if (!is_mine(heap, once))
		return -EPERM;
	owned_give(&once->word);
	return 0;
}

_public_ int shmfs_once_run(struct shmfs_heap *heap, struct shmfs_once *once,
			    shmfs_once_fn fn, void *data)
{
	int r = shmfs_once_begin(heap, once);

	if (r == -EALREADY)
		return 0;
	if (r < 0 && r != -EOWNERDEAD)
		return r;
	r = fn(r == -EOWNERDEAD, data);
	if (r == 0)
		return shmfs_once_end(heap, once);
	shmfs_once_abort(heap, once);
	return r;
}
