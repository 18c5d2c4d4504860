/* SPDX-License-Identifier: MIT */
/*
 * A /proc of another PID namespace has other processes under the same numbers, and would
 * give a caller the groups of a stranger. It is told by how it shows this process: with
 * its number in each namespace from that of /proc on, so with one number if they are the
 * same, or not at all.
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/groups.h"
#include "util/cleanup.h"

static bool elsewhere; /* is what /proc shows; written by groups_init() alone */

/* Whether the one number that @path has of this process is its own. */
static bool shows_self(const char *path)
{
	FILE *status = fopen(path, "re");
	int numbers = 0, first = 0, second = 0;
	char line[256];

	while (status && numbers <= 0 && fgets(line, sizeof(line), status))
		numbers = sscanf(line, "NSpid: %d %d", &first, &second);
	if (status)
		fclose(status);
	return numbers == 1 && first == getpid();
}

/* A kernel without PID namespaces has no other /proc, and says nothing of any. */
static bool has_namespaces(void)
{
	return access("/proc/self/ns/pid", F_OK) == 0 ||
	       access("/proc/self/status", F_OK) < 0;
}

bool groups_init(void)
{
	elsewhere = !shows_self("/proc/self/status") && has_namespaces();
	return !elsewhere;
}

bool groups_are_of_children(void)
{
	struct stat own, children;

	if (stat("/proc/self/ns/pid", &own) < 0)
		return true;
	/* Of a namespace that has no process yet there is but the link, which older
	 * kernels do not have. */
	if (stat("/proc/self/ns/pid_for_children", &children) < 0)
		return lstat("/proc/self/ns/pid_for_children", &children) < 0;
	return own.st_ino == children.st_ino;
}

/* libfuse does not say by what it returns that there was no descriptor to be had. */
int groups_read(void *request, size_t n, gid_t *ret)
{
	int r;

	if (elsewhere)
		return -EACCES;
	errno = 0;
	r = fuse_req_getgroups(request, (int)n, ret);
	return r < 0 && (errno == EMFILE || errno == ENFILE) ? -errno : r;
}
