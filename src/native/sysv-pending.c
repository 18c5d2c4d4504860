/* SPDX-License-Identifier: MIT */
/*
 * The segment is made as whoever made the file, whoever gives it a size: it is his. Once
 * it is there the name leads to it natively, and the pending file is one more file that
 * is open on it.
 *
 * All that there is of a pending file is in this process, and is noted where it outlives
 * that, if somebody is to come after it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "native/sysv-make.h"
#include "native/sysv-pending.h"
#include "util/hash.h"

void sysv_pendings_init(struct sysv_pendings *s)
{
	*s = (struct sysv_pendings){ .serial = 0 };
	pthread_mutex_init(&s->lock, NULL);
}

void sysv_pendings_done(struct sysv_pendings *s)
{
	table_done(&s->by_key);
	slots_done(&s->numbers);
	sysv_notes_free(s->notes);
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

int sysv_pendings_remember(struct sysv_pendings *s)
{
	return sysv_notes_new(&s->notes);
}

/* The note of @p, or NULL where none are made. */
static struct sysv_note *note_of(const struct sysv_pending *p)
{
	struct sysv_notes *notes = p->pendings->notes;

	return notes ? &notes->at[slots_index(p->number)] : NULL;
}

/* Called with the lock held, or before anybody knows of it. */
static void note_perm(const struct sysv_pending *p)
{
	struct sysv_note *n = note_of(p);

	if (!n)
		return;
	n->uid = p->perm.uid;
	n->gid = p->perm.gid;
	n->mode = p->perm.mode;
}

static void note_new(const struct sysv_pending *p)
{
	struct sysv_note *n = note_of(p);

	if (!n)
		return;
	*n = (struct sysv_note){
		.made = p->made,
		.user = p->user.uid,
		.group = p->user.gid,
		.key = p->perm.__key,
		.named = p->named,
		.fd = -1,
	};
	note_perm(p);
	sysv_note_set_serial(n, p->serial);
}

/* Called with the lock held. Before the segment is made, and when it is. */
static void note_making(const struct sysv_pending *p)
{
	struct sysv_note *n = note_of(p);

	if (!n)
		return;
	n->since = p->since;
	n->size = p->size;
	n->maker = p->maker;
}

static void note_made(const struct sysv_pending *p)
{
	struct sysv_note *n = note_of(p);

	if (!n)
		return;
	n->fd = p->segment->fd;
	n->birth = p->birth;
	n->id = p->id;
	sysv_note_set_made(n);
}

/* Called with the table's lock held. */
static int number(struct sysv_pendings *s, struct sysv_pending *p)
{
	int r = slots_add(&s->numbers, p, &p->number);

	if (r == 0 && slots_index(p->number) >= SYSV_NOTES_MAX) {
		slots_remove(&s->numbers, p->number);
		r = -ENFILE;
	}
	return r;
}

/* Called with the table's lock held. */
static int name(struct sysv_pendings *s, struct sysv_pending *p)
{
	key_t key = p->perm.__key;
	int r;

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
	if (note_of(p))
		note_of(p)->named = false;
}

/* Called with the table's lock held. */
static int list(struct sysv_pendings *s, struct sysv_pending *p)
{
	int r = number(s, p);

	if (r < 0)
		return r;
	r = name(s, p);
	if (r < 0) {
		slots_remove(&s->numbers, p->number);
		return r;
	}
	p->serial = s->notes ? ++s->notes->serial : ++s->serial;
	note_new(p);
	return 0;
}

/* Called with the table's lock held. */
static void unlist(struct sysv_pendings *s, struct sysv_pending *p)
{
	unname(p);
	if (note_of(p))
		sysv_note_set_serial(note_of(p), 0);
	slots_remove(&s->numbers, p->number);
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
	r = list(s, p);
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
		unlist(s, p);
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
		note_perm(p);
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

/* Called with the lock held. */
static int make(struct sysv_pending *p, struct sysv_segments *segments, uint64_t size)
{
	int r;

	p->maker = getpid();
	p->since = (int64_t)time(NULL);
	p->size = size;
	note_making(p);
	r = sysv_make(p, segments);
	if (r < 0) {
		p->maker = 0;
		note_making(p);
	}
	return r;
}

int sysv_pending_size(struct sysv_pending *p, struct sysv_segments *segments,
		      uint64_t size)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	/* Where another process began to make it, it may be there. */
	if (p->id < 0 && (!p->maker || sysv_make_begun(p, segments) < 0))
		r = is_removed(p) ? -EIDRM : make(p, segments, size);
	if (r == 0 && p->id < 0) {
		p->id = p->segment->id;
		p->birth = p->segment->birth;
		note_made(p);
		/* The name leads to it natively, for as long as it has that. */
		give_name_up(p);
		r = p->segment->size == size;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Called with the table's lock held. */
static int list_again(struct sysv_pendings *s, struct sysv_pending *p, bool named)
{
	key_t key = p->perm.__key;
	int r = slots_put(&s->numbers, p, p->number);

	if (r < 0 || !named)
		return r;
	r = table_add(&s->by_key, &p->link, hash_key(key));
	if (r < 0)
		slots_remove(&s->numbers, p->number);
	p->named = r == 0;
	return r;
}

/* Of what was noted. It is as open as no file, and has no reference. */
static int restore(struct sysv_pendings *s, uint64_t number, const struct sysv_note *n,
		   struct sysv_pending **ret)
{
	struct sysv_pending *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	*p = (struct sysv_pending){
		.pendings = s,
		.serial = n->serial,
		.number = number,
		.made = n->made,
		.user = { .uid = n->user, .gid = n->group },
		.id = n->has_id ? n->id : -1,
		.birth = n->has_id ? n->birth : 0,
		.perm = {
			.__key = n->key,
			.uid = n->uid,
			.gid = n->gid,
			.cuid = n->user,
			.cgid = n->group,
			.mode = n->mode,
		},
		.maker = n->maker,
		.since = n->since,
		.size = n->size,
	};
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_lock(&s->lock);
	r = list_again(s, p, n->named && !n->has_id);
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		pending_free(p);
	else
		*ret = p;
	return r;
}

int sysv_pending_adopt(struct sysv_pendings *s, struct sysv_segments *segments,
		       uint64_t number, uint64_t serial, struct sysv_pending **ret)
{
	struct sysv_note *n = &s->notes->at[slots_index(number)];
	struct sysv_pending *p = slots_get(&s->numbers, number);
	int r = n->serial == serial ? 0 : -ESTALE;

	if (r == 0 && !p)
		r = restore(s, number, n, &p);
	if (r < 0)
		return r;
	p->refs++;
	p->files++;
	*ret = p;
	if (p->id < 0 || p->segment)
		return 0;
	r = sysv_segment_adopt(segments, p->id, p->birth, true, n->fd, &p->segment);
	if (r == 0)
		n->fd = p->segment->fd;
	return r;
}
