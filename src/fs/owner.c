/* SPDX-License-Identifier: MIT */
/*
 * The native file of the open file would not do for the locks: as backing file the kernel
 * keeps it for others. So the owner opens the object once more, with the daemon's power,
 * and with no more access than the file has that is locked through: to others, whoever
 * opens for writing is a writer, who breaks leases and keeps programs from running. A
 * write lock takes a file that is open for writing, a flock lock takes none.
 *
 * To close a file that was open for writing is an event, IN_CLOSE_WRITE. So when a
 * process gives up its locks and others keep the file open, the owner rests there, and
 * lends what it has opened to the next owner.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

/* Memory may run out, and then the request fails, not we. */
#define HASH_NONFATAL_OOM          1
/* Users choose what is hashed. */
#define HASH_FUNCTION(key, n, ret) ((ret) = hash_bytes(key, n))

#include "fs/file.h"
#include "fs/internal.h"
#include "fs/owner.h"
#include "util/hash.h"

static struct opened *opened_of(const struct lock_owner *l)
{
	return l->file->node->opened;
}

struct lock_owner *owner_find(const struct file *f, const struct lock_asker *a)
{
	struct lock_owner *l;

	if (a->flock)
		return f->flock;
	HASH_FIND(hh, f->node->opened->owners, &a->number, sizeof(a->number), l);
	return l;
}

/* What nobody knows of, and is in no list. */
static void owner_free(struct fs *fs, struct lock_owner *l)
{
	while (l->ranges.n > 0) {
		l->ranges.n--;
		quota_give(&fs->ranges, l->uid);
	}
	ranges_done(&l->ranges);
	if (fs->ledger && l->native)
		ledger_remove_lock(fs->ledger, native_locks(l->native));
	native_file_unref(l->native);
	quota_give(&fs->open, l->uid);
	free(l);
}

/* Takes it out of where it is found, for good or to be found elsewhere. */
static void owner_detach(struct lock_owner *l)
{
	HASH_DELETE(hh, opened_of(l)->owners, l);
	DL_DELETE(l->file->owners, l);
}

/*
 * Opens what @f has open once more. Where the daemon has no power over the object, but @f
 * could be opened, it may do without reading. Nothing is written through it, so it may as
 * well be a descriptor that an append-only object takes.
 */
static int owner_open(struct file *f, const struct lock_asker *a, struct lock_owner *l)
{
	bool writes = file_writes(f);
	int r;

	l->writable = writes && !a->flock;
	r = native_open(f->native, NULL, l->writable ? O_RDWR | O_APPEND : O_RDONLY,
			&l->native);
	if (r == -EACCES && writes) {
		l->writable = true;
		r = native_open(f->native, NULL, O_WRONLY | O_APPEND, &l->native);
	}
	/* Of a lease: nobody's lock is in the way. */
	return r == -EAGAIN ? -ENOLCK : r;
}

/* @had: somebody who needs it already is not refused it. */
static int owner_new(struct fs *fs, const struct lock_asker *a, bool had,
		     struct lock_owner **ret)
{
	struct lock_owner *l;

	if ((had ? quota_force : quota_take)(&fs->open, a->uid) < 0)
		return -ENOLCK;
	l = calloc(1, sizeof(*l));
	if (!l) {
		quota_give(&fs->open, a->uid);
		return -ENOLCK;
	}
	l->number = a->number;
	l->pid = a->pid;
	l->uid = a->uid;
	l->flock = a->flock;
	*ret = l;
	return 0;
}

/* One that rests at @f becomes another's. */
static int owner_wake(struct fs *fs, struct file *f, const struct lock_asker *a, bool had,
		      struct lock_owner **ret)
{
	struct lock_owner *l = f->idle;

	if (l->uid != a->uid) {
		if ((had ? quota_force : quota_take)(&fs->open, a->uid) < 0)
			return -ENOLCK;
		quota_give(&fs->open, l->uid);
	}
	DL_DELETE(f->idle, l);
	l->number = a->number;
	l->pid = a->pid;
	l->uid = a->uid;
	*ret = l;
	return 0;
}

/* Takes over @l, also where it fails. */
static int owner_attach(struct fs *fs, struct file *f, struct lock_owner *l)
{
	struct opened *o = f->node->opened;

	l->file = f;
	if (l->flock) {
		f->flock = l;
		return 0;
	}
	HASH_ADD(hh, o->owners, number, sizeof(l->number), l);
	if (!l->hh.tbl) {
		owner_free(fs, l);
		return -ENOLCK;
	}
	DL_APPEND(f->owners, l);
	return 0;
}

static int owner_make(struct fs *fs, struct file *f, const struct lock_asker *a, bool had,
		      struct lock_owner **ret)
{
	struct lock_owner *l = NULL;
	int r;

