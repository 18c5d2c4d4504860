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
#include <errno.h>

#include "lib/heap/log.h"

/* For a test that must fail where nothing is undone. */
#ifndef FORGETFUL
#define FORGETFUL 0
#endif

int log_has_room(const struct shmfs_heap *h, uint64_t n)
{
	return h->log_room - log_used(h) >= n ? 0 : -E2BIG;
}

uint64_t log_mark(const struct shmfs_heap *h)
{
	return log_used(h);
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
	for (uint64_t n = log_used(h); n > mark; n--) {
		struct format_undo undo = h->log[n - 1];

		if (is_undoable(h, undo.position) && !FORGETFUL)
			*(uint64_t *)heap_at(h, undo.position) = undo.old;
		log_count(h, n - 1);
	}
}

void log_commit(struct shmfs_heap *h)
{
	log_count(h, 0);
}
