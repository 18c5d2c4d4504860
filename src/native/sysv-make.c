/* SPDX-License-Identifier: MIT */
/*
 * From the moment that it is made a segment can also be removed, and its identifier be
 * another's, before we have attached it. So nothing is done to it with more power than
 * its maker's, and nothing at all until it is surely the one that was made.
 */
#include <errno.h>
#include <stdlib.h>

#include "native/sysv-make.h"
#include "native/sysv-status.h"
#include "native/sysv-table.h"

/* How often a new segment may be changed by others before we have it. */
#define TRIES 64

/*
 * shmget(2), as who made the file. Its files may write, whatever its mode says, so until
 * it is attached its maker may.
 */
static int get(const struct sysv_pending *p, uid_t *ret_maker)
{
	_as_caller_ struct caller_guard guard;
	int flags = IPC_CREAT | IPC_EXCL | (int)p->perm.mode | 0600;
	int r = caller_enter(&p->user, false, &guard);

	if (r < 0)
		return r;
	if (p->size > SIZE_MAX)
		return -EINVAL;
	*ret_maker = geteuid();
	return errno_or(shmget(p->perm.__key, (size_t)p->size, flags));
}

/* Whether segment @id is one that was made for @maker: 0 or -EIDRM. */
static int check_made(const struct sysv_pending *p, int id, uid_t maker,
		      struct shmid_ds *ret)
{
	int r = sysv_status(id, ret);

	if (r < 0)
		return r;
	return ret->shm_cpid == p->maker && ret->shm_perm.cuid == maker ? 0 : -EIDRM;
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
		     const struct caller *as, uid_t maker)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	struct shmid_ds ds;
	int r = check_made(p, id, maker, &ds);

	if (r == 0)
		r = sysv_segment_open(segments, id, sysv_birth(&ds), as, 0, &segment);
	/* Attached it keeps its identifier. */
	if (r == 0)
		r = check_made(p, id, maker, &ds);
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

	if (check_made(p, id, maker, &ds) == 0 &&
	    caller_enter(&p->user, false, &guard) == 0)
		shmctl(id, IPC_RMID, NULL);
}

/* From the moment that it is there others can set it, and take it away. */
int sysv_make(struct sysv_pending *p, struct sysv_segments *segments)
{
	uid_t maker;
	int id = get(p, &maker);
	int r = -ESTALE;

	if (id < 0)
		return id;
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = take_over(p, segments, id, &p->user, maker);
	if (r < 0)
		unmake(p, id, maker);
	return r == -ENOENT || r == -EINVAL ? -EIDRM : r;
}

/* Whether @row is what a process has made for @p, as @maker, and nothing is known of. */
static bool is_begun(const struct sysv_pending *p, struct sysv_segments *segments,
		     uid_t maker, const struct sysv_row *row)
{
	int64_t birth;

	return row->key == p->perm.__key && row->cpid == p->maker && row->cuid == maker &&
	       row->size == p->size && row->ctime >= p->since &&
	       !sysv_segments_know(segments, row->shmid, &birth);
}

/* Its final mode may not let its maker in any more: but it is his. */
int sysv_make_begun(struct sysv_pending *p, struct sysv_segments *segments)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *table = NULL;
	_as_caller_ struct caller_guard guard = { .ids = false };
	int r = sysv_table_read(&table);
	uid_t maker;

	if (r == 0)
		r = caller_enter(&p->user, false, &guard);
	if (r < 0)
		return r;
	maker = geteuid();
	caller_leave(&guard);
	r = -ENOENT;
	for (size_t i = 0; i < table->n && r < 0; i++)
		if (is_begun(p, segments, maker, &table->rows[i]))
			r = take_over(p, segments, table->rows[i].shmid, NULL, maker);
	return r;
}
