/* SPDX-License-Identifier: MIT */
/*
 * Every process maps the heap up to its limit from the start. So when one of them lets it
 * grow, the others need no call: their mappings reach the new memory at the same address.
 * The file is allocated before the heap counts it as its own. So a process that dies in
 * between leaves a file with room to spare, and nobody is ever killed by SIGBUS because
 * memory ran out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>

#include "lib/heap/blocks.h"
#include "lib/heap/growth.h"
#include "lib/heap/lock.h"
#include "lib/heap/log.h"
#include "native/public.h"
#include "util/cleanup.h"

/* A heap grows by an eighth, so that growing costs little for each byte. */
#define EIGHTH(size) ((size) / 8)

static uint64_t round_up(uint64_t size)
{
	return (size + FORMAT_PAGE - 1) & ~(FORMAT_PAGE - 1);
}

/* A tmpfs of before Linux 6.10 gives an allocation up for any signal. */
int growth_allocate(int fd, uint64_t from, uint64_t to)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = errno_or(fallocate(fd, 0, (off_t)from, (off_t)(to - from)));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int extend(struct shmfs_heap *h, uint64_t size)
{
	const struct format_header *header = heap_header(h);
	int r;

	if (size > header->limit || size > h->span)
		return -ENOSPC;
	r = growth_allocate(h->fd, header->size, size);
	if (r < 0)
		return r;
	if (h->seen < size)
		h->seen = size;
	return blocks_extend(h, size);
}

int growth_for(struct shmfs_heap *h, uint64_t size)
{
	uint64_t now = heap_header(h)->size, limit = heap_header(h)->limit;
	/* A block is found by its class, whose blocks are a sixteenth larger at most. */
	uint64_t least = round_up(now + size + size / 16 + FORMAT_PAGE);
	uint64_t much = round_up(now + EIGHTH(now));
	int r = -ENOSPC;

	if (size > BLOCKS_MOST)
		return -ENOSPC;
	if (much > least)
		r = extend(h, much);
	if (r == -ENOSPC)
		r = extend(h, least);
	/* It may fit closely, and then it is found all the same. */
	if (r == -ENOSPC && limit < least && limit > now && size < limit - now)
		r = extend(h, limit);
	return r;
}

_public_ int shmfs_heap_grow(struct shmfs_heap *heap, uint64_t size)
{
	int64_t mark = lock_enter(heap);
	int r = 0;

	if (mark < 0)
		return (int)mark;
	if (size > FORMAT_LIMIT_MAX)
		r = -ENOSPC;
	else if (round_up(size) > heap_header(heap)->size)
		r = extend(heap, round_up(size));
	return lock_leave(heap, mark, r);
}

/*
 * The pages go back after the heap has become smaller. A process that dies in between
 * leaves a file with room to spare. The file keeps its size, so that a load from there
 * does not end a process.
 */
_public_ int shmfs_heap_trim(struct shmfs_heap *heap)
{
	int64_t mark = lock_enter(heap);
	uint64_t before, size;
	int r = 0;

	if (mark < 0)
		return (int)mark;
	if (heap->depth > 0)
		return lock_leave(heap, mark, -EBUSY);
	before = heap_header(heap)->size;
	blocks_shorten(heap);
	log_commit(heap);
	size = heap_header(heap)->size;
	if (size < before)
		r = errno_or(fallocate(heap->fd,
				       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       (off_t)size, (off_t)(before - size)));
	return lock_leave(heap, mark, r);
}
