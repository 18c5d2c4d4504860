/* SPDX-License-Identifier: MIT */
/*
 * Operations on names and attributes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"

/* The name of the @n-th of the files that batches make. */
static const char *numbered(char name[32], uint64_t n)
{
	snprintf(name, 32, "bench-%" PRIu64, n);
	return name;
}

int create_sized(const char *name, off_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (size > 0 && ftruncate(fd, size) < 0)
		r = -errno;
	close(fd);
	return r;
}

void remove_numbered(uint64_t count)
{
	char name[32];

	for (uint64_t i = 0; i < count; i++)
		unlink(numbered(name, i));
}

int create_numbered(uint64_t count)
{
	char name[32];
	int r;

	for (uint64_t i = 0; i < count; i++) {
		r = create_sized(numbered(name, i), 0);
		if (r < 0) {
			remove_numbered(i);
			return r;
		}
	}
	return 0;
}

int batch_fstat(struct bench *b, size_t size, uint64_t count)
{
	struct stat st;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		if (fstat(b->data, &st) < 0)
			return -errno;
	clock_stop(b->clock);
	return 0;
}

int batch_stat(struct bench *b, size_t size, uint64_t count)
{
	struct stat st;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++)
		if (stat(b->data_name, &st) < 0)
			return -errno;
	clock_stop(b->clock);
	return 0;
}

static int batch_stat_missing(struct bench *b, size_t size, uint64_t count)
{
	struct stat st;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		if (stat("bench-missing", &st) == 0)
			return -EEXIST;
		if (errno != ENOENT)
			return -errno;
	}
	clock_stop(b->clock);
	return 0;
}

int batch_open_close(struct bench *b, size_t size, uint64_t count)
{
	int fd;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count; i++) {
		fd = open(b->data_name, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	clock_stop(b->clock);
	return 0;
}

static int batch_create(struct bench *b, size_t size, uint64_t count)
{
	char name[32];
	int r = 0;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = create_sized(numbered(name, i), (off_t)size);
	clock_stop(b->clock);
	remove_numbered(count);
	return r;
}

static int batch_ftruncate(struct bench *b, size_t size, uint64_t count)
{
	int fd = open("bench-0", O_RDWR | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = ftruncate(fd, (off_t)(size << (i % 2))) < 0 ? -errno : 0;
	clock_stop(b->clock);
	close(fd);
	return r;
}

static int batch_unlink(struct bench *b, size_t size, uint64_t count)
{
	char name[32];
	int r = create_numbered(count);

	(void)size;
	if (r < 0)
		return r;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = unlink(numbered(name, i)) < 0 ? -errno : 0;
	clock_stop(b->clock);
	if (r < 0)
		remove_numbered(count);
	return r;
}

/* Forth and back, so that an even number ends where it began. */
static int batch_rename(struct bench *b, size_t size, uint64_t count)
{
	static const char *const names[] = { "bench-0", "bench-1" };
	int r = 0;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = rename(names[i % 2], names[(i + 1) % 2]) < 0 ? -errno : 0;
	clock_stop(b->clock);
	if (count % 2 != 0 && r == 0)
		r = rename(names[1], names[0]) < 0 ? -errno : 0;
	return r;
}

static int setup_one(struct bench *b)
{
	(void)b;
	return create_numbered(1);
}

/* Two: a failed rename may have left the file under its other name. */
static void teardown_one(struct bench *b)
{
	(void)b;
	remove_numbered(2);
}

const struct op name_ops[] = {
	{ .name = "fstat", .batch = batch_fstat },
	{ .name = "stat", .batch = batch_stat },
	{ .name = "stat-missing", .batch = batch_stat_missing },
	{ .name = "open-close", .batch = batch_open_close },
	{ .name = "create-close", .batch = batch_create },
	{ .name = "create-size-close", .batch = batch_create, .size = 4 * KIB },
	{ .name = "ftruncate",
	  .batch = batch_ftruncate,
	  .size = 4 * KIB,
	  .setup = setup_one,
	  .teardown = teardown_one },
	{ .name = "unlink", .batch = batch_unlink },
	{ .name = "rename",
	  .batch = batch_rename,
	  .setup = setup_one,
	  .teardown = teardown_one },
	{ .name = NULL },
};
