/* SPDX-License-Identifier: MIT */
/*
 * Registering backing files. The ioctls are the kernel's interface, the same for every
 * libfuse, and unlike libfuse's wrappers they need no request at hand and tell the errno.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/backing.h"
#include "daemon/log.h"
#include "daemon/passthrough.h"
#include "util/cleanup.h"

int passthrough_open(void *context, int fd)
{
	struct backing_map map = { .fd = fd };

	return errno_or(ioctl(fuse_session_fd(context), BACKING_OPEN, &map));
}

void passthrough_close(void *context, int id)
{
	uint32_t number = (uint32_t)id;

	if (ioctl(fuse_session_fd(context), BACKING_CLOSE, &number) < 0)
		log_error("backing id %d does not close: %s", id, strerror(errno));
}

int passthrough_probe(struct fuse_session *se)
{
	_cleanup_close_ int fd = memfd_create("shmfs-probe", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : passthrough_open(se, fd);

	if (r >= 0)
		passthrough_close(se, r);
	return r < 0 ? r : 0;
}

const char *passthrough_why(int error)
{
	switch (error) {
	case -EPERM:
		return "not permitted: it needs CAP_SYS_ADMIN and Linux 6.9 or later";
	case -ENOTTY:
	case -EINVAL:
		return "this kernel does not have it: it needs Linux 6.9 or later";
	default:
		return strerror(-error);
	}
}
