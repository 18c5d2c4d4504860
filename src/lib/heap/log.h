/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The undo log. A change of the heap stores through log_set(), which first writes down
 * what the word was. Until log_commit() the change can be undone: by its maker, or by
 * the next owner of the lock if the maker died. The caller has the lock.
 */
#include <assert.h>

#include "lib/heap/heap.h"

/* No operation of the heap takes more entries than this, and the freeing of a block: */
#define LOG_OPERATION 192u
#define LOG_FREE      24u

/* Whether @n more entries fit: else -E2BIG. */
int log_has_room(const struct shmfs_heap *h, uint64_t n);

/* The entries there are; not more than there can be, whoever wrote the number. */
static inline uint64_t log_used(const struct shmfs_heap *h)
{
	uint64_t n = heap_header(h)->log_used;

	return n < h->log_room ? n : h->log_room;
}

static inline void log_count(struct shmfs_heap *h, uint64_t n)
{
	heap_order();
	__atomic_store_n(&heap_header(h)->log_used, n, __ATOMIC_RELEASE);
	heap_order();
}

/* Writes down what @n words are, which can be stored to afterwards. They lie in the heap,
 * and there is room for the entries. */
static inline void log_note(struct shmfs_heap *h, const uint64_t *words, unsigned int n)
{
	uint64_t used = log_used(h), position = heap_position(h, words);

	assert(used + n <= h->log_room);
	for (unsigned int i = 0; i < n; i++)
		h->log[used + i] = (struct format_undo){
			position + i * sizeof(*words),
			words[i],
		};
	log_count(h, used + n);
}

static inline void log_set(struct shmfs_heap *h, uint64_t *word, uint64_t value)
{
	log_note(h, word, 1);
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Likewise for half a word. */
static inline void log_set_half(struct shmfs_heap *h, uint32_t *half, uint32_t value)
{
	uint64_t position = heap_position(h, half);

	log_note(h, heap_at(h, position - position % sizeof(uint64_t)), 1);
	__atomic_store_n(half, value, __ATOMIC_RELAXED);
}

uint64_t log_mark(const struct shmfs_heap *h);
/* Undoes what was stored since @mark: 0 for all of it. May be repeated if it dies. */
void log_undo(struct shmfs_heap *h, uint64_t mark);
void log_commit(struct shmfs_heap *h);
