/* SPDX-License-Identifier: MIT */
/* What can be wrong with a mount point, in words, and what to do about it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/log.h"
#include "daemon/mountpoint.h"
#include "util/cleanup.h"

static void cleanup_table(FILE **f)
{
	if (*f)
		fclose(*f);
}

/*
 * Whether shmfs is mounted on what @stx is of. The path would not tell: a mount that
 * another one hides has it, too. Before Linux 5.8 nothing tells.
 */
static bool has_shmfs(const struct statx *stx)
{
	_cleanup_(cleanup_table) FILE *table = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!(stx->stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return false;
	table = fopen("/proc/self/mountinfo", "re");
	while (table && getline(&line, &size, table) > 0)
		if (strtoull(line, NULL, 10) == stx->stx_mnt_id)
			return strstr(line, " - fuse.shmfs ") != NULL;
	return false;
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
static bool is_shown(const struct statx *stx, const char *shown)
{
	struct statx other;

	return shown && statx(AT_FDCWD, shown, 0, STATX_INO, &other) == 0 &&
	       stx->stx_dev_major == other.stx_dev_major &&
	       stx->stx_dev_minor == other.stx_dev_minor && stx->stx_ino == other.stx_ino;
}

int mountpoint_check(char **path, const char *shown)
{
	_cleanup_free_ char *absolute = realpath(*path, NULL);
	struct statx stx;

	/* What is cached would not tell that the daemon of a mount there is dead. */
	if (!absolute || statx(AT_FDCWD, absolute, AT_STATX_FORCE_SYNC,
			       STATX_TYPE | STATX_INO, &stx) < 0)
		return explain(*path, errno);
	if (!S_ISDIR(stx.stx_mode))
		return explain(*path, ENOTDIR);
	if (has_shmfs(&stx)) {
		log_error("shmfs is mounted on '%s' already: unmount it first (umount)",
			  absolute);
		return -EBUSY;
	}
	if (is_shown(&stx, shown)) {
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
