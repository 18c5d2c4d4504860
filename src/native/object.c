/* SPDX-License-Identifier: MIT */
/*
 * Shared-memory objects, on shm_open() and shm_unlink().
 *
 * Two things are stricter here than in shm_open() itself.
 *
 * /dev/shm is everybody's to write to, so a name may be anything: opening must neither
 * wait for the other end of a FIFO (O_NONBLOCK) nor follow a link (shm_open() has
 * O_NOFOLLOW), and only regular files are objects.
 *
 * A new object shows itself complete. The umask is the process's, not the thread's, so it
 * can only be undone by an fchmod() after the creation, and in between a second user may
 * find the object with fewer permissions than it is going to have, and give up with
 * EACCES. So the object is made without a name (O_TMPFILE), and gets that when it is
 * ready: link() is as exclusive as O_EXCL, and until then every failure leaves nothing
 * behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmfs/object.h>

#include "native/name.h"
#include "native/public.h"
#include "native/unnamed.h"
#include "util/cleanup.h"

/* Where shm_open() of glibc and of musl has its objects. Neither lets it be changed. */
#define SHM_DIR "/dev/shm"

struct shmfs_object {
	int fd;
	enum shmfs_mode mode;
	char name[]; /* normalized */
};

DEFINE_CLEANUP(struct shmfs_object, object, shmfs_object_close);
DEFINE_CLEANUP(DIR, dir, closedir);

static int check_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 0;
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		return -EISDIR;
	default:
		return -ENXIO;
	}
}

static int open_existing(const char *name, int access)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = shm_open(name, access | O_NONBLOCK, 0);
	/* glibc makes EISDIR of the kernel's an EINVAL; the name has been found valid. */
	if (fd < 0)
		return errno == EINVAL ? -EISDIR : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_type(st.st_mode);
	if (r < 0)
		return r;
	return take_fd(&fd);
}

/* -EEXIST where the name is taken; any other failure means: it cannot be done so. */
static int create_complete(const char *name, uint32_t perm)
{
	_cleanup_close_ int fd = unnamed_new(perm);
	int r = fd < 0 ? fd : unnamed_publish(fd, name);

	return r < 0 ? r : take_fd(&fd);
}

static int create_plainly(const char *name, int access, uint32_t perm)
{
	_cleanup_close_ int fd = -1;
	int r;

	/* Never more than perm; and what the umask took away comes back after. */
	fd = shm_open(name, access | O_CREAT | O_EXCL, perm);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, perm) < 0) {
		r = -errno;
		shm_unlink(name);
		return r;
	}
	return take_fd(&fd);
}

static int create_new(const char *name, int access, uint32_t perm)
{
	int fd;

	/* O_TMPFILE cannot be had for reading only. */
	if (access == O_RDWR) {
		fd = create_complete(name, perm);
		if (fd >= 0 || fd == -EEXIST)
			return fd;
	}
	return create_plainly(name, access, perm);
}

/*
 * Not by O_CREAT without O_EXCL, which does not tell who created it; and which the kernel
 * refuses for the existing objects of other users (fs.protected_regular), even to root.
 */
static int open_or_create(const char *name, int access, uint32_t perm)
{
	int fd;

	for (;;) {
		fd = open_existing(name, access);
		if (fd != -ENOENT)
			return fd;
		fd = create_new(name, access, perm);
		if (fd != -EEXIST)
			return fd;
	}
}

static int open_how(const char *name, enum shmfs_how how, int access, uint32_t perm)
{
	if (how == SHMFS_OPEN_ONLY)
		return open_existing(name, access);
	if (perm & ~0777u)
		return -EINVAL;
	switch (how) {
	case SHMFS_CREATE_ONLY:
		return create_new(name, access, perm);
	case SHMFS_OPEN_OR_CREATE:
		return open_or_create(name, access, perm);
	default:
		return -EINVAL;
	}
}

static struct shmfs_object *object_new(const char *name, enum shmfs_mode mode)
{
	struct shmfs_object *object;

	object = malloc(sizeof(*object) + strlen(name) + 1);
	if (!object)
		return NULL;
	object->fd = -1;
	object->mode = mode;
	strcpy(object->name, name);
	return object;
}

