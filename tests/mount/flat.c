/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded into stress-ng, each of whose stressors begins with a directory of its
 * own, of which a file system of shared memory has none: here that is a symbolic link to
 * the directory SOAK_DIR. The names of the files in it contain the stressor and its
 * process, so that all stressors can share one directory.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_own(const char *path)
{
	const char *last = strrchr(path, '/');

	return last && strncmp(last, "/tmp-stress-ng-", 15) == 0 && getenv("SOAK_DIR");
}

int mkdir(const char *path, mode_t mode)
{
	if (is_own(path))
		return symlink(getenv("SOAK_DIR"), path);
	return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rmdir(const char *path)
{
	if (is_own(path))
		return unlink(path);
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
