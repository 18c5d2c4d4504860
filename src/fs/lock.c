/* SPDX-License-Identifier: MIT */
/*
 * Record locks (fcntl) and flock locks, both held natively, so that they exclude native
 * lockers too. A record lock belongs to a process, a flock lock to an open file: each
 * such owner gets a native open file of its own, which nothing else keeps open, and whose
 * locks (for record locks those of open file descriptions) stand for the owner's. The
 * native file of the open file would not do: as backing file the kernel keeps it for
 * others.
 *
 * An owner's record locks go when the process closes any descriptor of the file. The
 * kernel tells us with FLUSH, which the closing process waits for. No file is opened
 * without FLUSH (FOPEN_NOFLUSH): the kernel takes that for the life of the open file, and
 * any open file may be locked through later, while a child has a copy of its descriptor
 * that keeps it from being released.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>

/* Memory may run out, and then the request fails, not we. */
#define HASH_NONFATAL_OOM 1
/* The default one falls through switch labels, which clang warns of. */
#define HASH_FUNCTION     HASH_FNV
#include <uthash.h>

#include "fs/file.h"
#include "fs/internal.h"
#include "fs/lock.h"

struct lock_owner {
	uint64_t owner; /* of record locks, as the kernel says; else the open file */
	uint64_t file;  /* the open file that was locked through last */
	pid_t pid;
	uid_t uid;                  /* whose it counts as */
	struct native_file *native; /* with a reference: its locks are the owner's */
	UT_hash_handle hh;          /* in a table of struct opened */
};

/* A lock that is asked for: a record lock, or a flock lock where @range is NULL. */
struct attempt {
	uint64_t owner;
	pid_t pid;
	uid_t uid;
	const struct flock *range;
	int operation;
	bool had; /* before: what the owner needs is not refused again */
};

static struct lock_owner *find(struct lock_owner **table, uint64_t owner)
{
	struct lock_owner *l;

	HASH_FIND(hh, *table, &owner, sizeof(owner), l);
	return l;
}

static void drop(struct fs *fs, struct lock_owner **table, struct lock_owner *l)
{
	HASH_DELETE(hh, *table, l);
	if (fs->ledger)
		ledger_remove_lock(fs->ledger, native_locks(l->native));
	native_file_unref(l->native);
	quota_give(&fs->open, l->uid);
	free(l);
}

static void drop_if(struct fs *fs, struct lock_owner **table, uint64_t file)
{
	struct lock_owner *l, *next;

	HASH_ITER(hh, *table, l, next)
		if (file == 0 || l->file == file)
			drop(fs, table, l);
}

void lock_drop_file(struct fs *fs, struct opened *o, uint64_t file)
{
	drop_if(fs, &o->owners, file);
	drop_if(fs, &o->flock_owners, file);
}

void lock_drop_all(struct fs *fs, struct opened *o)
{
	lock_drop_file(fs, o, 0);
}

/* Nothing that is wrong with how something is opened. */
static bool is_shortage(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

/*
 * Any open file can be locked through, so the owner's must allow both kinds of lock;
 * where that is not possible (a program that is running, say) it allows what @like
 * allows.
 */
static int open_for_locks(struct native_file *like, struct native_file **ret)
{
	static const int flags[] = { O_RDWR, O_RDONLY, O_WRONLY };
	int r = -EACCES;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && r < 0; i++) {
		r = native_open(like, NULL, flags[i], ret);
		if (is_shortage(r))
			break;
	}
	return r;
}

/* Called with opened->lock held. Takes over @native where it succeeds. */
static int owner_add(struct fs *fs, struct lock_owner **table,
		     struct native_file **native, const struct attempt *a,
		     struct lock_owner **ret)
{
	struct lock_owner *l;

