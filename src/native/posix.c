/* SPDX-License-Identifier: MIT */
/*
 * The kind "posix": shm_open objects, the regular files of one directory of a tmpfs.
 *
 * The directory is world-writable and hostile: a name may turn into a symlink, a FIFO or
 * somebody else's object between any two calls. So an object is first held by an O_PATH
 * descriptor, which has no side effect on whatever is there, checked, and everything else
 * goes through that descriptor (/proc/self/fd/N where a call has no *at form for it):
 * what was checked is what is used. The native kernel checks the rights, as the caller.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "native/kind.h"
#include "native/posix-directory.h"
#include "native/posix-file.h"
#include "native/posix-list.h"
#include "native/posix-mount.h"
#include "native/posix-watch.h"

#define ACL_ACCESS "system.posix_acl_access"

/* Flags of open(2) that mean something for an object, and those that are always right. */
#define OPEN_FLAGS   (O_ACCMODE | O_TRUNC | O_NOATIME)
#define ALWAYS_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct posix_kind {
	struct kind kind;
	int dir; /* O_RDONLY: lists, and is where all names are looked up */
	struct posix_watch watch;
	bool reserve;
	struct posix_file root; /* an O_PATH handle of the same directory */
};

static struct posix_kind *posix(struct kind *k)
{
	return (struct posix_kind *)k;
}

