/* SPDX-License-Identifier: MIT */
/*
 * The data of open segments. The inode behind one could be made larger than the segment
 * is, and smaller than what others have attached: everything here stays within it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "native/sysv.h"

int sysv_backing(struct native_file *f)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));

	return segment && segment->fd >= 0 ? segment->fd : -EOPNOTSUPP;
}

ssize_t sysv_read(struct native_file *f, void *buf, size_t n, uint64_t offset)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));

	if (!sysv_file_reads(sysv_file_of(f)))
		return -EBADF;
	return segment ? sysv_segment_read(segment, buf, n, offset) : 0;
}

/* Makes a pending segment @size bytes large: 1, or 0 where there is one. */
static int give_size(struct sysv_file *f, uint64_t size)
{
	if (!f->pending)
		return 0;
	return sysv_pending_size(f->pending, &sysv_kind_of(f->file.kind)->segments, size);
}

ssize_t sysv_write(struct native_file *f, const void *buf, size_t n, uint64_t offset,
		   bool append)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));
	int r;

	if (!sysv_file_writes(sysv_file_of(f)))
		return -EBADF;
	if (append)
		offset = segment ? segment->size : 0;
	if (n == 0)
		return 0;
	r = give_size(sysv_file_of(f), offset + n);
	if (r < 0)
		return r;
	segment = sysv_file_segment(sysv_file_of(f));
	/* Somebody else may have made it since, and then its end is not where it began.
	 */
	if (append && r == 0)
		offset = segment->size;
	return sysv_segment_write(segment, buf, n, offset);
}

int sysv_resize(struct native_file *f, uint64_t size)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));
	int r;

	if (!sysv_file_writes(sysv_file_of(f)))
		return -EINVAL;
	/* Nothing is what it has. */
	if (!segment && size == 0)
		return 0;
	r = give_size(sysv_file_of(f), size);
	if (r < 0)
		return r;
	return sysv_file_segment(sysv_file_of(f))->size == size ? 0 : -EPERM;
}

int sysv_allocate(struct native_file *f, int mode, uint64_t offset, uint64_t length)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));
	int r;

	if (!sysv_file_writes(sysv_file_of(f)))
		return -EBADF;
	/* Only what fallocate(2) makes larger gets a size by it. */
	if (!segment && mode != 0)
		return -EOPNOTSUPP;
	r = give_size(sysv_file_of(f), offset + length);
	if (r < 0)
		return r;
	segment = sysv_file_segment(sysv_file_of(f));
	return sysv_segment_allocate(segment, mode, offset, length);
}

/* Where the holes cannot be told there are none. */
static int64_t seek_data(const struct sysv_segment *segment, int64_t offset, int whence)
{
	if (offset < 0 || (uint64_t)offset >= segment->size)
		return -ENXIO;
	if (segment->fd >= 0)
		return errno_or((int64_t)lseek(segment->fd, offset, whence));
	return whence == SEEK_DATA ? offset : (int64_t)segment->size;
}

int64_t sysv_seek(struct native_file *f, int64_t offset, int whence)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	return segment ? seek_data(segment, offset, whence) : -ENXIO;
}

/*
 * Locks belong to an open file, and all that have the segment open share one: so a file
 * that locks gets one of its own.
 */
static int locks_fd(struct sysv_file *f)
{
	struct sysv_segment *segment = sysv_file_segment(f);
	int fd = atomic_load(&f->locks_fd);
	char path[40];
	int none = -1;

	if (fd >= 0)
		return fd;
	if (!segment || segment->fd < 0)
		return -EOPNOTSUPP;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (atomic_compare_exchange_strong(&f->locks_fd, &none, fd))
		return fd;
	close_fd(fd);
	return none;
}

int sysv_lock(struct native_file *f, int command, struct flock *lock)
{
	struct sysv_segment *segment = sysv_file_segment(sysv_file_of(f));
	int fd;

	/* Whoever only asks needs none: the shared one has no locks. */
	if (command == F_OFD_GETLK && segment &&
	    atomic_load(&sysv_file_of(f)->locks_fd) < 0)
		fd = segment->fd < 0 ? -EOPNOTSUPP : segment->fd;
	else
		fd = locks_fd(sysv_file_of(f));
	return fd < 0 ? fd : errno_or(fcntl(fd, command, lock));
}

int sysv_flock(struct native_file *f, int operation)
{
	int fd = locks_fd(sysv_file_of(f));

	return fd < 0 ? fd : errno_or(flock(fd, operation));
}

int sysv_locks(struct native_file *f)
{
	return locks_fd(sysv_file_of(f));
}
