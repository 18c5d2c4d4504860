/* SPDX-License-Identifier: MIT */
/*
 * What the kernel asks for beside what every file system has: the time of birth, which
 * libfuse knows since 3.18, and the flags of chattr(1) and lsattr(1). The kernel sends
 * those two ioctls by itself, on a file that it opens for them as the caller.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "daemon/notify.h"
#include "config.h"
#include "daemon/ops-internal.h"

/* The bytes that @command takes or gives; 0: it is none of ours. */
static size_t size_of(unsigned int command)
{
	switch (command) {
	case FS_IOC_GETFLAGS:
	case FS_IOC_SETFLAGS:
		/* Of an int, whatever their numbers say. */
		return sizeof(int);
	case FS_IOC_FSGETXATTR:
	case FS_IOC_FSSETXATTR:
		return sizeof(struct fsxattr);
	default:
		return 0;
	}
}

void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int command, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_size, size_t out_size)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	size_t size = size_of(command);
	struct fsxattr argument = { 0 };
	int r = -ENOTTY;

	(void)arg;
	if (size > 0 && !(flags & FUSE_IOCTL_DIR)) {
		if (in)
			memcpy(&argument, in, in_size < size ? in_size : size);
		r = fs_ioctl(fs, &caller, fi->fh, command, &argument);
	}
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_ioctl(req, 0, &argument, out_size < size ? out_size : size);
}

#if HAVE_FUSE_STATX
static struct statx_timestamp timestamp_of(struct timespec t)
{
	return (struct statx_timestamp){ .tv_sec = t.tv_sec,
					 .tv_nsec = (uint32_t)t.tv_nsec };
}

static struct statx statx_of(const struct object_info *info)
{
	const struct stat *st = &info->stat;
	struct statx x = {
		.stx_mask = STATX_BASIC_STATS,
		.stx_ino = st->st_ino,
		.stx_mode = (uint16_t)st->st_mode,
		.stx_nlink = (uint32_t)st->st_nlink,
		.stx_uid = st->st_uid,
		.stx_gid = st->st_gid,
		.stx_size = (uint64_t)st->st_size,
		.stx_blocks = (uint64_t)st->st_blocks,
		.stx_blksize = (uint32_t)st->st_blksize,
		.stx_atime = timestamp_of(st->st_atim),
		.stx_mtime = timestamp_of(st->st_mtim),
		.stx_ctime = timestamp_of(st->st_ctim),
	};

	if (info->id.birth) {
		x.stx_mask |= STATX_BTIME;
		x.stx_btime.tv_sec = info->id.birth / 1000000000;
		x.stx_btime.tv_nsec = (uint32_t)(info->id.birth % 1000000000);
	}
	return x;
}

void op_statx(fuse_req_t req, fuse_ino_t node, int flags, int mask,
	      struct fuse_file_info *fi)
{
	struct caller caller = caller_of(req);
	struct object_info info;
	int r = tree_stat(tree_of(req), &caller, node, &info);
	struct fs *fs = fs_of(req, &node);
	struct statx x;

	(void)flags;
	(void)mask;
	(void)fi;
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	x = statx_of(&info);
	fuse_reply_statx(req, 0, &x, fs_keeps(fs, node, &info.stat) ? NOTIFY_KEEP : 0);
}
#endif
