/* SPDX-License-Identifier: MIT */
/*
 * The segment is made as whoever made the file, whoever gives it a size: it is his. Once
 * it is there the name leads to it natively, and the pending file is one more file that
 * is open on it.
 *
 * From that moment it can also be removed, and its identifier be another's, before we
 * have attached it. So nothing is done to it with more power than its maker's, and
 * nothing at all until it is surely the one that was made.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "native/sysv-pending.h"
#include "native/sysv-status.h"
#include "util/hash.h"

/* How often a new segment may be changed by others before we have it. */
#define TRIES 64

void sysv_pendings_init(struct sysv_pendings *s)
{
	*s = (struct sysv_pendings){ .serial = 0 };
	pthread_mutex_init(&s->lock, NULL);
}

void sysv_pendings_done(struct sysv_pendings *s)
{
	table_done(&s->by_key);
	pthread_mutex_destroy(&s->lock);
}

static uint32_t hash_key(key_t key)
{
	return hash_bytes(&key, sizeof(key));
}

/* Called with the table's lock held. */
static struct sysv_pending *find(struct sysv_pendings *s, key_t key)
{
	struct link *l = table_first(&s->by_key, hash_key(key));
	struct sysv_pending *p;

	for (; l; l = table_next(l)) {
		p = (void *)((char *)l - offsetof(struct sysv_pending, link));
		if (p->perm.__key == key)
			return p;
	}
	return NULL;
}

struct sysv_pending *sysv_pending_find(struct sysv_pendings *s, key_t key)
{
	struct sysv_pending *p;

	pthread_mutex_lock(&s->lock);
	p = find(s, key);
	if (p)
		p->refs++;
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* Called with the table's lock held. */
static int name(struct sysv_pendings *s, struct sysv_pending *p)
{
	key_t key = p->perm.__key;
	int r;

	p->serial = ++s->serial;
	if (key == IPC_PRIVATE)
		return 0;
	if (find(s, key))
		return -EEXIST;
	r = table_add(&s->by_key, &p->link, hash_key(key));
	p->named = r == 0;
	return r;
}

/* Called with the table's lock held. */
static void unname(struct sysv_pending *p)
{
	if (p->named)
		table_remove(&p->pendings->by_key, &p->link);
	p->named = false;
}

static void give_name_up(struct sysv_pending *p)
{
	pthread_mutex_lock(&p->pendings->lock);
	unname(p);
	pthread_mutex_unlock(&p->pendings->lock);
}

static void pending_free(struct sysv_pending *p)
{
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int sysv_pending_new(struct sysv_pendings *s, key_t key, const struct caller *user,
		     mode_t mode, struct sysv_pending **ret)
{
	struct sysv_pending *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	*p = (struct sysv_pending){
		.pendings = s,
		.made = (int64_t)time(NULL),
		.user = { .uid = user ? user->uid : geteuid(),
			  .gid = user ? user->gid : getegid() },
		.refs = 1,
		.files = 1,
		.id = -1,
		.perm = { .__key = key, .mode = mode & 0777 },
	};
	p->perm.uid = p->perm.cuid = p->user.uid;
	p->perm.gid = p->perm.cgid = p->user.gid;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_lock(&s->lock);
	r = name(s, p);
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		pending_free(p);
	else
		*ret = p;
	return r;
}

struct sysv_pending *sysv_pending_ref(struct sysv_pending *p)
{
	pthread_mutex_lock(&p->pendings->lock);
	p->refs++;
	pthread_mutex_unlock(&p->pendings->lock);
	return p;
}

struct sysv_pending *sysv_pending_unref(struct sysv_pending *p)
{
	struct sysv_pendings *s = p ? p->pendings : NULL;
	bool last;

	if (!p)
		return NULL;
	pthread_mutex_lock(&s->lock);
	last = --p->refs == 0;
	if (last)
		unname(p);
	pthread_mutex_unlock(&s->lock);
	if (last)
		pending_free(p);
	return NULL;
}

int sysv_pending_opened(struct sysv_pending *p)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (p->id >= 0)
		r = -EEXIST;
	else if (p->files == 0)
		r = -ESTALE;
	else
		p->files++;
	pthread_mutex_unlock(&p->lock);
	return r;
}

void sysv_pending_closed(struct sysv_pending *p)
{
	struct sysv_segment *segment = NULL;

	pthread_mutex_lock(&p->lock);
	if (--p->files == 0) {
		give_name_up(p);
		segment = take_ptr(p->segment);
	}
	pthread_mutex_unlock(&p->lock);
	sysv_segment_unref(segment);
}

/* The rule of shmctl(2) for IPC_SET and IPC_RMID. Called with the lock held. */
static bool may_set(const struct sysv_pending *p, const struct caller *caller)
{
	return !caller || caller->uid == p->perm.uid || caller->uid == p->perm.cuid ||
	       (caller->uid == 0 && caller_has(caller, CAP_SYS_ADMIN));
}

int sysv_pending_remove(struct sysv_pending *p, const struct caller *caller)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (!may_set(p, caller))
		r = -EPERM;
	pthread_mutex_lock(&p->pendings->lock);
	if (r == 0 && !p->named)
		r = -ENOENT;
	if (r == 0)
		unname(p);
	pthread_mutex_unlock(&p->pendings->lock);
	pthread_mutex_unlock(&p->lock);
	return r;
}

