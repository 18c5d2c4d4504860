/* SPDX-License-Identifier: MIT */
/*
 * Memory that others can take away, as huge pages may be missing, is never touched by
 * this process itself: the kernel copies, and says -EFAULT where a touch were SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "native/sysv-segment.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* The kernel copies between @local and the attachment. */
static ssize_t copy(struct sysv_segment *segment, void *local, size_t n, uint64_t offset,
		    ssize_t (*call)(pid_t, const struct iovec *, unsigned long,
				    const struct iovec *, unsigned long, unsigned long))
{
	struct iovec here = { .iov_base = local, .iov_len = n };
	struct iovec there = { .iov_len = n };
	ssize_t done;

	pthread_rwlock_rdlock(&segment->attachment);
	there.iov_base = (char *)segment->address + offset;
	done = segment->lost ? -EIO : errno_or(call(getpid(), &here, 1, &there, 1, 0));
	pthread_rwlock_unlock(&segment->attachment);
	return done == -EFAULT ? -EIO : done;
}

ssize_t sysv_segment_read(struct sysv_segment *segment, void *buf, size_t n,
			  uint64_t offset)
{
	if (offset >= segment->size || n == 0)
		return 0;
	if (n > segment->size - offset)
		n = (size_t)(segment->size - offset);
	if (segment->fd >= 0)
		return errno_or(pread(segment->fd, buf, n, (off_t)offset));
	return copy(segment, buf, n, offset, process_vm_readv);
}

ssize_t sysv_segment_write(struct sysv_segment *segment, const void *buf, size_t n,
			   uint64_t offset)
{
	if (n == 0)
		return 0;
	if (offset >= segment->size)
		return -ENOSPC;
	if (n > segment->size - offset)
		n = (size_t)(segment->size - offset);
	if (segment->fd >= 0)
		return errno_or(pwrite(segment->fd, buf, n, (off_t)offset));
	/* It only reads from the buffer. */
	return copy(segment, (void *)(uintptr_t)buf, n, offset, process_vm_writev);
}

/* Has the kernel touch the pages of the attachment, so that it gets the memory. */
static int populate(struct sysv_segment *segment, uint64_t offset, uint64_t length)
{
	uint64_t begin = offset - offset % (uint64_t)sysconf(_SC_PAGESIZE);
	int r;

	pthread_rwlock_rdlock(&segment->attachment);
	r = errno_or(madvise((char *)segment->address + begin,
			     (size_t)(offset + length - begin), MADV_POPULATE_WRITE));
	pthread_rwlock_unlock(&segment->attachment);
	if (r == -EFAULT || r == -ENOMEM)
		return -ENOSPC;
	/* Before Linux 5.14. */
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

int sysv_segment_allocate(struct sysv_segment *segment, int mode, uint64_t offset,
			  uint64_t length)
{
	if (offset + length > segment->size)
		return -ENOSPC;
	if (segment->fd >= 0)
		return errno_or(
			fallocate(segment->fd, mode, (off_t)offset, (off_t)length));
	if (segment->lost)
		return -EIO;
	return mode == 0 ? populate(segment, offset, length) : -EOPNOTSUPP;
}
