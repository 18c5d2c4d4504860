/* SPDX-License-Identifier: MIT */
/* The data of POSIX objects, and the locks on it: what an open file is enough for. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include "native/posix-file.h"

ssize_t posix_read(struct native_file *f, void *buf, size_t n, uint64_t offset)
{
	return errno_or(pread(posix_fd(f), buf, n, (off_t)offset));
}

/* The kernel refuses it while the object is append-only. */
static int stop_appending(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return errno_or(fcntl(fd, F_SETFL, flags & ~O_APPEND));
}

ssize_t posix_write(struct native_file *f, const void *buf, size_t n, uint64_t offset,
		    bool append)
{
	/* pwritev2() only reads from the buffer. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = n };
	int r = 0;

	if (!append && ((struct posix_file *)f)->append)
		r = stop_appending(posix_fd(f));
	if (r < 0)
		return r;
	return errno_or(
		pwritev2(posix_fd(f), &iov, 1, (off_t)offset, append ? RWF_APPEND : 0));
}

int posix_allocate(struct native_file *f, int mode, uint64_t offset, uint64_t length)
{
	return errno_or(fallocate(posix_fd(f), mode, (off_t)offset, (off_t)length));
}

int64_t posix_seek(struct native_file *f, int64_t offset, int whence)
{
	return errno_or((int64_t)lseek(posix_fd(f), offset, whence));
}

ssize_t posix_copy(struct native_file *in, uint64_t in_offset, struct native_file *out,
		   uint64_t out_offset, size_t n)
{
	off_t from = (off_t)in_offset;
	off_t to = (off_t)out_offset;

	return errno_or(copy_file_range(posix_fd(in), &from, posix_fd(out), &to, n, 0));
}

int posix_sync(struct native_file *f, bool data_only)
{
	return errno_or(data_only ? fdatasync(posix_fd(f)) : fsync(posix_fd(f)));
}

int posix_lock(struct native_file *f, int command, struct flock *lock)
{
	return errno_or(fcntl(posix_fd(f), command, lock));
}

int posix_flock(struct native_file *f, int operation)
{
	return errno_or(flock(posix_fd(f), operation));
}
