/* SPDX-License-Identifier: MIT */
/* What can be wrong with a mount point, said in words before anything is mounted. */
#include <errno.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "daemon/mountpoint.h"
#include "util/cleanup.h"

static void cleanup_mntent(FILE **f)
{
	if (*f)
		endmntent(*f);
}

/* The type of what is mounted last on @path is fuse.shmfs. */
static bool has_shmfs(const char *path)
{
	_cleanup_(cleanup_mntent) FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char buf[4096];
	bool found = false;

	while (table && getmntent_r(table, &entry, buf, sizeof(buf)))
		if (strcmp(entry.mnt_dir, path) == 0)
			found = strcmp(entry.mnt_type, "fuse.shmfs") == 0;
	return found;
}

static int explain(const char *path, int error)
{
	switch (error) {
	case ENOENT:
		log_error("mount point '%s' does not exist: make it first (mkdir -p)",
			  path);
		break;
	case ENOTDIR:
		log_error("mount point '%s' is not a directory", path);
		break;
	case ENOTCONN:
		log_error(
			"on '%s' is a mount whose daemon is dead: unmount it first (umount)",
			path);
		break;
	default:
		log_error("mount point '%s': %s", path, strerror(error));
	}
	return -error;
}

int mountpoint_check(char **path)
{
	_cleanup_free_ char *absolute = realpath(*path, NULL);
	struct stat st;

	if (!absolute || stat(absolute, &st) < 0)
		return explain(*path, errno);
	if (!S_ISDIR(st.st_mode))
		return explain(*path, ENOTDIR);
	if (has_shmfs(absolute)) {
		log_error("shmfs is mounted on '%s' already: unmount it first (umount)",
			  absolute);
		return -EBUSY;
	}
	free(*path);
	*path = take_ptr(absolute);
	return 0;
}
