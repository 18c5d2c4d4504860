/* SPDX-License-Identifier: MIT */
/*
 * An entry is complete before it counts, and counts before the word changes. So whatever
 * the instruction at which a process dies, each word that changed has its entry, and an
 * entry too many restores what is there already. A word may have several entries: going
 * backwards, the oldest is restored last.
 *
 * The dead process made its stores on some processor. Its heir learned of the death by
 * system calls, after which all those stores are visible. So only the compiler must be
 * kept from moving stores.
 */
#include <assert.h>
#include <errno.h>

#include "lib/heap/log.h"

/* For a test that must fail where nothing is undone. */
#ifndef FORGETFUL
#define FORGETFUL 0
#endif

/* The entries there are; not more than there can be, whoever wrote the number. */
static uint64_t used(const struct shmfs_heap *h)
{
	uint64_t n = heap_header(h)->log_used;

	return n < h->log_room ? n : h->log_room;
}

static void set_used(struct shmfs_heap *h, uint64_t n)
{
	heap_order();
	__atomic_store_n(&heap_header(h)->log_used, n, __ATOMIC_RELEASE);
	heap_order();
}

int log_has_room(const struct shmfs_heap *h, uint64_t n)
{
	return h->log_room - used(h) >= n ? 0 : -E2BIG;
}

void log_note(struct shmfs_heap *h, const uint64_t *word)
{
	uint64_t n = used(h);

	assert(n < h->log_room);
	h->log[n] = (struct format_undo){ heap_position(h, word), *word };
	set_used(h, n + 1);
}

void log_set(struct shmfs_heap *h, uint64_t *word, uint64_t value)
{
	log_note(h, word);
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

void log_set_half(struct shmfs_heap *h, uint32_t *half, uint32_t value)
{
	uint64_t position = heap_position(h, half);

	log_note(h, heap_at(h, position - position % sizeof(uint64_t)));
	__atomic_store_n(half, value, __ATOMIC_RELAXED);
}

uint64_t log_mark(const struct shmfs_heap *h)
{
	return used(h);
}

/* The log has only words of the changing part of the header, and of what follows it. */
static bool is_undoable(struct shmfs_heap *h, uint64_t position)
{
	if (position >= FORMAT_HEADER)
		return heap_is_word(h, position, sizeof(uint64_t));
	return position >= offsetof(struct format_header, size) &&
	       position < sizeof(struct format_header) &&
	       position % sizeof(uint64_t) == 0;
}

void log_undo(struct shmfs_heap *h, uint64_t mark)
{
	for (uint64_t n = used(h); n > mark; n--) {
		struct format_undo undo = h->log[n - 1];

		if (is_undoable(h, undo.position) && !FORGETFUL)
			*(uint64_t *)heap_at(h, undo.position) = undo.old;
		set_used(h, n - 1);
	}
}

void log_commit(struct shmfs_heap *h)
{
	set_used(h, 0);
}
