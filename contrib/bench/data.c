/* SPDX-License-Identifier: MIT */
/*
 * Operations on what is in a file: reads, writes, and a shared mapping.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

static int fill(struct bench *b)
{
	ssize_t n;

	for (size_t at = 0; at < b->data_size; at += (size_t)n) {
		n = pwrite(b->data, b->buffer, MIB, (off_t)at);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

int data_make(struct bench *b)
{
	int r;

	b->data = open(b->data_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (b->data < 0)
		return -errno;
	r = fill(b);
	if (r < 0)
		data_remove(b);
	return r;
}

void data_remove(struct bench *b)
{
	close(b->data);
	unlink(b->data_name);
	b->data = -1;
}

/* What a read or write that did not do all of it returned, as a negative errno. */
static int short_result(ssize_t n)
{
	return n < 0 ? -errno : -EIO;
}

/* xorshift64: quick, and the same offsets in each run. */
static off_t random_offset(struct bench *b, size_t size)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (off_t)(b->random % (b->data_size / size) * size);
}

int batch_pread(struct bench *b, size_t size, uint64_t count)
{
	ssize_t n;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		n = pread(b->data, b->buffer, size, sequential_offset(b, size, i));
		if (n != (ssize_t)size)
			return short_result(n);
	}
	clock_stop(b->clock);
	return 0;
}

static int batch_pread_random(struct bench *b, size_t size, uint64_t count)
{
	ssize_t n;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		n = pread(b->data, b->buffer, size, random_offset(b, size));
		if (n != (ssize_t)size)
			return short_result(n);
	}
	clock_stop(b->clock);
	return 0;
}

int batch_pwrite(struct bench *b, size_t size, uint64_t count)
{
	ssize_t n;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		n = pwrite(b->data, b->buffer, size, sequential_offset(b, size, i));
		if (n != (ssize_t)size)
			return short_result(n);
	}
	clock_stop(b->clock);
	return 0;
}

char *data_map(const struct bench *b)
{
	return mmap(NULL, b->data_size, PROT_READ | PROT_WRITE, MAP_SHARED, b->data, 0);
}

void data_unmap(const struct bench *b, char *map)
{
	munmap(map, b->data_size);
}

/* One store to each page of a new mapping, of memory that is there. */
static int fault_pages(struct bench *b, size_t size, uint64_t count)
{
	volatile char *map = b->map(b);

	if (map == MAP_FAILED)
		return -errno;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		map[i * size] = 1;
	clock_stop(b->clock);
	b->unmap(b, (char *)map);
	return 0;
}

int batch_fault(struct bench *b, size_t size, uint64_t count)
{
	const uint64_t pages = b->data_size / size;
	int r = 0;

	for (; count > pages && r == 0; count -= pages)
		r = fault_pages(b, size, pages);
	return r < 0 ? r : fault_pages(b, size, count);
}

int batch_memset(struct bench *b, size_t size, uint64_t count)
{
	char *map = b->map(b);

	if (map == MAP_FAILED)
		return -errno;
	/* Its faults are a row of their own. */
	memset(map, 1, b->data_size);
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		memset(map + sequential_offset(b, size, i), (int)i, size);
	clock_stop(b->clock);
	b->unmap(b, map);
	return 0;
}

const struct op data_ops[] = {
	{ .name = "pread-64", .batch = batch_pread, .size = 64 },
	{ .name = "pread-4k", .batch = batch_pread, .size = 4 * KIB },
	{ .name = "pread-128k", .batch = batch_pread, .size = 128 * KIB },
	{ .name = "pread-1m", .batch = batch_pread, .size = MIB },
	{ .name = "pread-random-64", .batch = batch_pread_random, .size = 64 },
	{ .name = "pwrite-64", .batch = batch_pwrite, .size = 64 },
	{ .name = "pwrite-4k", .batch = batch_pwrite, .size = 4 * KIB },
	{ .name = "pwrite-128k", .batch = batch_pwrite, .size = 128 * KIB },
	{ .name = "pwrite-1m", .batch = batch_pwrite, .size = MIB },
	{ .name = "fault", .batch = batch_fault, .size = 4 * KIB },
	{ .name = "memset-1m", .batch = batch_memset, .size = MIB },
	{ .name = NULL },
};
