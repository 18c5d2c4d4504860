/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native/posix-directory.h"

#define FLAGS (O_PATH | O_NOFOLLOW | O_CLOEXEC)

/* Of Linux 5.12; the header at hand may be older. */
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

/* A change elsewhere may make the kernel's look at its cache fail. */
#define CACHED_TRIES 5

/* All names of a tmpfs that are there are cached. -EAGAIN: this one is not. */
static int find_cached(int dir, const char *name)
{
	struct open_how how = { .flags = FLAGS, .resolve = RESOLVE_CACHED };
	int r = -EAGAIN;

	for (int i = 0; i < CACHED_TRIES && r == -EAGAIN; i++)
		r = errno_or((int)syscall(SYS_openat2, dir, name, &how, sizeof(how)));
	return r;
}

int posix_directory_find(int dir, const struct caller *caller, const char *name)
{
	int r = caller && !caller->hasty ? -EOPNOTSUPP : find_cached(dir, name);

	if (r == -EAGAIN && !caller)
		return -ENOENT;
	/* Older kernels cannot tell. */
	if (r == -ENOSYS || r == -EINVAL)
		r = caller ? -EAGAIN : -EOPNOTSUPP;
	return r == -EOPNOTSUPP ? errno_or(openat(dir, name, FLAGS)) : r;
}

int posix_directory_await(int dir, const struct caller *caller)
{
	char no_name[NAME_MAX + 2];
	int fd;

	if (!caller || !caller->given_up)
		return 0;
	/* No name is so long, but the kernel sees that with the lock. */
	memset(no_name, '-', sizeof(no_name) - 1);
	no_name[sizeof(no_name) - 1] = '\0';
	fd = openat(dir, no_name, FLAGS);
	close_fd(fd);
	return caller_has_given_up(caller) ? -EBUSY : 0;
}
