/* SPDX-License-Identifier: MIT */
/* What an object has beside what stat(2) tells: its birth, and the flags of chattr(1). */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "native/posix-file.h"

ssize_t posix_tell(struct native_file *f, const char *name, void *value, size_t size)
{
	char text[48];
	struct statx x;
	size_t n;

	if (strcmp(name, "birth") != 0)
		return -ENODATA;
	if (statx(posix_fd(f), "", AT_EMPTY_PATH, STATX_BTIME, &x) < 0)
		return -errno;
	if (!(x.stx_mask & STATX_BTIME))
		return -ENODATA;
	n = (size_t)snprintf(text, sizeof(text), "%lld.%09u",
			     (long long)x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
	if (size > 0 && size < n)
		return -ERANGE;
	if (size > 0)
		memcpy(value, text, n);
	return (ssize_t)n;
}

int posix_ioctl(struct native_file *f, const struct caller *caller, unsigned int command,
		void *argument)
{
	_as_caller_ struct caller_guard guard;
	/* Owners may set flags, and anybody who has the file open see them: no groups. */
	int r = caller_enter(caller, GROUPS_NONE, &guard);

	return r < 0 ? r : errno_or(ioctl(posix_fd(f), command, argument));
}
