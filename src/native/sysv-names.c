/* SPDX-License-Identifier: MIT */
/*
 * Names of segments: finding, making and removing what they lead to. A name with a key
 * leads to the segment that has the key by now, which is asked of the kernel each time;
 * where there is none it may lead to a pending file.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/shm.h>

#include "native/sysv-name.h"
#include "native/sysv-status.h"
#include "native/sysv.h"

/* After so many lookups, or files made, it is time to forget names that lead nowhere by
 * now. */
#define STALE_NAMES 4096

/* How often a name may change its segment before a call gives up. */
#define TRIES 64

/* What a name leads to. */
struct found {
	int id; /* unless @pending */
	struct shmid_ds ds;
	struct sysv_pending *pending; /* with a reference */
};

/* By key; an identifier that is gone by the time it is asked for is not the key's. */
static int find_key(key_t key, int *ret_id, struct shmid_ds *ret)
{
	int r = -ENOENT;

	for (int i = 0; i < TRIES && key != IPC_PRIVATE; i++) {
		/* No rights are asked for, so none are needed. */
		*ret_id = shmget(key, 0, 0);
		if (*ret_id < 0)
			return -errno;
		r = sysv_status(*ret_id, ret);
		if (r == 0 && ret->shm_perm.__key == key)
			return 0;
		if (r == 0)
			r = -ENOENT;
		if (r != -ENOENT)
			break;
	}
	return r;
}

static int find_native(const struct sysv_name *name, struct found *ret)
{
	ret->id = name->id;
	if (name->by_id)
		return sysv_status(name->id, &ret->ds);
	return find_key(name->key, &ret->id, &ret->ds);
}

static int find(struct kind *k, const struct sysv_name *name, struct found *ret)
{
	int r;

	ret->pending = NULL;
	r = find_native(name, ret);
	if (r != -ENOENT || name->by_id)
		return r;
	ret->pending = sysv_pending_find(&sysv_kind_of(k)->pendings, name->key);
	return ret->pending ? 0 : r;
}

/* Takes over what was found. */
static int handle_new(struct kind *k, struct found *found, struct native_file **ret,
		      struct object_info *ret_info)
{
	_cleanup_pending_ struct sysv_pending *pending = take_ptr(found->pending);
	int64_t birth = pending ? 0 : sysv_birth_of(k, found->id, &found->ds);
	struct sysv_file *f = NULL;
	int r = sysv_file_new(k, &f);

	if (r < 0)
		return r;
	if (pending) {
		sysv_pending_status(pending, &found->ds);
		sysv_pending_info(pending, &found->ds, ret_info);
	} else {
		sysv_segment_info(k, found->id, birth, &found->ds, ret_info);
		f->id = found->id;
	}
	f->birth = birth;
	f->pending = take_ptr(pending);
	*ret = &f->file;
	return 0;
}

/*
 * Nobody says when segments go, or files that never got a size. But there are few at a
 * time: of so many that were found or made, most have gone.
 */
