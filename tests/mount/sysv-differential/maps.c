/* SPDX-License-Identifier: MIT */
/* Stores have their pages made first, so that a mapping not to be written is an errno. */
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "maps.h"
#include "util/cleanup.h"

enum { PAGE = 4096, DISTANCE = 1 << 20 };

static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(bus_error, 1);
}

long copy_mapped(void *to, const void *from, size_t n)
{
	struct sigaction action = { .sa_handler = on_bus_error };
	struct sigaction saved;
	volatile long r = -EFAULT;

	sigaction(SIGBUS, &action, &saved);
	if (!sigsetjmp(bus_error, 1)) {
		memcpy(to, from, n);
		r = 0;
	}
	sigaction(SIGBUS, &saved, NULL);
	return r;
}

void maps_init(struct maps *maps)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *at = mmap(NULL, (size_t)DISTANCE * MAPS, PROT_NONE, flags, -1, 0);

	assert(at != MAP_FAILED);
	*maps = (struct maps){ .arena = at };
}

void maps_done(struct maps *maps)
{
	munmap(maps->arena, (size_t)DISTANCE * MAPS);
}

static unsigned char *room(const struct maps *maps, const struct op *op)
{
	return maps->arena + (size_t)op->map * DISTANCE;
}

/* Unmaps by reserving the room again, so that nothing else ever moves in. */
static void reserve(struct maps *maps, const struct op *op)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	void *at = mmap(room(maps, op), DISTANCE, PROT_NONE, flags, -1, 0);

	assert(at != MAP_FAILED);
	maps->map[op->map] = (struct map){ 0 };
}

static int protection(const struct op *op)
{
	static const int protections[] = { PROT_READ, PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_WRITE, PROT_READ };

	return protections[choose(op, 0, 4)];
}

bool maps_is_shared(const struct op *op)
{
	return chance(op, 1, 70);
}

off_t maps_offset(const struct op *op)
{
	off_t offset = chance(op, 4, 75) ? 0 : op->offset;

	return chance(op, 2, 90) ? offset / PAGE * PAGE : offset;
}

void maps_describe(const struct op *op, struct outcome *out)
{
	say(out, "mmap(slot %u, %zu, prot %d, %s, at %lld) as map %u", op->slot,
	    op->length, protection(op), maps_is_shared(op) ? "shared" : "private",
	    (long long)maps_offset(op), op->map);
}

long maps_make(struct maps *maps, const struct op *op, int fd)
{
	int flags = MAP_FIXED | (maps_is_shared(op) ? MAP_SHARED : MAP_PRIVATE);
	unsigned char *at = room(maps, op);
	long r = 0;

	reserve(maps, op);
	if (mmap(at, op->length, protection(op), flags, fd, maps_offset(op)) ==
	    MAP_FAILED)
		r = -errno;
	if (r < 0)
		reserve(maps, op);
	else
		maps->map[op->map] = (struct map){ at, op->length, maps_is_shared(op) };
	return r;
}

long maps_unmap(struct maps *maps, const struct op *op)
{
	if (!maps->map[op->map].at)
		return -EINVAL;
	reserve(maps, op);
	return 0;
}

/* A part of the mapping, at least one byte of it; NULL where there is none. */
static unsigned char *part(const struct maps *maps, const struct op *op,
			   struct outcome *out, size_t *ret_length)
{
	const struct map *map = &maps->map[op->map];
	size_t start, most;

	if (!map->at)
		return NULL;
	start = choose(op, 5, (unsigned int)map->length);
	most = map->length - start;
	*ret_length = 1 + choose(op, 6, most < 9000 ? (unsigned int)most : 9000);
	say(out, " %zu bytes at %zu", *ret_length, start);
	return map->at + start;
}

long maps_load(const struct maps *maps, const struct op *op, struct outcome *out)
{
	static unsigned char bytes[OP_LENGTH_MAX];
	size_t length;
	unsigned char *at = part(maps, op, out, &length);
	long r = at ? copy_mapped(bytes, at, length) : -EINVAL;

	if (r == 0)
		say_bytes(out, bytes, length);
	return r;
}

long maps_store(const struct maps *maps, const struct op *op, struct outcome *out)
{
	size_t length;
	unsigned char *at = part(maps, op, out, &length), *page;

	if (!at)
		return -EINVAL;
	page = at - (at - maps->arena) % PAGE;
	if (madvise(page, (size_t)(at - page) + length, MADV_POPULATE_WRITE) < 0)
		return -errno;
	return copy_mapped(at, op_bytes(op), length);
}

long maps_protect(const struct maps *maps, const struct op *op, struct outcome *out)
{
	const struct map *map = &maps->map[op->map];
	int prot = chance(op, 1, 50) ? PROT_READ : PROT_READ | PROT_WRITE;

	say(out, " %d", prot);
	return map->at ? errno_or(mprotect(map->at, map->length, prot)) : -EINVAL;
}

long maps_advise(const struct maps *maps, const struct op *op, struct outcome *out)
{
	static const int advices[] = { MADV_DONTNEED, MADV_WILLNEED, MADV_REMOVE,
				       MADV_POPULATE_READ };
	const struct map *map = &maps->map[op->map];
	int advice = advices[choose(op, 1, 4)];

	say(out, " %d", advice);
	return map->at ? errno_or(madvise(map->at, map->length, advice)) : -EINVAL;
}
