/* SPDX-License-Identifier: MIT */
/* The data of open files, for what the kernel does not take to the object by itself. */
#include <errno.h>

#include "fs/file.h"
#include "fs/internal.h"

ssize_t fs_read(struct fs *fs, uint64_t file, void *buf, size_t n, uint64_t offset)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = file_hold(fs, file, &f);

	return r < 0 ? r : native_read(f, buf, n, offset);
}

ssize_t fs_write(struct fs *fs, uint64_t file, const void *buf, size_t n, uint64_t offset,
		 bool append)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = file_hold(fs, file, &f);

	return r < 0 ? r : native_write(f, buf, n, offset, append);
}

int fs_fallocate(struct fs *fs, uint64_t file, int mode, uint64_t offset, uint64_t length)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = file_hold(fs, file, &f);

	return r < 0 ? r : native_allocate(f, mode, offset, length);
}

int64_t fs_seek(struct fs *fs, uint64_t file, int64_t offset, int whence)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = file_hold(fs, file, &f);

	return r < 0 ? r : native_seek(f, offset, whence);
}

/* A copy may be short; none shall keep a thread for long. */
#define COPY_MAX ((size_t)16 << 20)

ssize_t fs_copy(struct fs *fs, uint64_t in, uint64_t in_offset, uint64_t out,
		uint64_t out_offset, size_t n)
{
	_cleanup_native_ struct native_file *from = NULL;
	_cleanup_native_ struct native_file *to = NULL;
	int r = file_hold(fs, in, &from);

	if (r == 0)
		r = file_hold(fs, out, &to);
	return r < 0 ? r
		     : native_copy(from, in_offset, to, out_offset,
				   n < COPY_MAX ? n : COPY_MAX);
}

int fs_ioctl(struct fs *fs, const struct caller *caller, uint64_t file,
	     unsigned int command, void *argument)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = file_hold(fs, file, &f);

	return r < 0 ? r : native_ioctl(f, caller, command, argument);
}

int fs_fsync(struct fs *fs, uint64_t file, bool data_only)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = file_hold(fs, file, &f);

	return r < 0 ? r : native_sync(f, data_only);
}

int fs_closed(struct fs *fs, const struct caller *caller, uint64_t file)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = fs->kind->ops->flush ? file_hold(fs, file, &f) : 0;

	return f ? native_flush(f, caller) : r;
}
