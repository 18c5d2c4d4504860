/* SPDX-License-Identifier: MIT */
/*
 * From the moment that it is made a segment can also be removed, and its identifier be
 * another's, before we have attached it. So nothing is done to it with more power than
 * its maker's, and nothing at all until it is surely the one that was made.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "native/sysv-make.h"
#include "native/sysv-status.h"
#include "native/sysv-table.h"

/* How often a new segment may be changed by others before we have it. */
#define TRIES 64

/*
 * shmget(2), as who made the file. Its files may write, whatever its mode says, so until
 * it is attached its maker may. Nobody else shall find half of what was written: until
 * all of that is there, it is its maker's alone.
 */
static int get(const struct sysv_pending *p)
{
	_as_caller_ struct caller_guard guard;
	int mode = p->collected.size > 0 ? 0600 : (int)p->perm.mode | 0600;
	int r = caller_enter(&p->user, GROUPS_NONE, &guard);

	if (r < 0)
		return r;
	if (p->size > SIZE_MAX)
		return -EINVAL;
	return errno_or(
		shmget(p->perm.__key, (size_t)p->size, IPC_CREAT | IPC_EXCL | mode));
}

/* The creator of what is made as who made the file. */
static int maker_of(const struct sysv_pending *p, uid_t *ret)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	int r = caller_enter(&p->user, GROUPS_NONE, &guard);

	if (r == 0)
		*ret = geteuid();
	return r;
}

/* Whether segment @id is one that was made for @maker: 0 or -EIDRM. */
static int check_made(const struct sysv_pending *p, int id, struct shmid_ds *ret)
{
	uid_t maker = 0;
	int r = maker_of(p, &maker);

	if (r == 0)
		r = sysv_status(id, ret);
	if (r < 0)
		return r;
	return ret->shm_cpid == p->maker && ret->shm_perm.cuid == maker ? 0 : -EIDRM;
}

static int set_perm(const struct sysv_pending *p, int id)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct shmid_ds ds;
	struct ipc_perm *perm = &ds.shm_perm;
	int r = check_made(p, id, &ds);

	if (r < 0)
		return r;
	if (perm->uid == p->perm.uid && perm->gid == p->perm.gid &&
	    (perm->mode & 0777) == p->perm.mode)
		return 0;
	perm->uid = p->perm.uid;
	perm->gid = p->perm.gid;
	perm->mode = p->perm.mode;
	r = caller_enter(&p->user, GROUPS_NONE, &guard);
	return r < 0 ? r : errno_or(shmctl(id, IPC_SET, &ds));
}

static int open_once(const struct sysv_pending *p, int id, const struct caller *as,
		     struct sysv_segment **ret)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	struct sysv_segments *segments = p->pendings->segments;
	struct shmid_ds ds;
	int r = check_made(p, id, &ds);

	if (r == 0)
		r = sysv_segment_open(segments, id, sysv_birth(&ds), as, 0, &segment);
	/* Attached it keeps its identifier. */
	if (r == 0)
		r = check_made(p, id, &ds);
	if (r == 0)
		*ret = take_ptr(segment);
	return r;
}

/*
 * From the moment that it is there others can set it, and take it away. The final mode of
 * one that was begun may not let its maker in any more: but it is his.
 */
static int open_made(const struct sysv_pending *p, int id, bool begun,
		     struct sysv_segment **ret)
{
	int r = -ESTALE;

	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = open_once(p, id, begun ? NULL : &p->user, ret);
	return r == -ENOENT || r == -EINVAL ? -EIDRM : r;
}

static void unmake(const struct sysv_pending *p, int id)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct shmid_ds ds;

	if (check_made(p, id, &ds) == 0 &&
	    caller_enter(&p->user, GROUPS_NONE, &guard) == 0)
		shmctl(id, IPC_RMID, NULL);
}

/* Whether @row is what a process has made for @p, as @maker, and nothing is known of. */
static bool is_begun(const struct sysv_pending *p, uid_t maker,
		     const struct sysv_row *row)
{
	int64_t birth;

	return row->key == p->perm.__key && row->cpid == p->maker && row->cuid == maker &&
	       row->size == p->size && row->ctime >= p->since &&
	       !sysv_segments_know(p->pendings->segments, row->shmid, &birth) &&
	       (p->begun < 0 || p->begun == row->shmid);
}

static int find_begun(struct sysv_pending *p)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *table = NULL;
	uid_t maker = 0;
	int r = maker_of(p, &maker);

	if (r == 0)
		r = sysv_table_read(&table);
	if (r < 0)
		return r;
	assert(table);
	for (size_t i = 0; i < table->n; i++)
		if (is_begun(p, maker, &table->rows[i]) &&
		    !sysv_pending_is_others(p, table->rows[i].shmid))
			return table->rows[i].shmid;
	return -ENOENT;
}

