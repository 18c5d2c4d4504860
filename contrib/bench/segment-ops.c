/* SPDX-License-Identifier: MIT */
/*
 * What operations on System V segments cost natively: the other half of segment-files.c,
 * with the same rows. What is a call on a file there is here what programs do instead:
 * copying from and to the attachment, attaching and detaching, reading the kernel's list.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "segments.h"

char *segment_map(const struct bench *b)
{
	/* That failed is the same pointer here and there. */
	return shmat(b->segment, NULL, 0);
}

void segment_unmap(const struct bench *b, char *map)
{
	(void)b;
	shmdt(map);
}

/* Attached, and without faults to come: those are a row of their own. */
static char *attach_all(const struct bench *b)
{
	char *map = b->map(b);

	if (map != MAP_FAILED)
		memset(map, 1, b->data_size);
	return map;
}

static int batch_copy_from(struct bench *b, size_t size, uint64_t count)
{
	char *map = attach_all(b);

	if (map == MAP_FAILED)
		return -errno;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		memcpy(b->buffer, map + sequential_offset(b, size, i), size);
	clock_stop(b->clock);
	b->unmap(b, map);
	return 0;
}

static int batch_copy_to(struct bench *b, size_t size, uint64_t count)
{
	char *map = attach_all(b);

	if (map == MAP_FAILED)
		return -errno;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		memcpy(map + sequential_offset(b, size, i), b->buffer, size);
	clock_stop(b->clock);
	b->unmap(b, map);
	return 0;
}

static int batch_ipc_stat(struct bench *b, size_t size, uint64_t count)
{
	struct shmid_ds ds;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		if (shmctl(b->segment, IPC_STAT, &ds) < 0)
			return -errno;
	clock_stop(b->clock);
	return 0;
}

static int batch_attach_detach(struct bench *b, size_t size, uint64_t count)
{
	char *map;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		map = b->map(b);
		if (map == MAP_FAILED)
			return -errno;
		b->unmap(b, map);
	}
	clock_stop(b->clock);
	return 0;
}

static int batch_attach_copy_detach(struct bench *b, size_t size, uint64_t count)
{
	char *map;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		map = shmat(b->segment, NULL, SHM_RDONLY);
		if (map == MAP_FAILED)
			return -errno;
		memcpy(b->buffer, map, size);
		b->unmap(b, map);
	}
	clock_stop(b->clock);
	return 0;
}

static int batch_create_remove(struct bench *b, size_t size, uint64_t count)
{
	int id;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		id = segment_make(1, size);
		if (id < 0)
			return id;
		if (shmctl(id, IPC_RMID, NULL) < 0)
			return -errno;
	}
	clock_stop(b->clock);
	return 0;
}

static size_t count_lines(const char *text, size_t size)
{
	const char *end = text + size;
	size_t n = 0;

	while ((text = memchr(text, '\n', (size_t)(end - text)))) {
		text++;
		n++;
	}
	return n;
}

/* The measured directory is /proc/sysvipc. */
static int read_list(const struct bench *b, size_t least)
{
	int fd = open("shm", O_RDONLY | O_CLOEXEC);
	size_t lines = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, b->buffer, MIB)) > 0)
		lines += count_lines(b->buffer, (size_t)n);
	close(fd);
	/* One has the titles. */
	return n < 0 ? -errno : (lines <= least ? -EIO : 0);
}

static int batch_list(struct bench *b, size_t size, uint64_t count)
{
	int r = 0;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = read_list(b, size);
	clock_stop(b->clock);
	return r;
}

const struct op segment_ops[] = {
	{ .name = "pread-4k", .batch = batch_copy_from, .size = 4 * KIB },
	{ .name = "pread-128k", .batch = batch_copy_from, .size = 128 * KIB },
	{ .name = "pread-1m", .batch = batch_copy_from, .size = MIB },
	{ .name = "pread-rw-4k", .batch = batch_copy_from, .size = 4 * KIB },
	{ .name = "pread-rw-1m", .batch = batch_copy_from, .size = MIB },
	{ .name = "pwrite-4k", .batch = batch_copy_to, .size = 4 * KIB },
	{ .name = "pwrite-128k", .batch = batch_copy_to, .size = 128 * KIB },
	{ .name = "pwrite-1m", .batch = batch_copy_to, .size = MIB },
	{ .name = "fault", .batch = batch_fault, .size = 4 * KIB },
	{ .name = "memset-1m", .batch = batch_memset, .size = MIB },
	{ .name = "fstat", .batch = batch_ipc_stat },
	{ .name = "stat", .batch = batch_ipc_stat },
	{ .name = "open-close", .batch = batch_attach_detach },
	{ .name = "open-map-close", .batch = batch_attach_detach },
	{ .name = "open-pread-close", .batch = batch_attach_copy_detach, .size = MIB },
	{ .name = "create-remove", .batch = batch_create_remove, .size = 4 * KIB },
	{ .name = "readdir-1000",
	  .batch = batch_list,
	  .size = SEGMENTS_MANY,
	  .slow = true,
	  .setup = segments_make_many,
	  .teardown = segments_remove_many },
	{ .name = "ls-l-1000",
	  .batch = batch_list,
	  .size = SEGMENTS_MANY,
	  .slow = true,
	  .setup = segments_make_many,
	  .teardown = segments_remove_many },
	{ .name = NULL },
};
