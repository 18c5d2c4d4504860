/* SPDX-License-Identifier: MIT */
/*
 * Root may have been a user a moment ago, by su(1), say, whose environment and open files
 * come along. Those choose files for libraries to read (TZ), programs to be run (PATH)
 * and devices to mount by (FUSE_KERN_DEVICE, of libfuse 3.18); so none is believed. What
 * the dynamic linker and malloc(3) read they have read by then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/inheritance.h"
#include "daemon/log.h"
#include "util/cleanup.h"

#define FIRST_OWN 3

/* Where libfuse finds fusermount3, if it is not where it was when that was built. */
#define PROGRAMS "/usr/sbin:/usr/bin:/sbin:/bin"

static int keep(const char *name, const char *value)
{
	return value && setenv(name, value, 1) < 0 ? -errno : 0;
}

static int copy_of(const char *name, char **ret)
{
	const char *value = getenv(name);

	*ret = value ? strdup(value) : NULL;
	return value && !*ret ? -ENOMEM : 0;
}

static int drop_environment(void)
{
	_cleanup_free_ char *notify = NULL;
	_cleanup_free_ char *path = NULL;
	int r = copy_of("NOTIFY_SOCKET", &notify);

	if (r == 0)
		r = copy_of("PATH", &path);
	if (r < 0)
		return r;
	clearenv();
	r = keep("NOTIFY_SOCKET", notify);
	/* Users run programs of their own choice. */
	return r < 0 ? r : keep("PATH", geteuid() == 0 ? PROGRAMS : path);
}

/* By our options whoever started us would use rights that are not his. */
static int refuse_set_ids(void)
{
	if (getuid() == geteuid() && getgid() == getegid())
		return 0;
	log_error("the program must be neither set-user-ID nor set-group-ID");
	return -EPERM;
}

int inheritance_drop(void)
{
	int r = refuse_set_ids();

	if (r < 0)
		return r;
	r = errno_or(close_range(FIRST_OWN, ~0U, 0));
	/* Before Linux 5.9; there is no passthrough then, either. */
	if (r == -ENOSYS)
		r = 0;
	if (r == 0)
		r = drop_environment();
	if (r < 0)
		log_error("what was inherited cannot be given up: %s", strerror(-r));
	return r;
}
