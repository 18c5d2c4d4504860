/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "native/unnamed.h"
#include "util/cleanup.h"

/* Where shm_open() of glibc and of musl has its objects. Neither lets it be changed. */
#define SHM_DIR "/dev/shm"

int unnamed_new(uint32_t perm)
{
	_cleanup_close_ int fd = open(SHM_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, perm) < 0)
		return -errno;
	return take_fd(&fd);
}

int unnamed_publish(int fd, const char *name)
{
	_cleanup_close_ int dir = open(SHM_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char unnamed[64];

	if (dir < 0)
		return -errno;
	/* thread-self: a thread may have descriptors of its own. */
	snprintf(unnamed, sizeof(unnamed), "/proc/thread-self/fd/%d", fd);
	return errno_or(linkat(AT_FDCWD, unnamed, dir, name, AT_SYMLINK_FOLLOW));
}
