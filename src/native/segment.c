/* SPDX-License-Identifier: MIT */
/*
 * System V segments, on shmget() and shmctl().
 *
 * An identifier is all that the kernel gives, and it holds nothing. What is asked of a
 * segment is asked by SHM_STAT_ANY where the kernel has it (4.17): IPC_STAT needs read
 * permission, and an owner who took that from himself could not give it back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include <shmfs/sysv.h>

#include "native/public.h"
#include "util/cleanup.h"

struct shmfs_sysv {
	int id;
	int32_t key;
	uint64_t size;
};

DEFINE_CLEANUP(struct shmfs_sysv, sysv, shmfs_sysv_close);

_public_ int shmfs_sysv_key(const char *path, uint8_t id, int32_t *ret)
{
	key_t key;

	if (!path)
		return -EINVAL;
	/* -1 is a key as well. */
	errno = 0;
	key = ftok(path, id);
	if (key == -1 && errno != 0)
		return -errno;
	if (key == IPC_PRIVATE)
		return -ERANGE;
	*ret = key;
	return 0;
}

/*
 * SHM_STAT_ANY is meant for indices, of which the kernel takes the lower bits of an
 * identifier: what it found there can be another segment, and it says which. @ret is
 * cleared, because valgrind does not know that the kernel fills it.
 */
static int look_at(int id, struct shmid_ds *ret)
{
	int found;

	*ret = (struct shmid_ds){ 0 };
	found = errno_or(shmctl(id, SHM_STAT_ANY, ret));
	if (found >= 0)
		return found == id ? 0 : -EINVAL;
	if (found != -EINVAL)
		return found;
	/* There is none, or no such command. */
	return errno_or(shmctl(id, IPC_STAT, ret));
}

static int open_existing(struct shmfs_sysv *sysv, uint64_t size)
{
	struct shmid_ds ds;
	int id, r;

	/* The kernel would create one, with any flags. */
	if (sysv->key == IPC_PRIVATE)
		return -EINVAL;
	/* No permission is asked for, so none can be missing. */
	id = errno_or(shmget(sysv->key, (size_t)size, 0));
	if (id < 0)
		return id;
	r = look_at(id, &ds);
	/* Removed in between is as good as before; what is still mapped has no key. */
	if (r == -EINVAL || r == -EIDRM || (r == 0 && ds.shm_perm.__key != sysv->key))
		return -ENOENT;
	if (r < 0)
		return r;
	sysv->id = id;
	sysv->size = ds.shm_segsz;
	return 0;
}

static int create_new(struct shmfs_sysv *sysv, uint64_t size, uint32_t perm)
{
	int id;

	id = errno_or(shmget(sysv->key, (size_t)size, IPC_CREAT | IPC_EXCL | (int)perm));
	if (id < 0)
		return id;
	sysv->id = id;
	sysv->size = size;
	return 0;
}

/*
 * Not by IPC_CREAT without IPC_EXCL: that asks an existing segment for the permissions
 * that a new one would get.
 */
static int open_or_create(struct shmfs_sysv *sysv, uint64_t size, uint32_t perm)
{
	int r;

	if (sysv->key == IPC_PRIVATE)
		return create_new(sysv, size, perm);
	for (;;) {
		r = open_existing(sysv, size);
		if (r != -ENOENT)
			return r;
		r = create_new(sysv, size, perm);
		if (r != -EEXIST)
			return r;
	}
}

static int open_how(struct shmfs_sysv *sysv, enum shmfs_how how, uint64_t size,
		    uint32_t perm)
{
	if (size > SIZE_MAX)
		return -EINVAL;
	if (how == SHMFS_OPEN_ONLY)
		return open_existing(sysv, size);
	if (perm & ~0777u)
		return -EINVAL;
	switch (how) {
	case SHMFS_CREATE_ONLY:
		return create_new(sysv, size, perm);
	case SHMFS_OPEN_OR_CREATE:
		return open_or_create(sysv, size, perm);
	default:
		return -EINVAL;
	}
}

