/* SPDX-License-Identifier: MIT */
/* What can be wrong with a mount point, in words, and what to do about it. */
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

/* What is mounted there would hide what it shows, from native programs above all. */
static bool is_shown(const struct stat *st, const char *shown)
{
	struct stat other;

	return shown && stat(shown, &other) == 0 && st->st_dev == other.st_dev &&
	       st->st_ino == other.st_ino;
}

int mountpoint_check(char **path, const char *shown)
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
	if (is_shown(&st, shown)) {
		log_error("'%s' is what would be shown: mount it on another directory",
			  absolute);
		return -EBUSY;
	}
	free(*path);
	*path = take_ptr(absolute);
	return 0;
}

/* What to do, by a part of what libfuse, fusermount3 or the kernel say. */
static const struct hint {
	const char *said;
	const char *advice;
} hints[] = {
	{ "open /dev/fuse: Permission denied",
	  ": mount as root, or let users open it (chmod 666 /dev/fuse)" },
	{ "mount failed: Operation not permitted",
	  ": mounting takes root, and in a container CAP_SYS_ADMIN" },
	{ "no write access to mountpoint",
	  ": mount on a directory of your own, or as root" },
	{ "", "" },
};

void mountpoint_explain(const char *path, const char *said)
{
	const struct hint *hint = hints;

	/* For which each libfuse has words of its own. */
	if (strncmp(said, "device ", 7) == 0 && strstr(said, "not found"))
		said = "there is no /dev/fuse: modprobe fuse, or give it to the container";
	while (!strstr(said, hint->said))
		hint++;
	log_error("cannot mount on '%s': %s%s", path, *said ? said : "no reason given",
		  hint->advice);
}
