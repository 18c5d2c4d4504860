/* SPDX-License-Identifier: MIT */
/*
 * Record locks (fcntl) and flock locks, both held natively (owner.c), so that they
 * exclude native lockers too.
 *
 * An owner's record locks go when the process closes any descriptor of the file. The
 * kernel tells us with FLUSH, which the closing process waits for. No file is opened
 * without FLUSH (FOPEN_NOFLUSH): the kernel takes that for the life of the open file, and
 * any open file may be locked through later, while a child has a copy of its descriptor
 * that keeps it from being released.
 */
#include <assert.h>
#include <errno.h>
#include <sys/file.h>

#include "fs/file.h"
#include "fs/internal.h"
#include "fs/owner.h"

int fs_getlk(struct fs *fs, uint64_t file, uint64_t owner, struct flock *lock)
{
	const struct lock_asker a = { .number = owner };
	struct lock_owner *l;
	struct file *f;
	int r = file_enter(fs, file, &f);

	if (r < 0)
		return r;
	l = owner_find(f, &a);
	/* Whoever has no lock asks by the open file itself, which never has one. */
	r = native_lock(l ? l->native : f->native, F_OFD_GETLK, lock);
	/* Natively a lock of ours has no process. */
	if (r == 0 && lock->l_type != F_UNLCK && lock->l_pid <= 0)
		lock->l_pid = owner_of_range(f->node->opened, l, lock);
	file_leave(fs, f);
	return r;
}

/* What @l asked for through @f was refused. Called with opened->lock held. */
static void tell_busy(struct fs *fs, const struct file *f, const struct lock_owner *l,
		      struct fs_busy *ret)
{
	assert(l);
	pthread_mutex_lock(&fs->lock);
	/* One user is who asks, one is the open file that is asked for. */
	ret->closing = f->node->opened->users > 2;
	pthread_mutex_unlock(&fs->lock);
	ret->file = native_file_ref(l->native);
	ret->number = f->number;
	ret->owner = l->number;
}

/* Takes what @what describes, and fills in the rest of that where it is refused. */
static int try_to_take(struct fs *fs, const struct lock_asker *a, uint64_t file,
		       struct fs_busy *what)
{
	bool unlocks =
		a->flock ? what->operation == LOCK_UN : what->range.l_type == F_UNLCK;
	struct lock_owner *l = NULL;
	struct file *f;
	int r = file_enter(fs, file, &f);

	if (r < 0)
		return r;
	if (!unlocks || owner_find(f, a))
		r = owner_get(fs, f, a, &l);
	if (l && r == 0)
		r = a->flock ? native_flock(l->native, what->operation | LOCK_NB)
			     : owner_lock(fs, l, &what->range);
	if (r == -EAGAIN)
		tell_busy(fs, f, l, what);
	file_leave(fs, f);
	return r;
}

int fs_setlk(struct fs *fs, const struct caller *caller, uint64_t file, uint64_t owner,
	     pid_t pid, const struct flock *lock, struct fs_busy *ret_busy)
{
	const struct lock_asker a = {
		.number = owner,
		/* The kernel does not say who unlocks. */
		.pid = lock->l_type == F_UNLCK ? 0 : pid,
		.uid = caller_uid(caller),
	};
	struct fs_busy what = { .range = *lock };
	int r = try_to_take(fs, &a, file, &what);

	if (r == -EAGAIN)
		*ret_busy = what;
	return r;
}

int fs_flock(struct fs *fs, const struct caller *caller, uint64_t file, int operation,
	     struct fs_busy *ret_busy)
{
	const struct lock_asker a = {
		.number = file,
		.uid = caller_uid(caller),
		.flock = true,
	};
	struct fs_busy what = { .operation = operation & ~LOCK_NB };
	int r = try_to_take(fs, &a, file, &what);

	if (r == -EAGAIN)
		*ret_busy = what;
	return r;
}

/* The native file of @busy has locked it. */
static int note_locked(struct fs *fs, const struct fs_busy *busy)
{
	const struct lock_asker a = { .number = busy->owner };
	struct lock_owner *l;
	struct file *f;
	int r = file_enter(fs, busy->number, &f);

	if (r < 0)
		return r;
	l = owner_find(f, &a);
	if (l)
		r = owner_locked(fs, l, busy->file, &busy->range);
	file_leave(fs, f);
	return r;
}

int fs_lock_again(struct fs *fs, const struct fs_busy *busy, bool wait)
{
	struct flock range = busy->range;
	int r;

	if (busy->operation)
		return native_flock(busy->file, busy->operation | (wait ? 0 : LOCK_NB));
	r = native_lock(busy->file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
	return r < 0 ? r : note_locked(fs, busy);
}

int fs_flush(struct fs *fs, uint64_t file, uint64_t owner)
{
	const struct lock_asker a = { .number = owner };
	struct lock_owner *l;
	struct file *f;
	int r = file_enter(fs, file, &f);

	if (r < 0)
		return r;
	l = owner_find(f, &a);
	if (l)
		owner_unlock(fs, l);
	file_leave(fs, f);
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