struct sysv_segment *sysv_pending_segment(struct sysv_pending *p)
{
	struct sysv_segment *segment;

	pthread_mutex_lock(&p->lock);
	segment = p->segment;
	pthread_mutex_unlock(&p->lock);
	return segment;
}

bool sysv_pending_made(struct sysv_pending *p, int *ret_id, int64_t *ret_birth)
{
	pthread_mutex_lock(&p->lock);
	*ret_id = p->id;
	*ret_birth = p->birth;
	pthread_mutex_unlock(&p->lock);
	return *ret_id >= 0;
}

int sysv_pending_status(struct sysv_pending *p, struct shmid_ds *ret)
{
	int r;

	*ret = (struct shmid_ds){ .shm_ctime = p->made };
	pthread_mutex_lock(&p->lock);
	ret->shm_perm = p->perm;
	r = p->files > 0 ? 0 : -ESTALE;
	pthread_mutex_unlock(&p->lock);
	return r;
}

int sysv_pending_set(struct sysv_pending *p, const struct caller *caller,
		     const struct ipc_perm *set)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (p->id >= 0) {
		r = -EEXIST;
	} else if (!may_set(p, caller)) {
		r = -EPERM;
	} else {
		p->perm.uid = set->uid;
		p->perm.gid = set->gid;
		p->perm.mode = set->mode & 0777;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Called with the lock held. Whether the name was taken away while files are open. */
static bool is_removed(struct sysv_pending *p)
{
	bool removed;

	pthread_mutex_lock(&p->pendings->lock);
	removed = p->perm.__key != IPC_PRIVATE && !p->named;
	pthread_mutex_unlock(&p->pendings->lock);
	return removed;
}

/*
 * shmget(2), as who made the file. Its files may write, whatever its mode says, so until
 * it is attached its maker may.
 */
static int make(const struct sysv_pending *p, uint64_t size, uid_t *ret_maker)
{
	_as_caller_ struct caller_guard guard;
	int flags = IPC_CREAT | IPC_EXCL | (int)p->perm.mode | 0600;
	int r = caller_enter(&p->user, false, &guard);

	if (r < 0)
		return r;
	if (size > SIZE_MAX)
		return -EINVAL;
	*ret_maker = geteuid();
	return errno_or(shmget(p->perm.__key, (size_t)size, flags));
}

/* Whether segment @id is one that this process has made for @maker: 0 or -EIDRM. */
static int check_made(int id, uid_t maker, struct shmid_ds *ret)
{
	int r = sysv_status(id, ret);

	if (r < 0)
		return r;
	return ret->shm_cpid == getpid() && ret->shm_perm.cuid == maker ? 0 : -EIDRM;
}

/* Gives the new segment the owner and the mode that it shall have. */
static int set_perm(const struct sysv_pending *p, int id, struct shmid_ds *ds)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct ipc_perm *perm = &ds->shm_perm;
	int r;

	if (perm->uid == p->perm.uid && perm->gid == p->perm.gid &&
	    (perm->mode & 0777) == p->perm.mode)
		return 0;
	perm->uid = p->perm.uid;
	perm->gid = p->perm.gid;
	perm->mode = p->perm.mode;
	r = caller_enter(&p->user, false, &guard);
	return r < 0 ? r : errno_or(shmctl(id, IPC_SET, ds));
}

static int take_over(struct sysv_pending *p, struct sysv_segments *segments, int id,
		     uid_t maker)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	struct shmid_ds ds;
	int r = check_made(id, maker, &ds);

	if (r == 0)
		r = sysv_segment_open(segments, id, sysv_birth(&ds), &p->user, 0,
				      &segment);
	/* Attached it keeps its identifier. */
	if (r == 0)
		r = check_made(id, maker, &ds);
	if (r == 0)
		r = set_perm(p, id, &ds);
	if (r == 0)
		p->segment = take_ptr(segment);
	return r;
}

/* What was made goes again, unless it has. */
static void unmake(const struct sysv_pending *p, int id, uid_t maker)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct shmid_ds ds;

	if (check_made(id, maker, &ds) == 0 && caller_enter(&p->user, false, &guard) == 0)
		shmctl(id, IPC_RMID, NULL);
}

/* From the moment that it is there others can set it, and take it away. */
static int make_open(struct sysv_pending *p, struct sysv_segments *segments,
		     uint64_t size)
{
	uid_t maker;
	int id = make(p, size, &maker);
	int r = -ESTALE;

	if (id < 0)
		return id;
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = take_over(p, segments, id, maker);
	if (r < 0)
		unmake(p, id, maker);
	return r == -ENOENT || r == -EINVAL ? -EIDRM : r;
}

int sysv_pending_size(struct sysv_pending *p, struct sysv_segments *segments,
		      uint64_t size)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (p->id < 0)
		r = is_removed(p) ? -EIDRM : make_open(p, segments, size);
	if (r == 0 && p->id < 0) {
		p->id = p->segment->id;
		p->birth = p->segment->birth;
		/* The name leads to it natively, for as long as it has that. */
		give_name_up(p);
		r = 1;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}