static void count_name(struct sysv_kind *k)
{
	uint64_t one = 1;

	if (atomic_fetch_add(&k->names, 1) % STALE_NAMES == STALE_NAMES - 1)
		while (write(k->stale, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

int sysv_identify(struct kind *k, const struct caller *caller, const char *name,
		  struct object_info *ret)
{
	struct sysv_name parsed;
	struct found found;
	int r = sysv_name_parse(name, &parsed);

	(void)caller;
	r = r < 0 ? -ENOENT : find(k, &parsed, &found);
	if (r < 0)
		return r;
	if (!found.pending) {
		sysv_segment_info(k, found.id, sysv_birth_of(k, found.id, &found.ds),
				  &found.ds, ret);
		return 0;
	}
	sysv_pending_status(found.pending, &found.ds);
	sysv_pending_info(found.pending, &found.ds, ret);
	sysv_pending_unref(found.pending);
	return 0;
}

int sysv_lookup(struct kind *k, const struct caller *caller, const char *name,
		struct native_file **ret, struct object_info *ret_info)
{
	struct sysv_name parsed;
	struct found found;
	int r = sysv_name_parse(name, &parsed);

	r = r < 0 ? -ENOENT : find(k, &parsed, &found);
	if (r == 0)
		r = handle_new(k, &found, ret, ret_info);
	if (r == 0 && caller)
		count_name(sysv_kind_of(k));
	return r;
}

static int create_existing(struct kind *k, const struct caller *caller,
			   struct found *found, int flags, struct native_file **ret,
			   struct object_info *ret_info)
{
	_cleanup_native_ struct native_file *handle = NULL;
	int r = handle_new(k, found, &handle, ret_info);

	if (r == 0 && flags & O_EXCL)
		r = -EEXIST;
	return r < 0 ? r : sysv_open(handle, caller, flags, ret);
}

static int create_pending(struct kind *k, const struct caller *caller, key_t key,
			  int flags, mode_t mode, struct native_file **ret,
			  struct object_info *ret_info)
{
	_cleanup_pending_ struct sysv_pending *pending = NULL;
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct sysv_file *f = NULL;
	struct shmid_ds ds;
	int r;

	/* shmget(2) makes nothing without a size, and this file could never have one. */
	if ((flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	/* Whom we cannot become we make nothing for. */
	r = caller_enter(caller, GROUPS_NONE, &guard);
	if (r < 0)
		return r;
	r = sysv_file_new(k, &f);
	if (r < 0)
		return r;
	/* shmget(2) knows no umask, but this is made as files are. */
	if (caller)
		mode &= ~caller->umask;
	r = sysv_pending_new(&sysv_kind_of(k)->pendings, key, caller, mode, &pending);
	if (r < 0) {
		free(f);
		return r;
	}
	sysv_pending_status(pending, &ds);
	sysv_pending_info(pending, &ds, ret_info);
	ret_info->created = true;
	f->open = true;
	f->flags = flags;
	f->pending = take_ptr(pending);
	*ret = &f->file;
	return 0;
}

int sysv_create(struct kind *k, const struct caller *caller, const char *name, int flags,
		mode_t mode, struct native_file **ret, struct object_info *ret_info)
{
	struct sysv_name parsed;
	struct found found;
	int r = sysv_name_parse(name, &parsed);

	if (r < 0)
		return r;
	for (int i = 0; i < TRIES; i++) {
		r = find(k, &parsed, &found);
		if (r == 0)
			r = create_existing(k, caller, &found, flags, ret, ret_info);
		else if (r == -ENOENT && parsed.by_id)
			return -EINVAL;
		else if (r == -ENOENT)
			r = create_pending(k, caller, parsed.key, flags, mode, ret,
					   ret_info);
		/* Gone, or come, since it was looked for: then look again. */
		if (r != -ESTALE && (r != -EEXIST || flags & O_EXCL))
			break;
	}
	if (r == 0 && caller)
		count_name(sysv_kind_of(k));
	return r;
}

static int remove_once(struct kind *k, const struct caller *caller,
		       const struct sysv_name *name)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct found found;
	int r = find(k, name, &found);

	if (r < 0)
		return r;
	if (found.pending) {
		r = sysv_pending_remove(found.pending, caller);
		sysv_pending_unref(found.pending);
		/* It has a segment by now, or is gone. */
		return r == -ENOENT ? -ESTALE : r;
	}
	r = caller_enter(caller, GROUPS_NONE, &guard);
	if (r == 0)
		r = errno_or(shmctl(found.id, IPC_RMID, NULL));
	return r == -EINVAL || r == -EIDRM ? -ENOENT : r;
}

int sysv_remove(struct kind *k, const struct caller *caller, const char *name)
{
	struct sysv_name parsed;
	int r = sysv_name_parse(name, &parsed);

	r = r < 0 ? -ENOENT : -ESTALE;
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = remove_once(k, caller, &parsed);
	return r;
}