	if (!a->flock && f->idle) {
		r = owner_wake(fs, f, a, had, &l);
	} else {
		r = owner_new(fs, a, had, &l);
		if (r == 0)
			r = owner_open(f, a, l);
		if (r < 0 && l)
			owner_free(fs, l);
	}
	if (r == 0)
		r = owner_attach(fs, f, l);
	if (r == 0)
		*ret = l;
	return r;
}

/* The kernel lets nobody have a conflicting lock meanwhile: all that it reads is shared.
 */
static int owner_copy_locks(const struct lock_owner *from, const struct lock_owner *to)
{
	int r = 0;

	for (size_t i = 0; i < from->ranges.n && r == 0; i++) {
		struct flock lock = range_lock(&from->ranges.at[i]);

		r = native_lock(to->native, F_OFD_SETLK, &lock);
	}
	return r < 0 ? -ENOLCK : 0;
}

/* The owner is known before it has a lock. */
static int owner_record(struct fs *fs, const struct lock_owner *l)
{
	const struct ledger_lock record = {
		.file = l->file->number,
		.owner = l->number,
		.pid = l->pid,
		.uid = l->uid,
		.flock = l->flock,
		.writable = l->writable,
	};
	int fd = fs->ledger ? native_locks(l->native) : 0;

	return fd < 0 ? fd : ledger_set_lock(fs->ledger, fd, &record);
}

/*
 * The owner has locked through files that were open for reading, and now does through one
 * that is open for writing: its locks move to a native file that is, too. It goes on to
 * count as the user's that it counted as, by whomever the second file was opened.
 */
static int owner_replace(struct fs *fs, struct file *f, const struct lock_asker *a,
			 struct lock_owner *old, struct lock_owner **ret)
{
	const struct lock_asker as = {
		.number = a->number,
		.pid = old->pid,
		.uid = old->uid,
	};
	struct flock all = { .l_type = F_UNLCK };
	struct lock_owner *l = NULL;
	int r = owner_make(fs, f, &as, true, &l);

	if (r < 0)
		return r;
	assert(l);
	r = owner_record(fs, l);
	if (r == 0)
		r = owner_copy_locks(old, l);
	if (r < 0) {
		owner_detach(l);
		owner_free(fs, l);
		return r;
	}
	/* One that has rested may have room for some. */
	ranges_done(&l->ranges);
	l->ranges = old->ranges;
	old->ranges = (struct ranges){ .at = NULL };
	/* Whoever waits with it keeps it open. */
	native_lock(old->native, F_OFD_SETLK, &all);
	owner_detach(old);
	owner_free(fs, old);
	*ret = l;
	return 0;
}

int owner_get(struct fs *fs, struct file *f, const struct lock_asker *a,
	      struct lock_owner **ret)
{
	struct lock_owner *l = owner_find(f, a);
	int r = 0;

	if (!l) {
		r = owner_make(fs, f, a, false, &l);
	} else if (!a->flock && file_writes(f) && !l->writable) {
		r = owner_replace(fs, f, a, l, &l);
	} else if (l->file != f) {
		DL_DELETE(l->file->owners, l);
		l->file = f;
		DL_APPEND(f->owners, l);
	}
	if (r < 0)
		return r;
	assert(l);
	if (a->pid)
		l->pid = a->pid;
	*ret = l;
	return owner_record(fs, l);
}

/* So many ranges are counted as those of @l; @range becomes one of them. There is room.
 */
static void owner_note(struct fs *fs, struct lock_owner *l, size_t counted,
		       const struct range *range)
{
	ranges_set(&l->ranges, range);
	/* Only what is split in three counts one more, for somebody who is counted. */
	for (; counted < l->ranges.n; counted++)
		quota_force(&fs->ranges, l->uid);
	for (; counted > l->ranges.n; counted--)
		quota_give(&fs->ranges, l->uid);
}

int owner_lock(struct fs *fs, struct lock_owner *l, const struct flock *lock)
{
	struct flock native = *lock;
	struct range range = range_of(lock);
	bool more = range.type != F_UNLCK || ranges_splits(&l->ranges, &range);
	int r;

	if (ranges_reserve(&l->ranges) < 0 ||
	    (more && quota_take(&fs->ranges, l->uid) < 0))
		return -ENOLCK;
	r = native_lock(l->native, F_OFD_SETLK, &native);
	if (r == 0)
		owner_note(fs, l, l->ranges.n + more, &range);
	else if (more)
		quota_give(&fs->ranges, l->uid);
	return r;
}