	if ((a->had ? quota_force : quota_take)(&fs->open, a->uid) < 0)
		return -ENOLCK;
	l = calloc(1, sizeof(*l));
	if (l) {
		l->owner = a->owner;
		l->uid = a->uid;
		HASH_ADD(hh, *table, owner, sizeof(l->owner), l);
	}
	if (!l || !l->hh.tbl) {
		quota_give(&fs->open, a->uid);
		free(l);
		return -ENOLCK;
	}
	l->native = take_ptr(*native);
	*ret = l;
	return 0;
}

/* Called with opened->lock held. */
static int owner_get(struct fs *fs, struct lock_owner **table, struct native_file *like,
		     const struct attempt *a, struct lock_owner **ret)
{
	_cleanup_native_ struct native_file *native = NULL;
	struct lock_owner *l = find(table, a->owner);
	int r;

	if (l) {
		*ret = l;
		return 0;
	}
	r = open_for_locks(like, &native);
	/* Of a lease: nobody's lock is in the way. */
	if (r == -EAGAIN)
		r = -ENOLCK;
	return r < 0 ? r : owner_add(fs, table, &native, a, ret);
}

/*
 * Who of us holds the lock that @found tells of, natively without a process: the owner
 * whose own open file finds nothing in the way there.
 */
static pid_t holder_of(struct opened *o, const struct flock *found)
{
	struct lock_owner *l, *next;

	HASH_ITER(hh, o->owners, l, next) {
		struct flock probe = *found;

		probe.l_type = F_WRLCK;
		if (native_lock(l->native, F_OFD_GETLK, &probe) == 0 &&
		    probe.l_type == F_UNLCK)
			return l->pid;
	}
	return 0;
}

int fs_getlk(struct fs *fs, uint64_t file, uint64_t owner, struct flock *lock)
{
	_cleanup_native_ struct native_file *stranger = NULL;
	struct native_file *asking;
	struct lock_owner *l;
	struct node *n;
	struct file f;
	int r = opened_get(fs, file, &n, &f);

	if (r < 0)
		return r;
	pthread_mutex_lock(&n->opened->lock);
	/* Who has no lock needs no owner to ask. */
	l = find(&n->opened->owners, owner);
	if (!l)
		r = open_for_locks(f.native, &stranger);
	asking = l ? l->native : stranger;
	if (r == 0)
		r = native_lock(asking, F_OFD_GETLK, lock);
	if (r == 0 && lock->l_type != F_UNLCK && lock->l_pid <= 0)
		lock->l_pid = holder_of(n->opened, lock);
	pthread_mutex_unlock(&n->opened->lock);
	opened_put(fs, n);
	return r;
}

/* A lock of @n through @file was refused. */
static void tell_busy(struct fs *fs, const struct node *n, struct native_file *file,
		      struct fs_busy *ret)
{
	pthread_mutex_lock(&fs->lock);
	/* One user is who asks, one is the open file that is asked for. */
	ret->closing = n->opened->users > 2;
	pthread_mutex_unlock(&fs->lock);
	ret->file = native_file_ref(file);
}

/* Called with opened->lock held. */
static int take(struct lock_owner *l, const struct attempt *a)
{
	struct flock range;

	if (!a->range)
		return native_flock(l->native, a->operation | LOCK_NB);
	range = *a->range;
	return native_lock(l->native, F_OFD_SETLK, &range);
}

/* Called with opened->lock held. The owner is known before it has a lock. */
static int record(struct fs *fs, struct lock_owner *l, bool flock)
{
	const struct ledger_lock record = {
		.file = l->file,
		.owner = l->owner,
		.pid = l->pid,
		.uid = l->uid,
		.flock = flock,
	};
	int fd = fs->ledger ? native_locks(l->native) : 0;

	return fd < 0 ? fd : ledger_set_lock(fs->ledger, fd, &record);
}

static int try_to_take(struct fs *fs, uint64_t file, const struct attempt *a,
		       struct fs_busy *ret_busy)
{
	struct lock_owner *l = NULL;
	struct opened *o;
	struct node *n;
	struct file f;
	int r = opened_get(fs, file, &n, &f);