_public_ int shmfs_object_open(const char *name, enum shmfs_how how, enum shmfs_mode mode,
			       uint32_t perm, struct shmfs_object **ret)
{
	_cleanup_(cleanup_object) struct shmfs_object *object = NULL;
	int access, r;

	if (!ret || (mode != SHMFS_READ_ONLY && mode != SHMFS_READ_WRITE))
		return -EINVAL;
	r = name_normalize(name, &name);
	if (r < 0)
		return r;
	/* Before anything is created, so that the creation is the last that can fail. */
	object = object_new(name, mode);
	if (!object)
		return -ENOMEM;
	access = mode == SHMFS_READ_WRITE ? O_RDWR : O_RDONLY;
	object->fd = open_how(name, how, access, perm);
	if (object->fd < 0)
		return object->fd;
	*ret = take_ptr(object);
	return 0;
}

_public_ struct shmfs_object *shmfs_object_close(struct shmfs_object *object)
{
	if (!object)
		return NULL;
	close_fd(object->fd);
	free(object);
	return NULL;
}

static int check_resize(const struct shmfs_object *object, uint64_t size)
{
	if (object->mode != SHMFS_READ_WRITE)
		return -EBADF;
	return size > INT64_MAX ? -EFBIG : 0;
}

_public_ int shmfs_object_truncate(const struct shmfs_object *object, uint64_t size)
{
	int r;

	r = check_resize(object, size);
	if (r < 0)
		return r;
	do
		r = errno_or(ftruncate(object->fd, (off_t)size));
	while (r == -EINTR);
	return r;
}

/*
 * A tmpfs of before Linux 6.10 gives up an allocation for any signal, and begins at its
 * beginning when it is asked again: a timer that is faster than the allocation would stop
 * it for ever. So the signals wait.
 */
static int allocate_undisturbed(int fd, off_t size)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = errno_or(fallocate(fd, 0, 0, size));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/*
 * Not by posix_fallocate(), which on a file system that cannot allocate reads and writes
 * each block of the file, and so overwrites what others store meanwhile.
 */
_public_ int shmfs_object_reserve(const struct shmfs_object *object, uint64_t size)
{
	int r;

	r = check_resize(object, size);
	if (r < 0)
		return r;
	r = errno_or(fallocate(object->fd, 0, 0, (off_t)size));
	while (r == -EINTR)
		r = allocate_undisturbed(object->fd, (off_t)size);
	return r;
}

_public_ int shmfs_object_size(const struct shmfs_object *object, uint64_t *ret)
{
	struct stat st;

	if (fstat(object->fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

_public_ const char *shmfs_object_name(const struct shmfs_object *object)
{
	return object->name;
}

_public_ enum shmfs_mode shmfs_object_mode(const struct shmfs_object *object)
{
	return object->mode;
}

_public_ int shmfs_object_fd(const struct shmfs_object *object)
{
	return object->fd;
}

/* The type of the entry @name of the directory @dir: 0 if that is an object. */
static int check_entry(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return check_type(st.st_mode);
}

_public_ int shmfs_object_remove(const char *name)
{
	_cleanup_close_ int dir = -1;
	int r;

	r = name_normalize(name, &name);
	if (r < 0)
		return r;
	dir = open(SHM_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = check_entry(dir, name);
	if (r < 0)
		return r;
	r = errno_or(shm_unlink(name));
	/* As POSIX and glibc have it; musl hands on what a sticky directory says. */
	return r == -EPERM ? -EACCES : r;
}

static bool is_object(DIR *dir, const struct dirent *entry)
{
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return check_entry(dirfd(dir), entry->d_name) == 0;
}

_public_ int shmfs_object_list(shmfs_object_fn fn, void *data)
{
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	struct dirent *entry;
	int r = 0;

	if (!fn)
		return -EINVAL;
	dir = opendir(SHM_DIR);
	if (!dir)
		return -errno;
	while (r == 0) {
		/* Only errno tells the end from an error. */
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (is_object(dir, entry))
			r = fn(entry->d_name, data);
	}
	return r;
}
