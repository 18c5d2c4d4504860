/* SPDX-License-Identifier: MIT */
/*
 * The lock is a word with an owner (owned.h). A process that inherits it from a dead
 * owner undoes what that owner had not committed. Should the heir die as well, the next
 * does the same.
 */
#include <assert.h>
#include <errno.h>

#include "lib/heap/blocks.h"
#include "lib/heap/lock.h"
#include "lib/heap/log.h"
#include "lib/heap/owned.h"
#include "native/public.h"

/* Its address tells threads apart. */
static _Thread_local char thread __attribute__((tls_model("initial-exec")));

static uint32_t *word_of(const struct shmfs_heap *h)
{
	return &heap_header(h)->lock;
}

/* Undoes what the dead owner had begun, and ends its change of names. */
static void recover(struct shmfs_heap *h)
{
	struct format_header *header = heap_header(h);

	log_undo(h, 0);
	if (header->sequence % 2)
		__atomic_store_n(&header->sequence, header->sequence + 1,
				 __ATOMIC_RELEASE);
	header->deaths++;
}

bool lock_is_mine(struct shmfs_heap *h)
{
	return atomic_load_explicit(&h->holder, memory_order_relaxed) == &thread;
}

int lock_hold(struct shmfs_heap *h)
{
	int r = heap_refusal(h);

	if (r < 0)
		return r;
	if (!lock_is_mine(h)) {
		if (!owned_take_free(h, word_of(h)) &&
		    owned_take(h, word_of(h), 0, NULL) == OWNED_INHERITED)
			recover(h);
		atomic_store_explicit(&h->holder, &thread, memory_order_relaxed);
	}
	h->holds++;
	return 0;
}

void lock_release(struct shmfs_heap *h)
{
	struct format_header *header = heap_header(h);

	if (--h->holds > 0)
		return;
	if (h->naming)
		__atomic_store_n(&header->sequence, header->sequence + 1,
				 __ATOMIC_RELEASE);
	h->naming = false;
	atomic_store_explicit(&h->holder, NULL, memory_order_relaxed);
	owned_give(word_of(h));
}

int64_t lock_enter(struct shmfs_heap *h)
{
	int r = lock_hold(h);

	if (r < 0)
		return r;
	/* The blocks that the transaction has freed are to be freed at its end. */
	r = log_has_room(h, LOG_OPERATION + LOG_FREE * (h->n_freed + 1));
	if (r < 0) {
		lock_release(h);
		return r;
	}
	return (int64_t)log_mark(h);
}

int lock_leave(struct shmfs_heap *h, int64_t mark, int r)
{
	assert(log_mark(h) - (uint64_t)mark <= LOG_OPERATION);
	if (r < 0)
		log_undo(h, (uint64_t)mark);
	if (h->depth == 0)
		log_commit(h);
	lock_release(h);
	return r;
}

void lock_naming(struct shmfs_heap *h)
{
	struct format_header *header = heap_header(h);

	if (h->naming)
		return;
	h->naming = true;
	__atomic_store_n(&header->sequence, header->sequence + 1, __ATOMIC_RELEASE);
	/* Readers on other processors see it before they see the names change. */
	atomic_thread_fence(memory_order_release);
}

_public_ int shmfs_heap_begin(struct shmfs_heap *heap)
{
	int r = lock_hold(heap);

	if (r == 0)
		heap->depth++;
	return r;
}

/* Blocks that a transaction frees keep their contents until nothing can be undone. */
static void free_now(struct shmfs_heap *h)
{
	for (size_t i = 0; i < h->n_freed; i++)
		blocks_free(h, h->freed[i]);
	h->n_freed = 0;
}

_public_ int shmfs_heap_commit(struct shmfs_heap *heap)
{
	if (!lock_is_mine(heap) || heap->depth == 0)
		return -EPERM;
	if (--heap->depth == 0) {
		free_now(heap);
		log_commit(heap);
	}
	lock_release(heap);
	return 0;
}

_public_ int shmfs_heap_abort(struct shmfs_heap *heap)
{
	unsigned int depth;

	if (!lock_is_mine(heap) || heap->depth == 0)
		return -EPERM;
	log_undo(heap, 0);
	heap->n_freed = 0;
	depth = heap->depth;
	/* Those within it are over, too. */
	heap->depth = 0;
	for (; depth > 0; depth--)
		lock_release(heap);
	return 0;
}

_public_ int shmfs_heap_log(struct shmfs_heap *heap, const void *data, size_t size)
{
	uint64_t begin = heap_position(heap, data) & ~UINT64_C(7);
	uint64_t end = heap_position(heap, data) + size;
	int r = 0;

	if (!lock_is_mine(heap) || heap->depth == 0)
		return -EPERM;
	if (data != &heap_header(heap)->root || size != sizeof(heap_header(heap)->root))
		r = heap_has(heap, begin, end - begin) ? 0 : -EFAULT;
	if (r < 0)
		return r;
	r = log_has_room(heap, (end - begin + 7) / 8 + LOG_FREE * heap->n_freed);
	for (uint64_t at = begin; r == 0 && at < end; at += 8)
		log_note(heap, heap_at(heap, at), 1);
	return r;
}
