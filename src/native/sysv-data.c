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
	_cleanup_segment_ struct sysv_segment *segment =
		sysv_file_segment(sysv_file_of(f));

	return segment && segment->fd >= 0 ? segment->fd : -EOPNOTSUPP;
}

ssize_t sysv_read(struct native_file *file, void *buf, size_t n, uint64_t offset)
{
	struct sysv_file *f = sysv_file_of(file);

	if (!sysv_file_reads(f))
		return -EBADF;
	if (f->pending)
		return sysv_pending_read(f->pending, buf, n, offset);
	return sysv_segment_read(f->segment, buf, n, offset);
}

ssize_t sysv_write(struct native_file *file, const void *buf, size_t n, uint64_t offset,
		   bool append)
{
	struct sysv_file *f = sysv_file_of(file);

	if (!sysv_file_writes(f))
		return -EBADF;
	if (f->pending) {
		atomic_store(&f->wrote, true);
		return sysv_pending_write(f->pending, buf, n, offset, append);
	}
	if (append)
		offset = f->segment->size;
	return sysv_segment_write(f->segment, buf, n, offset);
}

int sysv_resize(struct native_file *file, uint64_t size)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	struct sysv_file *f = sysv_file_of(file);
	int r = 0;

	if (!sysv_file_writes(f))
		return -EINVAL;
	if (f->pending)
		r = sysv_pending_size(f->pending, size);
	if (r < 0)
		return r;
	segment = sysv_file_segment(f);
	return (segment ? segment->size : 0) == size ? 0 : -EPERM;
}

int sysv_allocate(struct native_file *file, int mode, uint64_t offset, uint64_t length)
{
	struct sysv_file *f = sysv_file_of(file);
	_cleanup_segment_ struct sysv_segment *segment = sysv_file_segment(f);
	int r;

	if (!sysv_file_writes(f))
		return -EBADF;
	/* Only what fallocate(2) makes larger gets a size by it. */
	if (mode != 0 && !segment)
		return -EOPNOTSUPP;
	if (mode == 0 && f->pending) {
		r = sysv_pending_extend(f->pending, offset + length);
		if (r < 0)
			return r;
		sysv_segment_unref(segment);
		segment = sysv_file_segment(f);
	}
	return sysv_segment_allocate(segment, mode, offset, length);
}

int sysv_sync(struct native_file *file, bool data_only)
{
	struct sysv_file *f = sysv_file_of(file);

	(void)data_only;
	return f->pending ? sysv_pending_flush(f->pending) : 0;
}

/* Who was killed has not written all that it meant to: that is no segment. */
int sysv_flush(struct native_file *file, const struct caller *caller)
{
	struct sysv_file *f = sysv_file_of(file);

	if (!f->pending || !atomic_load(&f->wrote) || !sysv_pending_waits(f->pending) ||
	    caller_is_killed(caller))
		return 0;
	return sysv_pending_flush(f->pending);
}

int sysv_keep(struct native_file *f)
{
	struct sysv_pending *pending = sysv_file_of(f)->pending;

	return pending ? sysv_pending_keep(pending) : -1;
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
	_cleanup_segment_ struct sysv_segment *segment =
		sysv_file_segment(sysv_file_of(f));

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (!segment)
		return sysv_pending_seek(sysv_file_of(f)->pending, offset, whence);
	return seek_data(segment, offset, whence);
}

/*
 * Locks belong to an open file, and all that have the segment open share one: so a file
 * that locks gets one of its own.
 */
static int locks_fd(struct sysv_file *f)
{
	_cleanup_segment_ struct sysv_segment *segment = sysv_file_segment(f);
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
	if (f->pending)
		atomic_store(&f->pending->locked, true);
	if (atomic_compare_exchange_strong(&f->locks_fd, &none, fd))
		return fd;
	close_fd(fd);
	return none;
}

int sysv_lock(struct native_file *f, int command, struct flock *lock)
{
	_cleanup_segment_ struct sysv_segment *segment =
		sysv_file_segment(sysv_file_of(f));
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
