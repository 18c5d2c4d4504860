/* SPDX-License-Identifier: MIT */
/* Attributes, access, and the numbers of the whole file system. */
#include <errno.h>

#include "fs/file.h"
#include "fs/internal.h"

/*
 * The bits of a mode that can be set; the directory has the sticky bit as well. Others
 * are left out, as shm_open(3) does, but refused for the directory: objects depend on it.
 */
#define FILE_MODE 0777
#define ROOT_MODE 01777

static int stat_of(struct native_file *f, struct stat *ret)
{
	struct object_info info;
	int r = native_stat(f, &info);

	if (r == 0)
		*ret = info.stat;
	return r;
}

int fs_stat(struct fs *fs, const struct caller *caller, uint64_t node,
	    struct object_info *ret)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = node_hold(fs, caller, node, &f);

	if (r == 0)
		r = native_stat(f, ret);
	/* What is bounded has something else there, which is no time. */
	if (r == 0 && fs->kind->ops->bounded)
		ret->id.birth = 0;
	return r;
}

int fs_getattr(struct fs *fs, const struct caller *caller, uint64_t node,
	       struct stat *ret)
{
	struct object_info info;
	int r = fs_stat(fs, caller, node, &info);

	if (r == 0)
		*ret = info.stat;
	return r;
}

bool fs_keeps(struct fs *fs, uint64_t node, const struct stat *st)
{
	if (!fs->keeps)
		return false;
	/* Of the directory all is told. With two names, what is done by the other may
	 * not be. */
	return node == FS_ROOT || (st->st_nlink == 1 && node_is_sure(fs, node));
}

/*
 * After a write by somebody who may not keep them, the privileges that a mode grants go,
 * by the process's own power as they go natively. Where group execution is off,
 * set-group-ID grants nothing. The kernel asks for the same when somebody changes the
 * owner to what it is: that is for the owner only. To whom neither can be, by his rights
 * now, nothing is refused, since he may have opened the file with others: then the native
 * kernel drops them by itself when it writes.
 */
static int drop_privileges(struct native_file *f, const struct caller *caller)
{
	struct stat st = { .st_mode = 0 };
	mode_t drop = S_ISUID;
	int r = stat_of(f, &st);

	if (r < 0)
		return r;
	if (st.st_mode & S_IXGRP)
		drop |= S_ISGID;
	if (!(st.st_mode & drop))
		return 0;
	st.st_mode &= 07777 & ~drop;
	r = native_access(f, caller, W_OK);
	if (r != -EACCES)
		return r < 0 ? r : native_chmod(f, NULL, st.st_mode);
	r = native_chmod(f, caller, st.st_mode);
	return r == -EPERM ? 0 : r;
}

static int set_owner(struct native_file *f, const struct caller *caller,
		     const struct stat *attr, unsigned int set)
{
	uid_t uid = set & FS_SET_UID ? attr->st_uid : (uid_t)-1;
	gid_t gid = set & FS_SET_GID ? attr->st_gid : (gid_t)-1;

	return set & (FS_SET_UID | FS_SET_GID) ? native_chown(f, caller, uid, gid) : 0;
}

static int set_mode(struct native_file *f, const struct caller *caller, uint64_t node,
		    mode_t mode)
{
	if (node != FS_ROOT)
		return native_chmod(f, caller, mode & FILE_MODE);
	return mode & ~ROOT_MODE ? -EPERM : native_chmod(f, caller, mode);
}

static int set_size(struct fs *fs, struct native_file *f, const struct caller *caller,
		    uint64_t file, off_t size)
{
	_cleanup_native_ struct native_file *open_file = NULL;
	int r;

	if (size < 0)
		return -EINVAL;
	if (file == 0)
		return native_truncate(f, caller, (uint64_t)size);
	r = file_hold(fs, file, &open_file);
	return r < 0 ? r : native_resize(open_file, (uint64_t)size);
}

static struct timespec time_to_set(unsigned int set, unsigned int now, unsigned int given,
				   struct timespec t)
{
	if (set & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (set & given)
		return t;
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_times(struct native_file *f, const struct caller *caller,
		     const struct stat *attr, unsigned int set)
{
	const struct timespec times[2] = {
		time_to_set(set, FS_SET_ATIME_NOW, FS_SET_ATIME, attr->st_atim),
		time_to_set(set, FS_SET_MTIME_NOW, FS_SET_MTIME, attr->st_mtim),
	};

	if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	return native_utimens(f, caller, times);
}

int fs_setattr(struct fs *fs, const struct caller *caller, uint64_t node, uint64_t file,
	       const struct stat *attr, unsigned int set, struct stat *ret)
{
	_cleanup_native_ struct native_file *f = NULL;
	/* A size without an open file was set by name. */
	bool named = set & FS_SET_SIZE && file == 0;
	int r = named ? node_hold_named(fs, caller, node, &f)
		      : node_hold(fs, caller, node, &f);

	if (r == 0 && !set)
		r = drop_privileges(f, caller);
	if (r == 0)
		r = set_owner(f, caller, attr, set);
	if (r == 0 && set & FS_SET_MODE)
		r = set_mode(f, caller, node, attr->st_mode & 07777);
	if (r == 0 && set & FS_SET_SIZE) {
		r = set_size(fs, f, caller, file, attr->st_size);
		/* Changing the size has set the time by itself, without asking who owns
		 * it. */
		if (set & FS_SET_MTIME_NOW)
			set &= ~(FS_SET_MTIME_NOW | FS_SET_MTIME);
	}
	if (r == 0)
		r = set_times(f, caller, attr, set);
	return r < 0 ? r : stat_of(f, ret);
}

int fs_access(struct fs *fs, const struct caller *caller, uint64_t node, int mask)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = node_hold(fs, caller, node, &f);

	return r < 0 ? r : native_access(f, caller, mask);
}

int fs_statfs(struct fs *fs, struct statvfs *ret)
{
	return kind_statfs(fs->kind, ret);
}
