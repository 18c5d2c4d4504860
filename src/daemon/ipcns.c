/* SPDX-License-Identifier: MIT */
/*
 * setns(2) says EINVAL of a namespace of another type and of any other file alike, and
 * would take more than namespace files: those are told by the file system they are on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "daemon/ipcns.h"
#include "daemon/log.h"
#include "util/cleanup.h"

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

static int open_namespace(const char *value)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, is_number(value) ? "/proc/%s/ns/ipc" : "%s", value) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	/* Nobody knows what a path leads to: not waiting for a FIFO. */
	return errno_or(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

static const char *why_not_open(const char *value, int error)
{
	if (!is_number(value))
		return strerror(error);
	if (error == ENOENT || error == ESRCH)
		return "there is no such process";
	if (error == EACCES || error == EPERM)
		return "not permitted: it takes the right to trace the process (ptrace)";
	return strerror(error);
}

static bool is_namespace(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static const char *why_not_enter(int error)
{
	switch (error) {
	case EINVAL:
		return "it is a namespace, but not one of IPC";
	case EPERM:
		return "not permitted: entering it takes CAP_SYS_ADMIN";
	default:
		return strerror(error);
	}
}

int ipcns_enter(const char *value)
{
	_cleanup_close_ int fd = open_namespace(value);
	int r;

	if (fd < 0) {
		log_error("ipcns=%s: %s", value, why_not_open(value, -fd));
		return fd;
	}
	if (!is_namespace(fd)) {
		log_error(
			"ipcns=%s: it is not a namespace file, such as /proc/PID/ns/ipc",
			value);
		return -EINVAL;
	}
	r = errno_or(setns(fd, CLONE_NEWIPC));
	if (r < 0)
		log_error("ipcns=%s: %s", value, why_not_enter(-r));
	return r;
}
