/* SPDX-License-Identifier: MIT */
/*
 * Mappings go to the same distance from an aligned address on both sides: around a fault
 * the kernel maps its neighbours up to an aligned border, and whether a later store is a
 * fault, and so whether it changes the modification time, depends on that.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "side.h"
#include "util/cleanup.h"

enum { ALIGNMENT = 2 << 20 };

static unsigned char *arena_new(void)
{
	size_t size = (size_t)MAP_DISTANCE * MAPS + ALIGNMENT;
	void *at = mmap(NULL, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned char *start = at;

	assert(at != MAP_FAILED);
	return start + (ALIGNMENT - (uintptr_t)at % ALIGNMENT) % ALIGNMENT;
}

void side_init(struct side *side, const char *dir, enum io io, bool model)
{
	*side = (struct side){ .dir = dir, .io = io, .model = model };
	for (unsigned int i = 0; i < SLOTS; i++)
		side->slots[i].fd = -1;
	side->arena = arena_new();
}

void side_done(struct side *side)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		side_close(side, i);
	munmap(side->arena, (size_t)MAP_DISTANCE * MAPS);
	memset(side->maps, 0, sizeof(side->maps));
}

static const char *path_in(struct side *side, unsigned int which, unsigned int name)
{
	char *path = side->paths[which];

	snprintf(path, sizeof(side->paths[which]), "%s/%s", side->dir, name_text(name));
	return path;
}

const char *side_path(struct side *side, unsigned int name)
{
	return path_in(side, 0, name);
}

const char *side_other_path(struct side *side, unsigned int name)
{
	return path_in(side, 1, name);
}

long side_close(struct side *side, unsigned int slot)
{
	int fd = take_fd(&side->slots[slot].fd);

	return errno_or(close(fd));
}

void side_put(struct side *side, unsigned int slot, int fd)
{
	struct stat st = { 0 };

	fstat(fd, &st);
	side->slots[slot] = (struct slot){ .fd = fd, .ino = st.st_ino };
}

void side_say_identity(const struct side *side, struct outcome *out, ino_t ino)
{
	unsigned int same = 0;

	for (unsigned int i = 0; i < SLOTS; i++) {
		if (side->slots[i].fd >= 0 && side->slots[i].ino == ino)
			same |= 1u << i;
	}
	say(out, " slots %#x", same);
}

long side_refused(const struct side *side, long result, int error, const char *difference)
{
	(void)difference; /* for who compares the lists */
	return side->model && side->io != IO_PLAIN && result >= 0 ? -error : result;
}

void side_look(const struct side *side, unsigned int slot)
{
	struct stat st;

	if (side->io != IO_PLAIN)
		(void)!fstat(side_fd(side, slot), &st);
}

void side_access(const struct side *side, unsigned int slot)
{
	char byte;

	side_look(side, slot);
	if (side->io != IO_PLAIN)
		(void)!pread(side_fd(side, slot), &byte, 1, 0);
}
