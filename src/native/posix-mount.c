/* SPDX-License-Identifier: MIT */
/*
 * The kernel asks the mount by which a file was opened whether to set its time of access,
 * also where it goes straight to the file. So the directory is opened by a mount of our
 * own, which is nowhere in the tree, and goes with the last of what is open on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native/posix-mount.h"
#include "util/cleanup.h"

static int open_without_atime(const char *path)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR__ATIME,
	};
	_cleanup_close_ int tree = errno_or((int)syscall(
		SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	if (tree < 0)
		return tree;
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes,
		    sizeof(attributes)) < 0)
		return -errno;
	return errno_or(openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int posix_mount_open(const char *path, bool noatime)
{
	int fd = noatime ? open_without_atime(path) : -ENOSYS;

	return fd >= 0 ? fd : errno_or(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
