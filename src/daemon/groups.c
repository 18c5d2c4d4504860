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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/groups.h"
#include "native/proc.h"
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
	if (!elsewhere)
		proc_init();
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

/* Takes the numbers in @line, of which @n go to @ret; returns how many there are. */
static int parse(const char *line, size_t n, gid_t *ret)
{
	size_t count = 0;
	char *end;

	for (;; line = end, count++) {
		unsigned long group = strtoul(line, &end, 10);

		if (end == line)
			return (int)count;
		if (count < n)
			ret[count] = (gid_t)group;
	}
}

DEFINE_CLEANUP(FILE, file, fclose);

/* fuse_req_getgroups() goes by /proc, which anybody can keep busy (proc.h). */
int groups_read(void *request, size_t n, gid_t *ret)
{
	static const char name[] = "Groups:";
	_cleanup_(cleanup_file) FILE *status = NULL;
	_cleanup_free_ char *line = NULL;
	_cleanup_close_ int fd = -1;
	size_t size = 0;

	if (elsewhere)
		return -EACCES;
	fd = proc_open(fuse_req_ctx(request)->pid, "status");
	if (fd < 0)
		return fd;
	status = fdopen(fd, "r");
	if (!status)
		return -errno;
	take_fd(&fd);
	errno = 0;
	while (getline(&line, &size, status) >= 0)
		if (strncmp(line, name, strlen(name)) == 0)
			return parse(line + strlen(name), n, ret);
	return errno == ENOMEM ? -ENOMEM : -EIO;
}
