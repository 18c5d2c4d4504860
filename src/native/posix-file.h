/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a native file is for POSIX objects: a descriptor, of an open file or a handle. And
 * what operations on open files do, which need no more.
 */
#include <stdio.h>

#include "native/kind.h"

struct posix_file {
	struct native_file file;
	int fd;
	/*
	 * It was opened with O_APPEND, as only append-only objects are: then a write
	 * elsewhere has to take that back first.
	 */
	bool append;
};

static inline int posix_fd(struct native_file *f)
{
	return ((struct posix_file *)f)->fd;
}

/* A path that leads to what a descriptor has open. */
struct fd_path {
	char text[32];
};

static inline struct fd_path fd_path(int fd)
{
	struct fd_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

/* caller_enter() for what depends on the rights on @f. */
int posix_enter(struct native_file *f, const struct caller *caller,
		struct caller_guard *guard);

ssize_t posix_read(struct native_file *f, void *buf, size_t n, uint64_t offset);
ssize_t posix_write(struct native_file *f, const void *buf, size_t n, uint64_t offset,
		    bool append);
int posix_allocate(struct native_file *f, int mode, uint64_t offset, uint64_t length);
int64_t posix_seek(struct native_file *f, int64_t offset, int whence);
ssize_t posix_copy(struct native_file *in, uint64_t in_offset, struct native_file *out,
		   uint64_t out_offset, size_t n);
int posix_sync(struct native_file *f, bool data_only);
int posix_lock(struct native_file *f, int command, struct flock *lock);
int posix_flock(struct native_file *f, int operation);
int posix_ioctl(struct native_file *f, const struct caller *caller, unsigned int command,
		void *argument);
ssize_t posix_tell(struct native_file *f, const char *name, void *value, size_t size);
ssize_t posix_getxattr(struct native_file *f, const struct caller *caller,
		       const char *name, void *value, size_t size);
ssize_t posix_listxattr(struct native_file *f, const struct caller *caller, char *list,
			size_t size);
int posix_setxattr(struct native_file *f, const struct caller *caller, const char *name,
		   const void *value, size_t size, int flags);
int posix_removexattr(struct native_file *f, const struct caller *caller,
		      const char *name);
