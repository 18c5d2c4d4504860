/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A word of the heap that names an owner: 0, or an owner (format.h) and whether somebody
 * sleeps on the word. The lock of the heap and each mutex are such words. A process that
 * waits for a dead owner inherits the word, and learns of the death.
 */
#include "lib/heap/futex.h"
#include "lib/heap/heap.h"

/* Nobody gets the word any more. Only a word that marks its heirs can be lost. */
#define OWNED_LOST 0xffffffffu

/* The word was free, or its owner was dead. */
enum { OWNED_FREE = 0, OWNED_INHERITED = 1 };

static inline bool owned_swap(uint32_t *word, uint32_t *expected, uint32_t value)
{
	return __atomic_compare_exchange_n(word, expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* Takes the word if it is free. */
static inline bool owned_take_free(struct shmfs_heap *h, uint32_t *word)
{
	uint32_t expected = 0;

	return owned_swap(word, &expected, h->owner);
}

/*
 * Takes the word as soon as it is free or its owner is dead, and returns which of these;
 * or -ETIMEDOUT after the deadline @until, which may be NULL. An heir's word has the bits
 * of @mark. If there are any, -ENOTRECOVERABLE for a word that is lost.
 */
int owned_take(struct shmfs_heap *h, uint32_t *word, uint32_t mark,
	       const struct deadline *until);
/* The same at once, or -EBUSY. */
int owned_try(struct shmfs_heap *h, uint32_t *word, uint32_t mark);
/* The word, which is ours, becomes free. */
static inline void owned_give(uint32_t *word)
{
	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) & FORMAT_WAITERS)
		futex_wake(word, 1);
}

/* Whether the word has an owner that is dead, or is lost. */
bool owned_is_orphaned(struct shmfs_heap *h, uint32_t *word);
