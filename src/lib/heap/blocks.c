/* SPDX-License-Identifier: MIT */
/*
 * A free block is in the list of its class: for sizes below 256 bytes a class for each
 * unit, above it 16 for each power of two. Two levels of bitmaps tell the lists that are
 * not empty, so that the first class all of whose blocks are large enough is found by two
 * searches for a bit. A block that becomes free is merged with free neighbours at once.
 *
 * A store into free memory needs no entry in the log, as nobody looks at it once the
 * change is undone. The exceptions are the head and the links of a block that leaves its
 * list, because the user will write there.
 *
 * The positions in the heap may be forged. Each is looked at before it is followed, and
 * -EUCLEAN says that the heap is damaged.
 */
#include <errno.h>

#include "lib/heap/blocks.h"
#include "lib/heap/log.h"

#define SMALL UINT64_C(256) /* below it the classes are units */

static unsigned int log2_of(uint64_t n)
{
	return 63 - (unsigned int)__builtin_clzll(n);
}

void blocks_class(uint64_t size, unsigned int *ret_range, unsigned int *ret_class)
{
	unsigned int power = log2_of(size);

	if (size < SMALL) {
		*ret_range = 0;
		*ret_class = (unsigned int)(size / FORMAT_UNIT);
	} else {
		*ret_range = power - 7;
		*ret_class = (unsigned int)(size >> (power - 4)) - FORMAT_CLASSES;
	}
}

static uint64_t size_of(const struct format_block *b)
{
	return b->size & ~(FORMAT_UNIT - 1);
}

static bool is_free(const struct format_block *b)
{
	return b->size & FORMAT_FREE;
}

/* The block at @position, or NULL. */
static struct format_block *block_at(struct shmfs_heap *h, uint64_t position)
{
	struct format_block *b;

	if (position % FORMAT_UNIT || position < heap_header(h)->blocks ||
	    !heap_has(h, position, FORMAT_BLOCK_HEAD))
		return NULL;
	b = heap_at(h, position);
	return heap_has(h, position, size_of(b)) ? b : NULL;
}

/* A free one. */
static struct format_block *free_at(struct shmfs_heap *h, uint64_t position)
{
	struct format_block *b = block_at(h, position);

	return b && is_free(b) && size_of(b) >= FORMAT_BLOCK_MIN ? b : NULL;
}

static struct format_block *after(struct shmfs_heap *h, const struct format_block *b)
{
	return block_at(h, heap_position(h, b) + size_of(b));
}

/* The block behind @b, if it is free. */
static struct format_block *free_after(struct shmfs_heap *h, const struct format_block *b)
{
	return free_at(h, heap_position(h, b) + size_of(b));
}

/* The block before, if it is free. */
static struct format_block *free_before(struct shmfs_heap *h,
					const struct format_block *b)
{
	uint64_t size = b->before * FORMAT_UNIT;
	uint64_t position = heap_position(h, b);
	struct format_block *before;

	if (!size || size > position)
		return NULL;
	before = free_at(h, position - size);
	return before && size_of(before) == size ? before : NULL;
}

