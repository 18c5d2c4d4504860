/* SPDX-License-Identifier: MIT */
/* Extended attributes of objects, which have no calls for descriptors of handles. */
#include <errno.h>
#include <sys/xattr.h>

#include "native/posix-file.h"

ssize_t posix_getxattr(struct native_file *f, const struct caller *caller,
		       const char *name, void *value, size_t size)
{
	_as_caller_ struct caller_guard guard;
	int r = posix_enter(f, caller, &guard);

	return r < 0 ? r
		     : errno_or(getxattr(fd_path(posix_fd(f)).text, name, value, size));
}

ssize_t posix_listxattr(struct native_file *f, const struct caller *caller, char *list,
			size_t size)
{
	_as_caller_ struct caller_guard guard;
	int r = posix_enter(f, caller, &guard);

	return r < 0 ? r : errno_or(listxattr(fd_path(posix_fd(f)).text, list, size));
}

int posix_setxattr(struct native_file *f, const struct caller *caller, const char *name,
		   const void *value, size_t size, int flags)
{
	_as_caller_ struct caller_guard guard;
	int r = posix_enter(f, caller, &guard);

	if (r < 0)
		return r;
	return errno_or(setxattr(fd_path(posix_fd(f)).text, name, value, size, flags));
}

int posix_removexattr(struct native_file *f, const struct caller *caller,
		      const char *name)
{
	_as_caller_ struct caller_guard guard;
	int r = posix_enter(f, caller, &guard);

	return r < 0 ? r : errno_or(removexattr(fd_path(posix_fd(f)).text, name));
}
