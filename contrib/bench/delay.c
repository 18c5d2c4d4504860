/* SPDX-License-Identifier: MIT */
/*
 * How long the measured directory shows what is no longer so: a file is resized in the
 * directory behind it, and from when that was done until the beginning of the first stat
 * that shows the new size. It is nothing where the first stat does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"

/* A file system that shows it no sooner is not told of it, it only forgets. */
#define PATIENCE 1000000000U

static int stat_size(off_t *ret_size)
{
	struct stat st;

	if (stat("bench-0", &st) < 0)
		return -errno;
	*ret_size = st.st_size;
	return 0;
}

static int await_size(off_t size, uint64_t *ret_delay)
{
	const uint64_t begin = clock_now();
	uint64_t asked = begin;
	off_t shown = -1;
	int r = stat_size(&shown);

	while (r == 0 && shown != size) {
		asked = clock_now();
		if (asked - begin > PATIENCE)
			return -ETIMEDOUT;
		r = stat_size(&shown);
	}
	*ret_delay = asked - begin;
	return r;
}

static int sample_delay(struct bench *b, uint64_t *ret_delay)
{
	off_t size = 0;
	int fd, r;

	fd = openat(b->native, "bench-0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* What is asked for is remembered, where things are: that is to become wrong. */
	r = stat_size(&size);
	size = size == 0 ? (off_t)KIB : 0;
	if (r == 0 && ftruncate(fd, size) < 0)
		r = -errno;
	if (r == 0)
		r = await_size(size, ret_delay);
	close(fd);
	return r;
}

static int setup_native(struct bench *b)
{
	return b->native < 0 ? -EOPNOTSUPP : create_numbered(1);
}

static void teardown_native(struct bench *b)
{
	(void)b;
	remove_numbered(1);
}

const struct op delay_ops[] = {
	{ .name = "notify-delay",
	  .sample = sample_delay,
	  .setup = setup_native,
	  .teardown = teardown_native },
	{ .name = NULL },
};