static uint64_t *head_of(struct shmfs_heap *h, const struct format_block *b,
			 unsigned int *ret_range, unsigned int *ret_class)
{
	blocks_class(size_of(b), ret_range, ret_class);
	return &heap_header(h)->free[*ret_range][*ret_class];
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Writes down the head of @b, and its links. */
static void note(struct shmfs_heap *h, const struct format_block *b)
{
	log_note(h, &b->size, sizeof(*b) / sizeof(uint64_t));
}

/* The head and the links of @b are in the log, or @b lies in free memory. */
static void insert(struct shmfs_heap *h, struct format_block *b)
{
	struct format_header *header = heap_header(h);
	unsigned int range, class;
	uint64_t *head = head_of(h, b, &range, &class);
	struct format_block *next = free_at(h, *head);

	set(&b->next, next ? *head : 0);
	set(&b->previous, 0);
	if (next)
		log_set(h, &next->previous, heap_position(h, b));
	log_set(h, head, heap_position(h, b));
	if (!(header->classes[range] & UINT64_C(1) << class))
		log_set(h, &header->classes[range],
			header->classes[range] | UINT64_C(1) << class);
	if (!(header->ranges & UINT64_C(1) << range))
		log_set(h, &header->ranges, header->ranges | UINT64_C(1) << range);
}

static void empty_class(struct shmfs_heap *h, unsigned int range, unsigned int class)
{
	struct format_header *header = heap_header(h);

	log_set(h, &header->classes[range],
		header->classes[range] & ~(UINT64_C(1) << class));
	if (!header->classes[range])
		log_set(h, &header->ranges, header->ranges & ~(UINT64_C(1) << range));
}

/* @b leaves its list. All of it may be the user's, until the change is undone. */
static void take_out(struct shmfs_heap *h, struct format_block *b)
{
	unsigned int range, class;
	uint64_t *head = head_of(h, b, &range, &class);
	struct format_block *next = free_at(h, b->next);
	struct format_block *previous = free_at(h, b->previous);

	note(h, b);
	if (next)
		log_set(h, &next->previous, b->previous);
	if (previous) {
		log_set(h, &previous->next, b->next);
		return;
	}
	log_set(h, head, b->next);
	if (!b->next)
		empty_class(h, range, class);
}

/* The smallest free block that surely has @size bytes, in two searches for a bit. */
static struct format_block *find_free(struct shmfs_heap *h, uint64_t size)
{
	const struct format_header *header = heap_header(h);
	unsigned int range, class;
	uint64_t classes, ranges;

	/* All blocks of the next class are large enough; of its own only some. */
	if (size >= SMALL)
		size += (UINT64_C(1) << (log2_of(size) - 4)) - 1;
	blocks_class(size, &range, &class);
	if (range >= FORMAT_RANGES)
		return NULL;
	classes = header->classes[range] & ~UINT64_C(0) << class;
	if (!classes) {
		ranges = header->ranges & ~UINT64_C(0) << (range + 1);
		range = ranges ? (unsigned int)__builtin_ctzll(ranges) : FORMAT_RANGES;
		if (range >= FORMAT_RANGES)
			return NULL;
		classes = header->classes[range];
	}
	class = classes ? (unsigned int)__builtin_ctzll(classes) : FORMAT_CLASSES;
	return class < FORMAT_CLASSES ? free_at(h, header->free[range][class]) : NULL;
}

/*
 * The heap is nearly full: of the class of @size itself a block may do that the search
 * above leaves out. Looks at a bounded number of them.
 */
static struct format_block *find_fitting(struct shmfs_heap *h, uint64_t size)
{
	struct format_block *b;
	unsigned int range, class;

	blocks_class(size, &range, &class);
	if (range >= FORMAT_RANGES)
		return NULL;
	b = free_at(h, heap_header(h)->free[range][class]);
	for (int i = 0; b && i < 64; i++) {
		if (size_of(b) >= size)
			return b;
		b = free_at(h, b->next);
	}
	return NULL;
}

/* Tells the block behind @b how large that is. */
static void tell_after(struct shmfs_heap *h, const struct format_block *b)
{
	struct format_block *next = after(h, b);

	if (next)
		log_set_half(h, &next->before, (uint32_t)(size_of(b) / FORMAT_UNIT));
}

/*
 * Cuts @b, which is in no list, behind @size bytes. The rest goes to the free ones. The
 * head of @b is in the log, and so is that of the rest unless it is in free memory.
 */
static void cut(struct shmfs_heap *h, struct format_block *b, uint64_t size)
{
	uint64_t left = size_of(b) - size;
	struct format_block *rest, *next;

	if (left < FORMAT_BLOCK_MIN)
		return;
	rest = (void *)((char *)b + size);
	next = free_after(h, b);
	if (next) {
		take_out(h, next);
		left += size_of(next);
	}
	set(&b->size, size | (b->size & FORMAT_FREE));
	set(&rest->size, left | FORMAT_FREE);
	rest->before = (uint32_t)(size / FORMAT_UNIT);
	rest->zero = 0;
	insert(h, rest);
	tell_after(h, rest);
}

static void count(struct shmfs_heap *h, uint64_t used, uint64_t allocations)
{
	struct format_header *header = heap_header(h);

	log_note(h, &header->used, 2);
	set(&header->used, header->used + used);
	set(&header->allocations, header->allocations + allocations);
}

/* The size of a block for @size bytes of memory. */
static uint64_t block_size(uint64_t size)
{
	uint64_t n = (size + FORMAT_BLOCK_HEAD + FORMAT_UNIT - 1) & ~(FORMAT_UNIT - 1);

	return n < FORMAT_BLOCK_MIN ? FORMAT_BLOCK_MIN : n;
}

/* How far the block has to begin behind @b for its memory to be aligned: 0, or a block.
 */
static uint64_t gap_before(struct shmfs_heap *h, const struct format_block *b,
			   uint64_t align)
{
	uint64_t memory = heap_position(h, b) + FORMAT_BLOCK_HEAD;
	uint64_t gap = -memory & (align - 1);

	return gap && gap < FORMAT_BLOCK_MIN ? gap + align : gap;
}

int blocks_alloc(struct shmfs_heap *h, uint64_t size, uint64_t align, uint64_t *ret)
{
	uint64_t need, most, gap;
	struct format_block *b;

	if (size > BLOCKS_MOST || align > BLOCKS_MOST)
		return -ENOSPC;
	need = block_size(size);
	most = align > FORMAT_UNIT ? need + align + FORMAT_BLOCK_MIN : need;
	b = find_free(h, most);
	if (!b)
		b = find_fitting(h, most);
	if (!b)
		return -ENOSPC;
	if (size_of(b) < most)
		return -EUCLEAN;
	take_out(h, b);
	gap = align > FORMAT_UNIT ? gap_before(h, b, align) : 0;
	if (gap) {
		struct format_block *rest = (void *)((char *)b + gap);

		set(&rest->size, size_of(b) - gap);
		rest->before = (uint32_t)(gap / FORMAT_UNIT);
		rest->zero = 0;
		set(&b->size, gap | FORMAT_FREE);
		insert(h, b);
		tell_after(h, rest);
		b = rest;
	} else {
		set(&b->size, size_of(b));
	}
	cut(h, b, need);
	count(h, size_of(b), 1);
	*ret = heap_position(h, b) + FORMAT_BLOCK_HEAD;
	return 0;
}

int blocks_find(struct shmfs_heap *h, uint64_t position, uint64_t *ret_size)
{
	struct format_block *b = NULL;

	if (position >= FORMAT_BLOCK_HEAD)
		b = block_at(h, position - FORMAT_BLOCK_HEAD);
	if (!b || is_free(b) || size_of(b) < FORMAT_BLOCK_MIN)
		return -EINVAL;
	*ret_size = size_of(b) - FORMAT_BLOCK_HEAD;
	return 0;
}

void blocks_free(struct shmfs_heap *h, uint64_t position)
{
	struct format_block *b = heap_at(h, position - FORMAT_BLOCK_HEAD);
	struct format_block *next = free_after(h, b), *before = free_before(h, b);
	uint64_t size = size_of(b);

	count(h, -size, UINT64_MAX);
	if (next) {
		take_out(h, next);
		size += size_of(next);
	}
	if (before) {
		take_out(h, before);
		size += size_of(before);
		/* Nobody may free it again, now that it lies in a free block. */
		log_set(h, &b->size, b->size | FORMAT_FREE);
		b = before;
	} else {
		/* The user gets the block back if this is undone. */
		note(h, b);
	}
	set(&b->size, size | FORMAT_FREE);
	insert(h, b);
	tell_after(h, b);
}

int blocks_resize(struct shmfs_heap *h, uint64_t position, uint64_t size)
{
	struct format_block *b = heap_at(h, position - FORMAT_BLOCK_HEAD);
	uint64_t need = block_size(size), was = size_of(b);
	struct format_block *next = free_after(h, b);

	if (size > BLOCKS_MOST)
		return -ENOSPC;
	if (need > was) {
		if (!next || was + size_of(next) < need)
			return -ENOSPC;
		take_out(h, next);
		log_set(h, &b->size, was + size_of(next));
		tell_after(h, b);
	} else if (was - need >= FORMAT_BLOCK_MIN) {
		log_note(h, &b->size, 1);
		/* The user gets this memory back if this is undone. */
		note(h, (void *)((char *)b + need));
	}
	cut(h, b, need);
	count(h, size_of(b) - was, 0);
	return 0;
}

static void end_at(struct shmfs_heap *h, uint64_t position, uint64_t before)
{
	struct format_block *end = heap_at(h, position);

	log_set(h, &end->size, 0);
	log_set_half(h, &end->before, (uint32_t)(before / FORMAT_UNIT));
	log_set(h, &heap_header(h)->last, position);
}

/* The end block, or NULL where the heap is damaged. */
static struct format_block *end_block(struct shmfs_heap *h)
{
	struct format_block *b = block_at(h, heap_header(h)->last);

	return b && !b->size ? b : NULL;
}

int blocks_extend(struct shmfs_heap *h, uint64_t size)
{
	struct format_header *header = heap_header(h);
	struct format_block *b = end_block(h), *before;
	uint64_t more = size - header->size;

	if (!b)
		return -EUCLEAN;
	before = free_before(h, b);

	/* First, so that it is undone last: what lies behind the old end is in the log.
	 */
	log_set(h, &header->size, size);
	if (before) {
		log_note(h, &b->size, FORMAT_BLOCK_HEAD / sizeof(uint64_t));
		take_out(h, before);
		more += size_of(before);
		b = before;
	}
	log_set(h, &b->size, more | FORMAT_FREE);
	end_at(h, heap_position(h, b) + more, more);
	insert(h, b);
	return 0;
}

void blocks_shorten(struct shmfs_heap *h)
{
	struct format_header *header = heap_header(h);
	struct format_block *end = end_block(h);
	struct format_block *b = end ? free_before(h, end) : NULL;
	uint64_t size, left;

	if (!b)
		return;
	size = heap_position(h, b) + FORMAT_BLOCK_MIN + FORMAT_BLOCK_HEAD;
	size = (size + FORMAT_PAGE - 1) & ~(FORMAT_PAGE - 1);
	if (size >= header->size)
		return;
	take_out(h, b);
	left = size - FORMAT_BLOCK_HEAD - heap_position(h, b);
	log_set(h, &b->size, left | FORMAT_FREE);
	end_at(h, size - FORMAT_BLOCK_HEAD, left);
	insert(h, b);
	/* Last, so that it is undone first: what is behind the end comes into reach. */
	log_set(h, &header->size, size);
}

void blocks_format(struct shmfs_heap *h)
{
	struct format_header *header = heap_header(h);
	struct format_block *b = heap_at(h, header->blocks);
	uint64_t size = header->size - header->blocks - FORMAT_BLOCK_HEAD;

	b->size = size | FORMAT_FREE;
	end_at(h, header->size - FORMAT_BLOCK_HEAD, size);
	insert(h, b);
	log_commit(h);
}