int owner_locked(struct fs *fs, struct lock_owner *l, struct native_file *by,
		 const struct flock *lock)
{
	struct flock all = { .l_type = F_UNLCK };
	struct range range = range_of(lock);

	if (by != l->native) {
		struct flock native = *lock;
		int r = native_lock(l->native, F_OFD_SETLK, &native);

		native_lock(by, F_OFD_SETLK, &all);
		if (r < 0)
			return r;
	}
	/* Without memory it is only not known whose the lock is. */
	if (ranges_reserve(&l->ranges) == 0 && quota_force(&fs->ranges, l->uid) == 0)
		owner_note(fs, l, l->ranges.n + 1, &range);
	return 0;
}

pid_t owner_of_range(const struct opened *o, const struct lock_owner *except,
		     const struct flock *found)
{
	const struct range range = range_of(found);

	for (const struct lock_owner *l = o->owners; l; l = l->hh.next)
		if (l != except && ranges_has(&l->ranges, &range))
			return l->pid;
	return 0;
}

void owner_unlock(struct fs *fs, struct lock_owner *l)
{
	const struct range all = { .end = INT64_MAX, .type = F_UNLCK };
	struct flock native = range_lock(&all);
	int r = native_lock(l->native, F_OFD_SETLK, &native);

	owner_note(fs, l, l->ranges.n, &all);
	/* References are taken with opened->lock held, so the last one stays the last. */
	if (atomic_load(&l->native->refs) > 1)
		return;
	owner_detach(l);
	if (r < 0 || l->writable != file_writes(l->file)) {
		owner_free(fs, l);
		return;
	}
	if (fs->ledger)
		ledger_remove_lock(fs->ledger, native_locks(l->native));
	DL_APPEND(l->file->idle, l);
}

void owner_drop_file(struct fs *fs, struct file *f)
{
	struct lock_owner *l, *next;

	DL_FOREACH_SAFE(f->owners, l, next)
	{
		owner_detach(l);
		owner_free(fs, l);
	}
	DL_FOREACH_SAFE(f->idle, l, next)
	{
		DL_DELETE(f->idle, l);
		owner_free(fs, l);
	}
	if (f->flock)
		owner_free(fs, take_ptr(f->flock));
}

struct restoring {
	struct fs *fs;
	struct lock_owner *owner;
};

static int restore_range(void *context, const struct flock *lock)
{
	const struct restoring *c = context;
	struct range range = range_of(lock);
	int r = ranges_reserve(&c->owner->ranges);

	if (r == 0)
		r = quota_force(&c->fs->ranges, c->owner->uid);
	if (r == 0)
		owner_note(c->fs, c->owner, c->owner->ranges.n + 1, &range);
	return r;
}

/* All locks of @from become @to's as well, and @from goes. */
static int owner_merge(struct fs *fs, struct lock_owner *to, struct lock_owner *from)
{
	int r = owner_copy_locks(from, to);

	for (size_t i = 0; i < from->ranges.n && r == 0; i++) {
		r = ranges_reserve(&to->ranges);
		if (r == 0)
			r = quota_force(&fs->ranges, to->uid);
		if (r == 0)
			owner_note(fs, to, to->ranges.n + 1, &from->ranges.at[i]);
	}
	owner_free(fs, from);
	return r;
}

/*
 * While an owner's locks move to another native file the ledger has both. Until all have
 * moved they are for reading, so that each may have what the other has.
 */
static int restore_owner(struct fs *fs, struct file *f, struct lock_owner *l)
{
	const struct lock_asker a = { .number = l->number, .flock = l->flock };
	struct lock_owner *other = l->flock ? NULL : owner_find(f, &a);
	int r;

	if (!other)
		return owner_attach(fs, f, l);
	if (!l->writable)
		return owner_merge(fs, other, l);
	owner_detach(other);
	r = owner_attach(fs, f, l);
	if (r < 0)
		owner_free(fs, other);
	return r < 0 ? r : owner_merge(fs, l, other);
}

int owner_restore(struct fs *fs, struct file *f, int fd, const struct ledger_lock *record)
{
	const struct lock_asker a = {
		.number = record->owner,
		.pid = record->pid,
		.uid = record->uid,
		.flock = record->flock,
	};
	struct native_remains remains = {
		.id = f->node->id,
		.flags = record->writable ? O_RDWR : O_RDONLY,
		.fd = -1,
		.locks = fd,
	};
	struct restoring c = { .fs = fs };
	int r = owner_new(fs, &a, true, &c.owner);

	if (r < 0)
		return r;
	c.owner->writable = record->writable;
	r = kind_adopt(fs->kind, &remains, &c.owner->native);
	if (r == 0 && !record->flock)
		r = native_held(c.owner->native, restore_range, &c);
	if (r < 0) {
		owner_free(fs, c.owner);
		return r;
	}
	return restore_owner(fs, f, c.owner);
}
