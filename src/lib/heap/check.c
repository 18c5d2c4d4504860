/* SPDX-License-Identifier: MIT */
/*
 * Looking at all of a heap. Each step is bounded by what the heap can hold, so that no
 * contents, forged ones included, keep it going or lead it astray.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/heap/blocks.h"
#include "lib/heap/lock.h"
#include "lib/heap/slot.h"
#include "native/public.h"

struct check {
	struct shmfs_heap *heap;
	shmfs_heap_problem_fn fn;
	void *data;
	int problems;
	uint64_t used, allocations, n_free;
};

static void __attribute__((format(printf, 2, 3)))
problem(struct check *c, const char *format, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c->problems++;
	if (c->fn)
		c->fn(text, c->data);
}

static uint64_t size_of(const struct format_block *b)
{
	return b->size & ~(FORMAT_UNIT - 1);
}

static bool is_in_list(struct check *c, const struct format_block *b, uint64_t position)
{
	struct shmfs_heap *h = c->heap;
	const struct format_block *previous;
	unsigned int range, class;

	blocks_class(size_of(b), &range, &class);
	if (!b->previous)
		return range < FORMAT_RANGES &&
		       heap_header(h)->free[range][class] == position;
	if (!heap_is_word(h, b->previous, sizeof(*previous)))
		return false;
	previous = heap_at(h, b->previous);
	return previous->next == position && previous->size & FORMAT_FREE;
}

/* Returns the size of the block at @position, or 0 where nothing can follow it. */
static uint64_t check_block(struct check *c, uint64_t position, uint64_t before,
			    bool after_free)
{
	const struct format_block *b = heap_at(c->heap, position);
	uint64_t size = size_of(b);

	if (size < FORMAT_BLOCK_MIN || size > heap_header(c->heap)->last - position) {
		problem(c, "block %" PRIu64 ": its size %" PRIu64 " cannot be", position,
			b->size);
		return 0;
	}
	if (b->before * FORMAT_UNIT != before)
		problem(c,
			"block %" PRIu64 ": says %" PRIu64
			" bytes are before it, not %" PRIu64,
			position, b->before * FORMAT_UNIT, before);
	if (!(b->size & FORMAT_FREE)) {
		c->used += size;
		c->allocations++;
		return size;
	}
	c->n_free++;
	if (after_free)
		problem(c, "block %" PRIu64 ": is free, and so is the one before",
			position);
	if (!is_in_list(c, b, position))
		problem(c, "block %" PRIu64 ": is free, and in no list", position);
	return size;
}

static void check_blocks(struct check *c)
{
	const struct format_header *header = heap_header(c->heap);
	uint64_t position = header->blocks, before = 0;
	bool after_free = false;

	while (position < header->last && heap_has(c->heap, position, FORMAT_BLOCK_MIN)) {
		const struct format_block *b = heap_at(c->heap, position);
		uint64_t size = check_block(c, position, before, after_free);

		if (!size)
			return;
		after_free = b->size & FORMAT_FREE;
		before = size;
		position += size;
	}
	if (position != header->last)
		problem(c, "the blocks end at %" PRIu64 ", not at %" PRIu64, position,
			header->last);
	if (c->used != header->used || c->allocations != header->allocations)
		problem(c,
			"%" PRIu64 " blocks in use with %" PRIu64 " bytes, not %" PRIu64
			" with %" PRIu64,
			c->allocations, c->used, header->allocations, header->used);
}

/* That each free block is in its list is known: so no list has others. */
static void check_lists(struct check *c)
{
	const struct format_header *header = heap_header(c->heap);
	uint64_t listed = 0;

	for (unsigned int i = 0; i < FORMAT_RANGES * FORMAT_CLASSES; i++) {
		unsigned int range = i / FORMAT_CLASSES, class = i % FORMAT_CLASSES;
		uint64_t at = header->free[range][class];
		bool told = header->classes[range] & UINT64_C(1) << class;

		if (told != (at != 0))
			problem(c, "list %u.%u: its bit is wrong", range, class);
		while (at && listed <= c->n_free &&
		       heap_is_word(c->heap, at, FORMAT_BLOCK_MIN)) {
			const struct format_block *b = heap_at(c->heap, at);

			listed++;
			at = b->next;
		}
	}
	for (unsigned int i = 0; i < FORMAT_RANGES; i++)
		if (!(header->ranges & UINT64_C(1) << i) != !header->classes[i])
			problem(c, "range %u: its bit is wrong", i);
	if (listed != c->n_free)
		problem(c, "%" PRIu64 " blocks in the lists of free ones, not %" PRIu64,
			listed, c->n_free);
}

static int check_name(const struct shmfs_heap_name *name, void *data)
{
	struct check *c = data;

	/* The block begins with the name, which is in front of the object. */
	if (heap_has(c->heap, name->object, name->size) &&
	    name->object > heap_header(c->heap)->blocks)
		return 0;
	problem(c, "name \"%s\": its object lies outside", name->name);
	return 0;
}

static void check_all(struct check *c)
{
	int r;

	check_blocks(c);
	if (c->problems == 0)
		check_lists(c);
	r = shmfs_heap_list(c->heap, check_name, c);
	if (r < 0)
		problem(c, "the table of names is damaged");
}

_public_ int shmfs_heap_check(struct shmfs_heap *heap, shmfs_heap_problem_fn fn,
			      void *data)
{
	struct check c = { .heap = heap, .fn = fn, .data = data };
	int r;

	if (!heap->writable) {
		if (heap_header(heap)->log_used)
			problem(&c, "a change is under way, or was when its maker died");
		else
			check_all(&c);
		return c.problems;
	}
	r = lock_hold(heap);
	if (r < 0)
		return r;
	check_all(&c);
	lock_release(heap);
	return c.problems;
}

/* Of the list that has the largest free blocks the first ones. */
static uint64_t largest_free(struct shmfs_heap *h)
{
	const struct format_header *header = heap_header(h);
	unsigned int range, class;
	uint64_t largest = 0, at;

	if (!header->ranges)
		return 0;
	range = 63 - (unsigned int)__builtin_clzll(header->ranges);
	if (range >= FORMAT_RANGES || !header->classes[range])
		return 0;
	class = 63 - (unsigned int)__builtin_clzll(header->classes[range]);
	at = class < FORMAT_CLASSES ? header->free[range][class] : 0;
	for (int i = 0; i < 64 && heap_is_word(h, at, FORMAT_BLOCK_MIN); i++) {
		const struct format_block *b = heap_at(h, at);

		if (size_of(b) > largest)
			largest = size_of(b);
		at = b->next;
	}
	return largest > FORMAT_BLOCK_HEAD ? largest - FORMAT_BLOCK_HEAD : 0;
}

_public_ void shmfs_heap_info(struct shmfs_heap *heap, struct shmfs_heap_info *ret)
{
	const struct format_header *header = heap_header(heap);
	uint64_t size = heap_size(heap);

	*ret = (struct shmfs_heap_info){
		.size = size,
		.limit = heap->span,
		.used = header->used,
		.free = size - header->blocks - FORMAT_BLOCK_HEAD - header->used,
		.largest_free = largest_free(heap),
		.allocations = header->allocations,
		.names = header->names,
		.attachments = slot_count(heap),
		.deaths = header->deaths,
	};
}
