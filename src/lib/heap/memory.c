/* SPDX-License-Identifier: MIT */
/*
 * An allocation stores the position of its block in a word of the heap, from which others
 * find it, in the same change. So a process that dies has published the block or never
 * had it, and nothing is lost. No word leads to a block that is free.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/heap/blocks.h"
#include "lib/heap/growth.h"
#include "lib/heap/lock.h"
#include "lib/heap/log.h"
#include "lib/heap/memory.h"
#include "native/public.h"

#define ALIGN_MAX FORMAT_PAGE /* how the heap itself is aligned in memory */

int memory_alloc(struct shmfs_heap *h, uint64_t size, uint64_t align, uint64_t *ret)
{
	int r = blocks_alloc(h, size, align, ret);

	/* So large a block there is none; and the sum below would wrap. */
	if (r != -ENOSPC || size > BLOCKS_MOST)
		return r;
	r = growth_for(h, size + align);
	return r < 0 ? r : blocks_alloc(h, size, align, ret);
}

/*
 * A transaction may be undone, and what it freed is as it was then. So nobody may write
 * there before it is committed, which this thread would if it got the memory again.
 */
static int free_later(struct shmfs_heap *h, uint64_t position)
{
	for (size_t i = 0; i < h->n_freed; i++)
		if (h->freed[i] == position)
			return -EINVAL;
	if (h->n_freed == h->freed_room) {
		size_t room = h->freed_room ? h->freed_room * 2 : 16;
		uint64_t *freed = realloc(h->freed, room * sizeof(*freed));

		if (!freed)
			return -ENOMEM;
		h->freed = freed;
		h->freed_room = room;
	}
	h->freed[h->n_freed++] = position;
	return 0;
}

int memory_free(struct shmfs_heap *h, uint64_t position)
{
	uint64_t size;
	int r = blocks_find(h, position, &size);

	if (r < 0)
		return r;
	if (h->depth > 0)
		return free_later(h, position);
	blocks_free(h, position);
	return 0;
}

static bool is_place(struct shmfs_heap *h, const shmfs_offset_t *place)
{
	uint64_t position = heap_position(h, place);

	return heap_is_word(h, position, sizeof(*place)) ||
	       position == offsetof(struct format_header, root);
}

static int check_align(size_t align)
{
	return align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0 ? 0
									     : -EINVAL;
}

_public_ int shmfs_heap_alloc(struct shmfs_heap *heap, uint64_t size, size_t align,
			      shmfs_offset_t *place)
{
	uint64_t position;
	int64_t mark;
	int r = check_align(align);

	if (r == 0 && !is_place(heap, place))
		r = -EFAULT;
	if (r < 0)
		return r;
	mark = lock_enter(heap);
	if (mark < 0)
		return (int)mark;
	r = *place ? -EEXIST : memory_alloc(heap, size, align, &position);
	if (r == 0)
		log_set(heap, place, position);
	return lock_leave(heap, mark, r);
}

_public_ int shmfs_heap_free(struct shmfs_heap *heap, shmfs_offset_t *place)
{
	int64_t mark;
	int r;

	if (!is_place(heap, place))
		return -EFAULT;
	mark = lock_enter(heap);
	if (mark < 0)
		return (int)mark;
	r = *place ? memory_free(heap, *place) : 0;
	if (r == 0)
		log_set(heap, place, 0);
	return lock_leave(heap, mark, r);
}

_public_ int shmfs_heap_resize(struct shmfs_heap *heap, shmfs_offset_t offset,
			       uint64_t size)
{
	int64_t mark = lock_enter(heap);
	uint64_t before;
	int r;

	if (mark < 0)
		return (int)mark;
	r = blocks_find(heap, offset, &before);
	/* A block that shrinks in a transaction may have to be as large again. */
	if (r == 0 && heap->depth > 0 && size < before)
		r = 0;
	else if (r == 0)
		r = blocks_resize(heap, offset, size);
	return lock_leave(heap, mark, r);
}

_public_ int shmfs_heap_size_of(struct shmfs_heap *heap, shmfs_offset_t offset,
				uint64_t *ret)
{
	return blocks_find(heap, offset, ret);
}

_public_ void *shmfs_heap_at(struct shmfs_heap *heap, shmfs_offset_t offset,
			     uint64_t size)
{
	return heap_has(heap, offset, size) ? heap_at(heap, offset) : NULL;
}

_public_ shmfs_offset_t shmfs_heap_offset(const struct shmfs_heap *heap,
					  const void *address)
{
	uint64_t position = heap_position(heap, address);

	return position >= FORMAT_HEADER && position < heap->span ? position : 0;
}

_public_ shmfs_offset_t *shmfs_heap_root(struct shmfs_heap *heap)
{
	return &heap_header(heap)->root;
}