/* Takes over @fd, which may be put in later. */
static int posix_file_new(struct kind *k, int *fd, struct native_file **ret)
{
	struct posix_file *f = malloc(sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = (struct posix_file){ .file = { .kind = k }, .fd = take_fd(fd) };
	atomic_init(&f->file.refs, 1);
	*ret = &f->file;
	return 0;
}

static void posix_close(struct native_file *f)
{
	close_fd(posix_fd(f));
	free(f);
}

static bool may_have_acl(int fd)
{
	return getxattr(fd_path(fd).text, ACL_ACCESS, NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

/*
 * Whether the group class can decide what @caller may do with what @fd has open. It
 * cannot for the owner, nor where the group has the others' rights and there is no ACL.
 */
static enum caller_groups groups_decide(int fd, const struct caller *caller)
{
	struct stat st;
	bool differ;

	if (!caller || (caller->uid == 0 && !caller_hides()))
		return GROUPS_NONE;
	if (fstat(fd, &st) < 0)
		return GROUPS_ALL;
	if (caller_owns(caller, st.st_uid))
		return GROUPS_NONE;
	differ = ((st.st_mode >> 3) & 7) != (st.st_mode & 7);
	if (differ && (!caller_hides() || caller_group_hides(st.st_gid)))
		return GROUPS_ALL;
	/* It may name groups that have no number. */
	if (may_have_acl(fd))
		return GROUPS_ALL;
	return differ ? GROUPS_NUMBERED : GROUPS_NONE;
}

static int enter(int fd, const struct caller *caller, struct caller_guard *guard)
{
	return caller_enter(caller, groups_decide(fd, caller), guard);
}

int posix_enter(struct native_file *f, const struct caller *caller,
		struct caller_guard *guard)
{
	return enter(posix_fd(f), caller, guard);
}

static struct timespec timespec_of(struct statx_timestamp t)
{
	return (struct timespec){ .tv_sec = (time_t)t.tv_sec, .tv_nsec = t.tv_nsec };
}

static void info_of(const struct statx *x, struct object_info *ret)
{
	*ret = (struct object_info){
		.id = {
			.device = makedev(x->stx_dev_major, x->stx_dev_minor),
			.inode = x->stx_ino,
		},
		.stat = {
			.st_dev = makedev(x->stx_dev_major, x->stx_dev_minor),
			.st_ino = x->stx_ino,
			.st_mode = x->stx_mode,
			.st_nlink = x->stx_nlink,
			.st_uid = x->stx_uid,
			.st_gid = x->stx_gid,
			.st_size = (off_t)x->stx_size,
			.st_blksize = (blksize_t)x->stx_blksize,
			.st_blocks = (blkcnt_t)x->stx_blocks,
			.st_atim = timespec_of(x->stx_atime),
			.st_mtim = timespec_of(x->stx_mtime),
			.st_ctim = timespec_of(x->stx_ctime),
		},
	};
	if (x->stx_mask & STATX_BTIME)
		ret->id.birth =
			x->stx_btime.tv_sec * INT64_C(1000000000) + x->stx_btime.tv_nsec;
	ret->append_only = x->stx_attributes & STATX_ATTR_APPEND;
}

static int stat_at(int fd, const char *name, int flags, struct object_info *ret)
{
	struct statx x;

	if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
		return -errno;
	info_of(&x, ret);
	return 0;
}

static int stat_fd(int fd, struct object_info *ret)
{
	return stat_at(fd, "", AT_EMPTY_PATH, ret);
}

/* Publishes the object that @fd has open, which it takes over; what is none is -ENOENT.
 */
static int hold(struct kind *k, int *fd, struct native_file **ret,
		struct object_info *ret_info)
{
	struct object_info info;
	int r = stat_fd(*fd, &info);

	if (r < 0)
		return r;
	if (!S_ISREG(info.stat.st_mode))
		return -ENOENT;
	r = posix_file_new(k, fd, ret);
	if (r == 0)
		*ret_info = info;
	return r;
}

static int posix_identify(struct kind *k, const struct caller *caller, const char *name,
			  struct object_info *ret)
{
	_cleanup_close_ int fd = -1;
	_as_caller_ struct caller_guard guard;
	int r = enter(posix(k)->dir, caller, &guard);

	if (r == 0 && !caller)
		r = fd = posix_directory_find(posix(k)->dir, caller, name);
	if (r >= 0)
		r = caller ? stat_at(posix(k)->dir, name, AT_SYMLINK_NOFOLLOW, ret)
			   : stat_fd(fd, ret);
	return r == 0 && !S_ISREG(ret->stat.st_mode) ? -ENOENT : r;
}

static int posix_lookup(struct kind *k, const struct caller *caller, const char *name,
			struct native_file **ret, struct object_info *ret_info)
{
	_cleanup_close_ int fd = -1;
	_as_caller_ struct caller_guard guard;
	int r = enter(posix(k)->dir, caller, &guard);

	if (r < 0)
		return r;
	fd = posix_directory_find(posix(k)->dir, caller, name);
	return fd < 0 ? fd : hold(k, &fd, ret, ret_info);
}

/*
 * O_APPEND stays the kernel's that asks, which may take it back and tells it with each
 * write; only an append-only object takes no other descriptor.
 */
static int open_native(int dir, const char *path, int flags, mode_t mode,
		       bool *ret_append)
{
	int fd = errno_or(openat(dir, path, flags & ~O_APPEND, mode));

	*ret_append = fd == -EPERM && flags & O_APPEND;
	return *ret_append ? errno_or(openat(dir, path, flags, mode)) : fd;
}

/*
 * The object was there before us. It is opened by name and with O_CREAT all the same, so
 * that the kernel applies fs.protected_regular; what is no object is not even opened.
 */
static int create_existing(struct posix_kind *p, const char *name, int flags, mode_t mode,
			   bool *ret_append)
{
	_cleanup_close_ int handle =
		openat(p->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (handle >= 0 && fstat(handle, &st) == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode)   ? -EISDIR
		       : S_ISLNK(st.st_mode) ? -ELOOP
					     : -EEXIST;
	return open_native(p->dir, name, O_CREAT | flags, mode, ret_append);
}

static int posix_create(struct kind *k, const struct caller *caller, const char *name,
			int flags, mode_t mode, struct native_file **ret,
			struct object_info *ret_info)
{
	int native = (flags & OPEN_FLAGS) | ALWAYS_FLAGS;
	_cleanup_close_ int fd = -1;
	_as_caller_ struct caller_guard guard;
	int r = enter(posix(k)->dir, caller, &guard);
	bool created, append = false;

	if (r == 0)
		r = posix_directory_await(posix(k)->dir, caller);
	if (r < 0)
		return r;
	mode = caller_umask(caller, mode);
	fd = errno_or(openat(posix(k)->dir, name, O_CREAT | O_EXCL | native, mode));
	created = fd >= 0;
	if (fd == -EEXIST && !(flags & O_EXCL)) {
		/* Now it is an object's rights that count, of which nothing is known yet.
		 */
		caller_leave(&guard);
		r = caller_enter(caller, GROUPS_ALL, &guard);
		if (r < 0)
			return r;
		fd = create_existing(posix(k), name, native | (flags & O_APPEND), mode,
				     &append);
	}
	if (fd < 0)
		return fd;
	r = hold(k, &fd, ret, ret_info);
	if (r == 0) {
		ret_info->created = created;
		((struct posix_file *)*ret)->append = append;
	} else if (created) {
		unlinkat(posix(k)->dir, name, 0);
	}
	return r == -ENOENT ? -EEXIST : r;
}

static int posix_tmpfile(struct kind *k, const struct caller *caller, int flags,
			 mode_t mode, struct native_file **ret,
			 struct object_info *ret_info)
{
	_cleanup_close_ int fd = -1;
	_as_caller_ struct caller_guard guard;
	int r = enter(posix(k)->dir, caller, &guard);

	if (r < 0)
		return r;
	mode = caller_umask(caller, mode);
	flags = (flags & (O_ACCMODE | O_EXCL)) | ALWAYS_FLAGS | O_TMPFILE;
	fd = errno_or(openat(posix(k)->dir, ".", flags, mode));
	return fd < 0 ? fd : hold(k, &fd, ret, ret_info);
}

static int posix_remove(struct kind *k, const struct caller *caller, const char *name)
{
	_as_caller_ struct caller_guard guard;
	int r = enter(posix(k)->dir, caller, &guard);

	if (r == 0)
		r = posix_directory_await(posix(k)->dir, caller);
	return r < 0 ? r : errno_or(unlinkat(posix(k)->dir, name, 0));
}

static int posix_rename(struct kind *k, const struct caller *caller, const char *from,
			const char *to, unsigned int flags)
{
	int dir = posix(k)->dir;
	_as_caller_ struct caller_guard guard;
	int r = enter(dir, caller, &guard);

	if (r < 0)
		return r;
	/* A whiteout is a device, which would be no object. */
	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = posix_directory_await(posix(k)->dir, caller);
	if (r < 0)
		return r;
	return errno_or(renameat2(dir, from, dir, to, flags));
}

/* The rights in the directory decide, and with fs.protected_hardlinks those on the
 * object. AT_EMPTY_PATH would take a right that callers do not have. */
static int posix_link(struct native_file *f, const struct caller *caller,
		      const char *name)
{
	int dir = posix(f->kind)->dir;
	enum caller_groups of_dir = groups_decide(dir, caller);
	enum caller_groups of_file = groups_decide(posix_fd(f), caller);
	_as_caller_ struct caller_guard guard;
	int r = caller_enter(caller, of_dir > of_file ? of_dir : of_file, &guard);

	if (r == 0)
		r = posix_directory_await(dir, caller);
	if (r < 0)
		return r;
	return errno_or(linkat(AT_FDCWD, fd_path(posix_fd(f)).text, dir, name,
			       AT_SYMLINK_FOLLOW));
}

static int open_as(struct native_file *f, const struct caller *caller, int flags,
		   bool *ret_append)
{
	_as_caller_ struct caller_guard guard;
	int r = enter(posix_fd(f), caller, &guard);
	int native;

	if (r < 0)
		return r;
	/* The last component is a magic link: it leads to the held object and nowhere
	 * else. */
	native = (flags & (OPEN_FLAGS | O_APPEND)) | (ALWAYS_FLAGS & ~O_NOFOLLOW);
	if (flags & KIND_OPEN_WAIT)
		native &= ~O_NONBLOCK;
	return open_native(AT_FDCWD, fd_path(posix_fd(f)).text, native, 0, ret_append);
}

static int posix_open(struct native_file *f, const struct caller *caller, int flags,
		      struct native_file **ret)
{
	_cleanup_native_ struct native_file *opened = NULL;
	struct posix_file *new;
	int r, fd, none = -1;

	/*
	 * To execute takes the right to read as well: the kernel would let the process be
	 * traced as one that its user may read.
	 */
	if (flags & KIND_OPEN_EXEC) {
		r = f->kind->ops->access(f, caller, X_OK);
		if (r < 0)
			return r;
	}
	/* Opening may empty the object: nothing must fail after it. */
	r = posix_file_new(f->kind, &none, &opened);
	if (r < 0)
		return r;
	new = (struct posix_file *)opened;
	fd = open_as(f, caller, flags, &new->append);
	if (fd < 0)
		return fd;
	new->fd = fd;
	*ret = take_ptr(opened);
	return 0;
}

static int posix_stat(struct native_file *f, struct object_info *ret)
{
	return stat_fd(posix_fd(f), ret);
}

static int posix_access(struct native_file *f, const struct caller *caller, int mask)
{
	_as_caller_ struct caller_guard guard;
	int r = enter(posix_fd(f), caller, &guard);

	if (r < 0)
		return r;
	return errno_or(faccessat(posix_fd(f), "", mask, AT_EACCESS | AT_EMPTY_PATH));
}

/* The memory for what grows, before anything is changed: all of it, or -ENOSPC. */
static int reserve(struct native_file *f, uint64_t size)
{
	struct stat st;
	int r;

	if (fstat(posix_fd(f), &st) < 0)
		return -errno;
	if (size <= (uint64_t)st.st_size)
		return 0;
	do
		r = errno_or(fallocate(posix_fd(f), 0, 0, (off_t)size));
	while (r == -EINTR);
	return r;
}

static int posix_resize(struct native_file *f, uint64_t size)
{
	int r = posix(f->kind)->reserve ? reserve(f, size) : 0;

	return r < 0 ? r : errno_or(ftruncate(posix_fd(f), (off_t)size));
}

/*
 * truncate(2), after opening the object for writing as the caller: that is the same
 * check, and does not wait for the holders of leases, who could keep us as long as they
 * like; it is -EAGAIN instead. While it is open nobody gets a lease.
 */
static int posix_truncate(struct native_file *f, const struct caller *caller,
			  uint64_t size)
{
	_cleanup_native_ struct native_file *open_file = NULL;
	int r = posix_open(f, caller, O_WRONLY, &open_file);

	if (r == 0 && posix(f->kind)->reserve)
		r = reserve(open_file, size);
	if (r < 0)
		return r;
	return errno_or(truncate(fd_path(posix_fd(open_file)).text, (off_t)size));
}

static int posix_chmod(struct native_file *f, const struct caller *caller, mode_t mode)
{
	_as_caller_ struct caller_guard guard;
	int r = enter(posix_fd(f), caller, &guard);

	return r < 0 ? r : errno_or(chmod(fd_path(posix_fd(f)).text, mode));
}

static int posix_chown(struct native_file *f, const struct caller *caller, uid_t uid,
		       gid_t gid)
{
	_as_caller_ struct caller_guard guard;
	/* Which groups an owner may give a file to is decided by the groups. */
	int r = caller_enter(caller, GROUPS_NUMBERED, &guard);

	return r < 0 ? r : errno_or(fchownat(posix_fd(f), "", uid, gid, AT_EMPTY_PATH));
}

static int posix_utimens(struct native_file *f, const struct caller *caller,
			 const struct timespec times[2])
{
	_as_caller_ struct caller_guard guard;
	int r = enter(posix_fd(f), caller, &guard);

	return r < 0 ? r
		     : errno_or(utimensat(AT_FDCWD, fd_path(posix_fd(f)).text, times, 0));
}

static int posix_backing(struct native_file *f)
{
	return posix_fd(f);
}

static struct native_file *posix_root(struct kind *k)
{
	return &posix(k)->root.file;
}

static int posix_statfs(struct kind *k, struct statvfs *ret)
{
	return errno_or(fstatvfs(posix(k)->dir, ret));
}

static int list_open(struct kind *k, const struct caller *caller,
		     struct native_list **ret)
{
	_as_caller_ struct caller_guard guard;
	int r = enter(posix(k)->dir, caller, &guard);

	return r < 0 ? r : posix_list_open(fd_path(posix(k)->dir).text, ret);
}

static int posix_watch(struct kind *k)
{
	return posix(k)->watch.fd;
}

static int posix_event(struct kind *k, struct kind_event *ret)
{
	return posix_watch_next(&posix(k)->watch, ret);
}

static void posix_free(struct kind *k)
{
	struct posix_kind *p = posix(k);

	posix_watch_done(&p->watch);
	close_fd(p->root.fd);
	close_fd(p->dir);
	free(p);
}

static int posix_new(const struct kind_config *config, struct kind **ret)
{
	_cleanup_(cleanup_kind) struct kind *k = NULL;
	struct posix_kind *p = calloc(1, sizeof(*p));
	struct statfs st;
	int r;

	if (!p)
		return -ENOMEM;
	p->kind.ops = &kind_posix;
	p->reserve = config->reserve;
	p->root = (struct posix_file){ .file = { .kind = &p->kind }, .fd = -1 };
	atomic_init(&p->root.file.refs, 1);
	p->watch.fd = -1;
	k = &p->kind;
	p->dir = posix_mount_open(config->shm_dir, config->noatime);
	if (p->dir < 0)
		return p->dir;
	if (fstatfs(p->dir, &st) < 0)
		return -errno;
	if (st.f_type != TMPFS_MAGIC)
		return -EINVAL;
	p->root.fd = openat(p->dir, ".", O_PATH | O_CLOEXEC);
	if (p->root.fd < 0)
		return -errno;
	r = posix_watch_init(&p->watch, fd_path(p->dir).text, config->changes);
	if (r < 0)
		return r;
	*ret = take_ptr(k);
	return 0;
}

/* An open file has one descriptor, for all that it does. */
static int posix_adopt(struct kind *k, const struct native_remains *r,
		       struct native_file **ret)
{
	int fd = r->locks >= 0 ? r->locks : r->fd;
	int flags = r->flags & O_APPEND ? fcntl(fd, F_GETFL) : 0;
	int error = posix_file_new(k, &fd, ret);

	if (error == 0)
		((struct posix_file *)*ret)->append = flags & O_APPEND;
	return error;
}

const struct kind_ops kind_posix = {
	.name = "posix",
	.new = posix_new,
	.free = posix_free,
	.root = posix_root,
	.statfs = posix_statfs,
	.list_open = list_open,
	.list_next = posix_list_next,
	.list_close = posix_list_close,
	.watch = posix_watch,
	.event = posix_event,
	.identify = posix_identify,
	.lookup = posix_lookup,
	.create = posix_create,
	.tmpfile = posix_tmpfile,
	.remove = posix_remove,
	.rename = posix_rename,
	.link = posix_link,
	.open = posix_open,
	.stat = posix_stat,
	.access = posix_access,
	.truncate = posix_truncate,
	.chmod = posix_chmod,
	.chown = posix_chown,
	.utimens = posix_utimens,
	.getxattr = posix_getxattr,
	.listxattr = posix_listxattr,
	.setxattr = posix_setxattr,
	.removexattr = posix_removexattr,
	.backing = posix_backing,
	.read = posix_read,
	.write = posix_write,
	.resize = posix_resize,
	.allocate = posix_allocate,
	.seek = posix_seek,
	.copy = posix_copy,
	.sync = posix_sync,
	.lock = posix_lock,
	.flock = posix_flock,
	.ioctl = posix_ioctl,
	.tell = posix_tell,
	.close = posix_close,
	.adopt = posix_adopt,
	.locks = posix_backing,
	.list_descriptor = posix_list_descriptor,
	.list_adopt = posix_list_adopt,
};
