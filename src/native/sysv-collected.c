/* SPDX-License-Identifier: MIT */
/*
 * The size of the memfd is that of the file, so that it need not be noted for who comes
 * after this process. Holes count as memory that is taken: a segment has the right to all
 * of its memory, and gets that when it is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "native/sysv-collected.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* So much is copied at once. */
#define COPIED ((size_t)64 << 10)

/* So much is moved at once. It is a multiple of any page. */
#define PIECE (UINT64_C(16) << 20)

void sysv_collected_init(struct sysv_collected *c, struct sysv_budget *b, uid_t user)
{
	*c = (struct sysv_collected){ .budget = b, .user = user, .fd = -1 };
}

static uint64_t whole_pages(uint64_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

static void note_size(struct sysv_collected *c, const struct stat *st)
{
	atomic_store(&c->size, (uint64_t)st->st_size);
	atomic_store(&c->used, (uint64_t)st->st_blocks * 512);
}

void sysv_collected_adopt(struct sysv_collected *c, int fd, bool poured)
{
	struct stat st;
	uint64_t charge;

	c->poured = true;
	if (fstat(fd, &st) < 0)
		return;
	charge = whole_pages((uint64_t)st.st_size);
	if (sysv_budget_force(c->budget, c->user, charge) < 0)
		return;
	c->fd = fd;
	c->poured = poured;
	c->charged = charge;
	note_size(c, &st);
}

void sysv_collected_drop(struct sysv_collected *c)
{
	c->fd = close_fd(c->fd);
	c->failed = 0;
	sysv_budget_give(c->budget, c->user, c->charged);
	c->charged = 0;
	atomic_store(&c->size, 0);
	atomic_store(&c->used, 0);
}

ssize_t sysv_collected_read(const struct sysv_collected *c, void *buf, size_t n,
			    uint64_t offset)
{
	return c->fd < 0 ? 0 : errno_or(pread(c->fd, buf, n, (off_t)offset));
}

/* Some systems refuse memory that could become a program, and older ones the flag. */
static int create(void)
{
	int fd = memfd_create("shmfs-pending", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("shmfs-pending", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int grow(struct sysv_collected *c, uint64_t size)
{
	uint64_t need = whole_pages(size);
	int r;

	if (need > c->charged) {
		r = sysv_budget_take(c->budget, c->user, need - c->charged, size);
		if (r < 0)
			return r;
		c->charged = need;
	}
	if (c->fd < 0) {
		r = create();
		if (r < 0)
			return r;
		c->fd = r;
	}
	return 0;
}

static ssize_t put(struct sysv_collected *c, const void *buf, size_t n, uint64_t offset)
{
	struct stat st;
	ssize_t done;
	int r;

	if (offset > INT64_MAX - whole_pages(n))
		return -EFBIG;
	r = grow(c, offset + n);
	if (r < 0)
		return r;
	done = errno_or(pwrite(c->fd, buf, n, (off_t)offset));
	if (fstat(c->fd, &st) == 0)
		note_size(c, &st);
	return done;
}

ssize_t sysv_collected_write(struct sysv_collected *c, const void *buf, size_t n,
			     uint64_t offset)
{
	ssize_t r = put(c, buf, n, offset);

	if (r < 0)
		c->failed = (int)r;
	return r;
}

int64_t sysv_collected_seek(const struct sysv_collected *c, int64_t offset, int whence)
{
	return c->fd < 0 ? -ENXIO : errno_or((int64_t)lseek(c->fd, offset, whence));
}

/* Whether there is nothing to keep: it is a hole, or as good as one. */
static bool is_zero(const char *buf, size_t n)
{
	return buf[0] == 0 && memcmp(buf, buf + 1, n - 1) == 0;
}

int sysv_collected_copy(struct sysv_collected *c, struct sysv_segment *segment)
{
	_cleanup_free_ char *buf = malloc(COPIED);
	uint64_t charge = whole_pages(segment->size);
	ssize_t n = buf ? 0 : -ENOMEM;

	/* It is not more than the segment, which goes. */
	if (n == 0)
		n = sysv_budget_force(c->budget, c->user, charge);
	if (n == 0)
		c->charged = charge;

	for (uint64_t at = 0; n >= 0 && at < segment->size; at += (uint64_t)n) {
		n = sysv_segment_read(segment, buf, COPIED, at);
		if (n == 0)
			n = -EIO;
		if (n > 0 && at + (uint64_t)n < segment->size && is_zero(buf, (size_t)n))
			continue;
		if (n > 0)
			n = put(c, buf, (size_t)n, at);
	}
	c->poured = false;
	return n < 0 ? (int)n : 0;
}

static int write_all(struct sysv_segment *segment, const char *from, size_t n,
		     uint64_t offset)
{
	ssize_t r = 0;

	for (size_t done = 0; r >= 0 && done < n; done += (size_t)r) {
		r = sysv_segment_write(segment, from + done, n - done, offset + done);
		if (r == 0)
			r = -EIO;
	}
	return r < 0 ? (int)r : 0;
}

/* @offset is on a boundary of pages. */
static int pour_piece(struct sysv_collected *c, struct sysv_segment *segment, size_t n,
		      uint64_t offset)
{
	void *from = mmap(NULL, n, PROT_READ, MAP_SHARED, c->fd, (off_t)offset);
	int r;

	if (from == MAP_FAILED)
		return -errno;
	r = write_all(segment, from, n, offset);
	munmap(from, n);
	if (r < 0)
		return r;
	/* A part of a page would stay, as zeros, to be moved once more. */
	return errno_or(fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  (off_t)offset, (off_t)whole_pages(n)));
}

int sysv_collected_pour(struct sysv_collected *c, struct sysv_segment *segment)
{
	off_t end = (off_t)(c->size < segment->size ? c->size : segment->size);
	off_t data, hole;
	int r = 0;

	for (off_t at = 0; r == 0 && c->fd >= 0 && at < end; at = hole) {
		data = lseek(c->fd, at, SEEK_DATA);
		if (data < 0 || data >= end)
			return data < 0 && errno != ENXIO ? -errno : 0;
		hole = lseek(c->fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if (hole > end)
			hole = end;
		if (hole > data + (off_t)PIECE)
			hole = data + (off_t)PIECE;
		r = pour_piece(c, segment, (size_t)(hole - data), (uint64_t)data);
	}
	return r;
}