_public_ int shmfs_sysv_open(int32_t key, enum shmfs_how how, uint64_t size,
			     uint32_t perm, struct shmfs_sysv **ret)
{
	_cleanup_(cleanup_sysv) struct shmfs_sysv *sysv = NULL;
	int r;

	if (!ret)
		return -EINVAL;
	/* Before anything is created, so that the creation is the last that can fail. */
	sysv = calloc(1, sizeof(*sysv));
	if (!sysv)
		return -ENOMEM;
	sysv->key = key;
	r = open_how(sysv, how, size, perm);
	if (r < 0)
		return r;
	*ret = take_ptr(sysv);
	return 0;
}

_public_ int shmfs_sysv_open_id(int shmid, struct shmfs_sysv **ret)
{
	struct shmfs_sysv *sysv;
	struct shmid_ds ds;
	int r;

	if (!ret)
		return -EINVAL;
	r = look_at(shmid, &ds);
	if (r < 0)
		return r;
	sysv = malloc(sizeof(*sysv));
	if (!sysv)
		return -ENOMEM;
	sysv->id = shmid;
	sysv->key = ds.shm_perm.__key;
	sysv->size = ds.shm_segsz;
	*ret = sysv;
	return 0;
}

_public_ struct shmfs_sysv *shmfs_sysv_close(struct shmfs_sysv *sysv)
{
	free(sysv);
	return NULL;
}

_public_ int shmfs_sysv_id(const struct shmfs_sysv *sysv)
{
	return sysv->id;
}

_public_ int32_t shmfs_sysv_key_of(const struct shmfs_sysv *sysv)
{
	return sysv->key;
}

_public_ uint64_t shmfs_sysv_size(const struct shmfs_sysv *sysv)
{
	return sysv->size;
}

_public_ int shmfs_sysv_permissions(const struct shmfs_sysv *sysv, uint32_t *ret)
{
	struct shmid_ds ds;
	int r;

	r = look_at(sysv->id, &ds);
	if (r < 0)
		return r;
	/* There are flags above: SHM_DEST, SHM_LOCKED. */
	*ret = ds.shm_perm.mode & 0777u;
	return 0;
}

_public_ int shmfs_sysv_set_permissions(const struct shmfs_sysv *sysv, uint32_t perm)
{
	struct shmid_ds ds;
	int r;

	if (perm & ~0777u)
		return -EINVAL;
	r = look_at(sysv->id, &ds);
	if (r < 0)
		return r;
	ds.shm_perm.mode = (__typeof__(ds.shm_perm.mode))perm;
	return errno_or(shmctl(sysv->id, IPC_SET, &ds));
}

_public_ int shmfs_sysv_remove(int shmid)
{
	return errno_or(shmctl(shmid, IPC_RMID, NULL));
}

/* The highest index in use; 0 also where there is none. */
static int last_index(void)
{
	struct shm_info info;

	return errno_or(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info));
}

/* The segment at @index, which keeps its index for life. -EINVAL where there is none. */
static int look_at_index(int index, struct shmid_ds *ret)
{
	int id;

	*ret = (struct shmid_ds){ 0 };
	id = errno_or(shmctl(index, SHM_STAT_ANY, ret));
	return id == -EINVAL ? errno_or(shmctl(index, SHM_STAT, ret)) : id;
}

_public_ int shmfs_sysv_list(shmfs_sysv_fn fn, void *data)
{
	struct shmid_ds ds;
	int last, index, id, r = 0;

	if (!fn)
		return -EINVAL;
	last = last_index();
	if (last < 0)
		return last;
	for (index = 0; index <= last && r == 0; index++) {
		id = look_at_index(index, &ds);
		if (id >= 0)
			r = fn(id, ds.shm_perm.__key, data);
	}
	return r;
}
