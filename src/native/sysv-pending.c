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
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "native/sysv-make.h"
#include "native/sysv-pending.h"
#include "native/sysv-status.h"
#include "util/hash.h"

void sysv_pendings_init(struct sysv_pendings *s, struct sysv_segments *segments)
{
	*s = (struct sysv_pendings){ .segments = segments };
	pthread_mutex_init(&s->lock, NULL);
	sysv_budget_init(&s->budget);
}

void sysv_pendings_done(struct sysv_pendings *s)
{
	table_done(&s->by_key);
	slots_done(&s->numbers);
	sysv_notes_free(s->notes);
	sysv_budget_done(&s->budget);
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
		.data = -1,
		.fd = -1,
		.id = -1,
	};
	note_perm(p);
	sysv_note_set_serial(n, p->serial);
}

void sysv_pending_note_making(const struct sysv_pending *p)
{
	struct sysv_note *n = note_of(p);

	if (!n)
		return;
	n->since = p->since;
	n->size = p->size;
	n->maker = p->maker;
	n->id = p->begun;
}

void sysv_pending_note_collected(const struct sysv_pending *p)
{
	struct sysv_note *n = note_of(p);

	if (!n)
		return;
	n->data = p->collected.fd;
	n->poured = p->collected.poured;
	n->failed = p->collected.failed;
	n->grows = p->grows;
}

void sysv_pending_note_made(const struct sysv_pending *p)
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

void sysv_pending_give_name_up(struct sysv_pending *p)
{
	pthread_mutex_lock(&p->pendings->lock);
	unname(p);
	pthread_mutex_unlock(&p->pendings->lock);
}

static void pending_free(struct sysv_pending *p)
{
	sysv_collected_drop(&p->collected);
	pthread_mutex_destroy(&p->making);
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
		.begun = -1,
		.perm = { .__key = key, .mode = mode & 0777 },
	};
	p->perm.uid = p->perm.cuid = p->user.uid;
	p->perm.gid = p->perm.cgid = p->user.gid;
	sysv_collected_init(&p->collected, &s->budget, p->user.uid);
	pthread_mutex_init(&p->making, NULL);
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
	bool last;

	pthread_mutex_lock(&p->making);
	pthread_mutex_lock(&p->lock);
	last = --p->files == 0;
	if (last) {
		sysv_pending_give_name_up(p);
		segment = take_ptr(p->segment);
	}
	pthread_mutex_unlock(&p->lock);
	if (last) {
		/* What a process began that died, and nobody asks for any more. */
		sysv_make_give_up(p);
		sysv_collected_drop(&p->collected);
		sysv_pending_note_collected(p);
	}
	pthread_mutex_unlock(&p->making);
	sysv_segment_unref(segment);
}

int sysv_pending_remove(struct sysv_pending *p, const struct caller *caller)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (!sysv_may_set(&p->perm, caller))
		r = -EPERM;
	pthread_mutex_lock(&p->pendings->lock);
	/* Where the segment was made already, the name has become that one's. */
	if (r == 0 && (!p->named || p->maker == getpid()))
		r = -ENOENT;
	if (r != -EPERM)
		unname(p);
	pthread_mutex_unlock(&p->pendings->lock);
	pthread_mutex_unlock(&p->lock);
	return r;
}

struct sysv_segment *sysv_pending_segment(struct sysv_pending *p)
{
	struct sysv_segment *segment;

	pthread_mutex_lock(&p->lock);
	segment = p->segment ? sysv_segment_ref(p->segment) : NULL;
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

	*ret = (struct shmid_ds){
		.shm_ctime = (time_t)p->made,
		.shm_segsz = (size_t)atomic_load(&p->collected.size),
	};
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
	} else if (!sysv_may_set(&p->perm, caller)) {
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

void sysv_pending_note_shut(struct sysv_pending *p, const struct shmid_ds *ds)
{
	pthread_mutex_lock(&p->lock);
	p->perm.uid = ds->shm_perm.uid;
	p->perm.gid = ds->shm_perm.gid;
	p->perm.mode = ds->shm_perm.mode & 0777;
	note_perm(p);
	if (note_of(p))
		sysv_note_set_shut(note_of(p), true);
	pthread_mutex_unlock(&p->lock);
}

void sysv_pending_note_reopened(const struct sysv_pending *p)
{
	if (note_of(p))
		sysv_note_set_shut(note_of(p), false);
}

void sysv_pending_note_pending(struct sysv_pending *p)
{
	struct sysv_pendings *s = p->pendings;

	pthread_mutex_lock(&s->lock);
	name(s, p);
	if (note_of(p)) {
		note_of(p)->has_id = false;
		note_of(p)->shut = false;
		note_of(p)->named = p->named;
	}
	pthread_mutex_unlock(&s->lock);
	note_perm(p);
	sysv_pending_note_making(p);
}

bool sysv_pending_is_others(struct sysv_pending *p, int id)
{
	struct sysv_pendings *s = p->pendings;
	struct sysv_pending *other;
	bool found = false;
	uint32_t at = 0;

	pthread_mutex_lock(&s->lock);
	while (!found && (other = slots_next(&s->numbers, &at)))
		found = other != p && other->begun == id;
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool sysv_pending_is_removed(struct sysv_pending *p)
{
	bool removed;

	pthread_mutex_lock(&p->pendings->lock);
	removed = p->perm.__key != IPC_PRIVATE && !p->named;
	pthread_mutex_unlock(&p->pendings->lock);
	return removed;
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
		.begun = n->id,
		.since = n->since,
		.size = n->size,
		.grows = n->grows,
	};
	sysv_collected_init(&p->collected, &s->budget, p->user.uid);
	pthread_mutex_init(&p->making, NULL);
	pthread_mutex_init(&p->lock, NULL);
	if (!n->has_id && n->data >= 0)
		sysv_collected_adopt(&p->collected, n->data, n->poured);
	if (!n->has_id)
		p->collected.failed = n->failed;
	pthread_mutex_lock(&s->lock);
	r = list_again(s, p, n->named && !n->has_id);
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		pending_free(p);
	else
		*ret = p;
	return r;
}

int sysv_pending_adopt(struct sysv_pendings *s, uint64_t number, uint64_t serial,
		       bool locked, struct sysv_pending **ret)
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
	if (locked)
		atomic_store(&p->locked, true);
	*ret = p;
	if (p->id < 0 || p->segment)
		return 0;
	if (n->shut)
		sysv_make_reopen(p);
	r = sysv_segment_adopt(s->segments, p->id, p->birth, true, n->fd, &p->segment);
	if (r == 0)
		n->fd = p->segment->fd;
	return r;
}