	if (r < 0)
		return r;
	o = n->opened;
	pthread_mutex_lock(&o->lock);
	r = owner_get(fs, a->range ? &o->owners : &o->flock_owners, f.native, a, &l);
	if (r == 0) {
		l->pid = a->pid;
		l->file = file;
		r = record(fs, l, !a->range);
	}
	if (r == 0)
		r = take(l, a);
	if (r == -EAGAIN)
		tell_busy(fs, n, l->native, ret_busy);
	pthread_mutex_unlock(&o->lock);
	opened_put(fs, n);
	return r;
}

int fs_setlk(struct fs *fs, const struct caller *caller, uint64_t file, uint64_t owner,
	     pid_t pid, const struct flock *lock, struct fs_busy *ret_busy)
{
	const struct attempt a = {
		.owner = owner,
		.pid = pid,
		.uid = caller_uid(caller),
		.range = lock,
	};

	return try_to_take(fs, file, &a, ret_busy);
}

int fs_flock(struct fs *fs, const struct caller *caller, uint64_t file, int operation,
	     struct fs_busy *ret_busy)
{
	const struct attempt a = {
		.owner = file,
		.uid = caller_uid(caller),
		.operation = operation,
	};

	return try_to_take(fs, file, &a, ret_busy);
}

/*
 * Gives up all locks of @l. While the process waits for another one with a thread of its
 * own, the open file stays: that one it will have.
 */
static void unlock_all(struct fs *fs, struct opened *o, struct lock_owner *l)
{
	struct flock all = { .l_type = F_UNLCK };

	/* References are taken with opened->lock held, so the last one stays the last. */
	if (atomic_load(&l->native->refs) == 1)
		drop(fs, &o->owners, l);
	else
		native_lock(l->native, F_OFD_SETLK, &all);
}

int fs_flush(struct fs *fs, uint64_t file, uint64_t owner)
{
	struct lock_owner *l;
	struct node *n;
	struct file f;
	int r = opened_get(fs, file, &n, &f);

	if (r < 0)
		return r;
	pthread_mutex_lock(&n->opened->lock);
	l = find(&n->opened->owners, owner);
	if (l)
		unlock_all(fs, n->opened, l);
	pthread_mutex_unlock(&n->opened->lock);
	opened_put(fs, n);
	return 0;
}

int lock_restore(struct fs *fs, int fd, const struct ledger_lock *record)
{
	_cleanup_native_ struct native_file *native = NULL;
	const struct attempt a = {
		.owner = record->owner,
		.uid = record->uid,
		.had = true,
	};
	struct native_remains remains = { .flags = O_RDWR, .fd = -1, .locks = fd };
	struct file *f = slots_get(&fs->files, record->file);
	struct lock_owner *l;
	struct opened *o;
	int r;

	remains.id = f->node->id;
	r = kind_adopt(fs->kind, &remains, &native);
	if (r < 0)
		return r;
	o = f->node->opened;
	r = owner_add(fs, record->flock ? &o->flock_owners : &o->owners, &native, &a, &l);
	if (r < 0)
		return r;
	l->file = record->file;
	l->pid = record->pid;
	return 0;
}

uint64_t fs_releases(struct fs *fs)
{
	uint64_t n;

	pthread_mutex_lock(&fs->lock);
	n = fs->releases;
	pthread_mutex_unlock(&fs->lock);
	return n;
}

bool fs_await_release(struct fs *fs, uint64_t *seen, const struct timespec *until)
{
	bool more;
	int r = 0;

	pthread_mutex_lock(&fs->lock);
	while (fs->releases == *seen && r == 0)
		r = pthread_cond_timedwait(&fs->released, &fs->lock, until);
	more = fs->releases != *seen;
	*seen = fs->releases;
	pthread_mutex_unlock(&fs->lock);
	return more;
}
