/* SPDX-License-Identifier: MIT */
/*
 * What operations cost on a directory that shows System V segments as files: those of
 * data.c, names.c and listing.c, on files that have keys for names and sizes that stay.
 *
 * No file is open but the one that is read or written: opening is what makes a file
 * system attach a segment, and programs that open one are seldom the second.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "segments.h"

static int open_data(struct bench *b, int flags)
{
	b->data = open(b->data_name, flags | O_CLOEXEC);
	return b->data < 0 ? -errno : 0;
}

static int setup_reader(struct bench *b)
{
	return open_data(b, O_RDONLY);
}

static int setup_writer(struct bench *b)
{
	return open_data(b, O_RDWR);
}

static void teardown_open(struct bench *b)
{
	close(b->data);
	b->data = -1;
}

/* What attaching and detaching is natively. */
static int open_map_close(struct bench *b)
{
	int r = open_data(b, O_RDWR);
	char *map;

	if (r < 0)
		return r;
	map = b->map(b);
	if (map == MAP_FAILED)
		r = -errno;
	else
		b->unmap(b, map);
	teardown_open(b);
	return r;
}

static int batch_open_map_close(struct bench *b, size_t size, uint64_t count)
{
	int r = 0;

	(void)size;
	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = open_map_close(b);
	clock_stop(b->clock);
	return r;
}

/* What a program does that wants to know once what is in a segment. */
static int open_read_close(struct bench *b, size_t size)
{
	int r = open_data(b, O_RDONLY);
	ssize_t n;

	if (r < 0)
		return r;
	n = pread(b->data, b->buffer, size, 0);
	if (n != (ssize_t)size)
		r = n < 0 ? -errno : -EIO;
	teardown_open(b);
	return r;
}

static int batch_open_read_close(struct bench *b, size_t size, uint64_t count)
{
	int r = 0;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = open_read_close(b, size);
	clock_stop(b->clock);
	return r;
}

static int batch_create_remove(struct bench *b, size_t size, uint64_t count)
{
	char name[SEGMENT_NAME_SIZE];
	int r = 0;

	segment_name(name, 1);
	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++) {
		r = create_sized(name, (off_t)size);
		if (r == 0 && unlink(name) < 0)
			r = -errno;
	}
	clock_stop(b->clock);
	return r;
}

/* Of a file system that creates and does not remove. */
static void teardown_created(struct bench *b)
{
	(void)b;
	segment_remove(1);
}

static int setup_unsupported(struct bench *b)
{
	(void)b;
	return -EOPNOTSUPP;
}

const struct op segment_data_ops[] = {
	{ .name = "pread-4k",
	  .batch = batch_pread,
	  .size = 4 * KIB,
	  .setup = setup_reader,
	  .teardown = teardown_open },
	{ .name = "pread-128k",
	  .batch = batch_pread,
	  .size = 128 * KIB,
	  .setup = setup_reader,
	  .teardown = teardown_open },
	{ .name = "pread-1m",
	  .batch = batch_pread,
	  .size = MIB,
	  .setup = setup_reader,
	  .teardown = teardown_open },
	{ .name = "pread-rw-4k",
	  .batch = batch_pread,
	  .size = 4 * KIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "pread-rw-1m",
	  .batch = batch_pread,
	  .size = MIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "pwrite-4k",
	  .batch = batch_pwrite,
	  .size = 4 * KIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "pwrite-128k",
	  .batch = batch_pwrite,
	  .size = 128 * KIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "pwrite-1m",
	  .batch = batch_pwrite,
	  .size = MIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "fault",
	  .batch = batch_fault,
	  .size = 4 * KIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "memset-1m",
	  .batch = batch_memset,
	  .size = MIB,
	  .setup = setup_writer,
	  .teardown = teardown_open },
	{ .name = "fstat",
	  .batch = batch_fstat,
	  .setup = setup_reader,
	  .teardown = teardown_open },
	{ .name = "stat", .batch = batch_stat },
	{ .name = "open-close", .batch = batch_open_close },
	{ .name = "open-map-close", .batch = batch_open_map_close },
	{ .name = "open-pread-close", .batch = batch_open_read_close, .size = MIB },
	{ .name = NULL },
};

const struct op segment_name_ops[] = {
	{ .name = "create-remove",
	  .batch = batch_create_remove,
	  .size = 4 * KIB,
	  .teardown = teardown_created },
	{ .name = "readdir-1000",
	  .batch = batch_readdir,
	  .size = SEGMENTS_MANY,
	  .slow = true,
	  .setup = segments_make_many,
	  .teardown = segments_remove_many },
	{ .name = "ls-l-1000",
	  .batch = batch_ls,
	  .size = SEGMENTS_MANY,
	  .slow = true,
	  .setup = segments_make_many,
	  .teardown = segments_remove_many },
	{ .name = NULL },
};

const struct op segment_no_name_ops[] = {
	{ .name = "create-remove", .setup = setup_unsupported },
	{ .name = "readdir-1000", .setup = setup_unsupported },
	{ .name = "ls-l-1000", .setup = setup_unsupported },
	{ .name = NULL },
};
