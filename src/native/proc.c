/* SPDX-License-Identifier: MIT */
/*
 * The file system is mounted nowhere: a descriptor is all that leads there. Since Linux
 * 5.8 each mount of proc(5) has directories of its own, and so locks of its own. Nothing
 * of it hides processes, whatever /proc does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native/proc.h"
#include "util/cleanup.h"

#define DIR "/proc/"

static int own = -1; /* written by proc_init() alone */

/* Before Linux 5.8 the option is not known, and all mounts are one. */
static int mount_own(void)
{
	_cleanup_close_ int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

	if (context < 0 ||
	    syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "subset", "pid", 0) < 0 ||
	    syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return errno_or((int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
				     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					     MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY));
}

void proc_init(void)
{
	own = mount_own();
}

int proc_open(pid_t thread, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), DIR "%d/%s", (int)thread, file);
	return errno_or(
		openat(own, own < 0 ? path : path + strlen(DIR), O_RDONLY | O_CLOEXEC));
}
