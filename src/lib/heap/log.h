/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The undo log. A change of the heap stores through log_set(), which first writes down
 * what the word was. Until log_commit() the change can be undone: by its maker, or by
 * the next owner of the lock if the maker died. The caller has the lock.
 */
#include "lib/heap/heap.h"

/* No operation of the heap takes more entries than this, and the freeing of a block: */
#define LOG_OPERATION 160u
#define LOG_FREE      24u

/* Whether @n more entries fit: else -E2BIG. */
int log_has_room(const struct shmfs_heap *h, uint64_t n);

/* @word lies in the heap, and there is room. */
void log_set(struct shmfs_heap *h, uint64_t *word, uint64_t value);
/* Likewise for half a word. */
void log_set_half(struct shmfs_heap *h, uint32_t *half, uint32_t value);
/* Writes down what @word is, for the user to change it. */
void log_note(struct shmfs_heap *h, const uint64_t *word);

uint64_t log_mark(const struct shmfs_heap *h);
/* Undoes what was stored since @mark: 0 for all of it. May be repeated if it dies. */
void log_undo(struct shmfs_heap *h, uint64_t mark);
void log_commit(struct shmfs_heap *h);
