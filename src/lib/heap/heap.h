/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An attachment to a heap, for the files of this folder: blocks <- names, blocks <-
 * growth, and all of them on log <- lock <- owned <- slot.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmfs/heap.h>

#include "lib/heap/format.h"

struct shmfs_heap {
	char *base; /* the mapping, of @span bytes of address space */
	uint64_t span;
	int fd;        /* a writer's own description, which is not mapped: slot.c */
	uint64_t seen; /* the file has at least so many bytes */
	struct format_undo *log;
	uint64_t log_room;
	bool writable;
	uint32_t owner;  /* of this attachment; 0: it may only read */
	atomic_int lost; /* why it cannot be used any more, after fork(2); or 0 */

	/* The thread that has the lock, by the address of a variable of its own, or NULL.
	 */
	_Atomic(const void *) holder;
	unsigned int holds; /* by its calls; it has the lock as long as this is not 0 */
	unsigned int depth; /* of its transaction; what follows belongs to it, too */
	bool naming;        /* the sequence is odd */
	uint64_t *freed;    /* blocks that go when the transaction is committed */
	size_t n_freed, freed_room;

	struct shmfs_heap *previous, *next; /* all, see attachments.c */
};

static inline struct format_header *heap_header(const struct shmfs_heap *h)
{
	return (void *)h->base;
}

/* Why @h must not change the heap: it may only read, or is lost; else 0. */
static inline int heap_refusal(struct shmfs_heap *h)
{
	int lost;

	if (h->owner)
		return 0;
	lost = atomic_load_explicit(&h->lost, memory_order_relaxed);
	return lost < 0 ? lost : -EROFS;
}

/* As heap_size() below, where the heap seems to be larger than what was seen. */
uint64_t heap_look(struct shmfs_heap *h, uint64_t size);

/* The size of the heap, as far as the file is there: others may make it larger. */
static inline uint64_t heap_size(struct shmfs_heap *h)
{
	uint64_t size = __atomic_load_n(&heap_header(h)->size, __ATOMIC_ACQUIRE);

	return size <= h->seen ? size : heap_look(h, size);
}

/* Whether @n bytes at @position lie within the heap, behind its header. */
static inline bool heap_has(struct shmfs_heap *h, uint64_t position, uint64_t n)
{
	uint64_t size = heap_size(h);

	return position >= FORMAT_HEADER && n <= size && position <= size - n;
}

/* The address of @position, which heap_has() has found in the heap. */
static inline void *heap_at(const struct shmfs_heap *h, uint64_t position)
{
	return h->base + position;
}

static inline uint64_t heap_position(const struct shmfs_heap *h, const void *p)
{
	return (uintptr_t)p - (uintptr_t)h->base;
}

/* Likewise, and a word of 64 bits may begin there. */
static inline bool heap_is_word(struct shmfs_heap *h, uint64_t position, uint64_t n)
{
	return position % sizeof(uint64_t) == 0 && heap_has(h, position, n);
}

/*
 * The kernel ends the process between any two instructions, and what the compiler moved
 * across this would be missing then.
 */
static inline void heap_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}