/* Returns an identifier. */
static int begin(struct sysv_pending *p, uint64_t size)
{
	int r;

	pthread_mutex_lock(&p->lock);
	p->maker = getpid();
	p->since = (int64_t)time(NULL);
	p->size = size;
	sysv_pending_note_making(p);
	r = sysv_pending_is_removed(p) ? -EIDRM : get(p);
	if (r < 0)
		p->maker = 0;
	else
		p->begun = r;
	sysv_pending_note_making(p);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Takes over @segment where it succeeds. */
static int finish(struct sysv_pending *p, struct sysv_segment **segment)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = set_perm(p, (*segment)->id);
	if (r == 0) {
		p->segment = take_ptr(*segment);
		p->id = p->segment->id;
		p->birth = p->segment->birth;
		sysv_pending_note_made(p);
		/* The name leads to it natively, for as long as it has that. */
		sysv_pending_give_name_up(p);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Nothing is being made. */
static void forget(struct sysv_pending *p)
{
	pthread_mutex_lock(&p->lock);
	p->maker = 0;
	p->begun = -1;
	sysv_pending_note_making(p);
	pthread_mutex_unlock(&p->lock);
}

/* Makes what is called @id the segment of @p, with all that was written. */
static int complete(struct sysv_pending *p, int id, bool begun)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	int r = open_made(p, id, begun, &segment);

	if (r == 0 && p->collected.fd >= 0) {
		p->collected.poured = true;
		sysv_pending_note_collected(p);
		r = sysv_collected_pour(&p->collected, segment);
	}
	if (r == 0)
		r = finish(p, &segment);
	if (r == 0) {
		sysv_collected_drop(&p->collected);
		sysv_pending_note_collected(p);
		return 0;
	}
	unmake(p, id);
	forget(p);
	return r;
}

/*
 * Where another process began to make the segment, it may be there. What that has moved
 * into it is nowhere else.
 */
int sysv_make_settle(struct sysv_pending *p)
{
	int id, r = -ENOENT;

	if (p->id >= 0)
		return 0;
	if (p->maker) {
		id = find_begun(p);
		r = id < 0 ? id : complete(p, id, true);
		if (id < 0)
			forget(p);
	}
	return r < 0 && p->collected.poured ? -EIDRM : 0;
}

int sysv_make(struct sysv_pending *p, uint64_t size)
{
	int id = begin(p, size);

	return id < 0 ? id : complete(p, id, false);
}

/*
 * Whether nobody else can have noticed that it was there, but by its identifier. A
 * mapping of a file that was closed since cannot be seen: it keeps what was there.
 */
static bool is_unused(const struct sysv_pending *p, struct shmid_ds *ret)
{
	return !atomic_load(&p->locked) && sysv_segment_is_alone(p->segment) &&
	       !p->segment->lost && sysv_status(p->id, ret) == 0 &&
	       ret->shm_nattch == 1 && ret->shm_perm.__key == p->perm.__key &&
	       !sysv_is_removed(ret);
}

/* Sets the mode of the segment that @ds describes, as who made it. */
static int set_mode(const struct sysv_pending *p, struct shmid_ds *ds, mode_t mode)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	int r = caller_enter(&p->user, GROUPS_NONE, &guard);

	ds->shm_perm.mode = (unsigned short)mode;
	return r < 0 ? r : errno_or(shmctl(p->id, IPC_SET, ds));
}

/*
 * Keeps all but root from attaching it. What its mode was is noted before that, for who
 * comes after this process.
 */
static int shut(struct sysv_pending *p, const struct shmid_ds *ds)
{
	struct shmid_ds set = *ds;

	sysv_pending_note_shut(p, ds);
	return set_mode(p, &set, 0);
}

void sysv_make_reopen(const struct sysv_pending *p)
{
	struct shmid_ds ds;

	/* Whoever has set another mode meanwhile means that. */
	if (sysv_status(p->id, &ds) == 0 && sysv_may_be(p->birth, &ds) &&
	    (ds.shm_perm.mode & 0777) == 0)
		set_mode(p, &ds, p->perm.mode);
	sysv_pending_note_reopened(p);
}

/* Whether nobody has had or set it since it was shut, when it was as @ds says. */
static bool stayed_unused(const struct sysv_pending *p, const struct shmid_ds *ds)
{
	struct shmid_ds now;

	return is_unused(p, &now) && (now.shm_perm.mode & 0777) == 0 &&
	       now.shm_perm.uid == ds->shm_perm.uid &&
	       now.shm_perm.gid == ds->shm_perm.gid && now.shm_lpid == ds->shm_lpid &&
	       now.shm_atime == ds->shm_atime;
}

static int remove_made(const struct sysv_pending *p)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	int r = caller_enter(&p->user, GROUPS_NONE, &guard);

	return r < 0 ? r : errno_or(shmctl(p->id, IPC_RMID, NULL));
}

int sysv_make_again(struct sysv_pending *p)
{
	struct sysv_segment *segment = p->segment;
	struct shmid_ds ds;
	int r;

	if (!p->grows || !is_unused(p, &ds))
		return -ENOSPC;
	r = shut(p, &ds);
	/* Somebody may have come before it was shut. */
	if (r == 0)
		r = stayed_unused(p, &ds) ? sysv_collected_copy(&p->collected, segment)
					  : -ENOSPC;
	if (r == 0)
		r = stayed_unused(p, &ds) ? remove_made(p) : -ENOSPC;
	if (r < 0) {
		sysv_make_reopen(p);
		sysv_collected_drop(&p->collected);
		return -ENOSPC;
	}
	sysv_pending_note_collected(p);
	pthread_mutex_lock(&p->lock);
	p->segment = NULL;
	p->id = -1;
	p->begun = -1;
	p->maker = 0;
	sysv_pending_note_pending(p);
	pthread_mutex_unlock(&p->lock);
	sysv_segment_unref(segment);
	return 0;
}

void sysv_make_give_up(struct sysv_pending *p)
{
	int id = p->maker && p->id < 0 ? find_begun(p) : -1;

	if (id >= 0)
		unmake(p, id);
}
