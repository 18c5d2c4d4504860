/* SPDX-License-Identifier: MIT */
/* Locks of the fake kind, with the rules of open-file-description locks and of flock. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>

#include <cmocka.h>

#include "fake.h"

static bool in_the_way(const struct fake_lock *l, const struct fake_lock *wanted)
{
	return l->holder && l->holder != wanted->holder && l->object == wanted->object &&
	       l->start <= wanted->end && l->end >= wanted->start &&
	       (l->type == F_WRLCK || wanted->type == F_WRLCK);
}

static const struct fake_lock *conflict(const struct fake *f,
					const struct fake_lock *wanted)
{
	for (size_t i = 0; i < FAKE_MAX; i++)
		if (in_the_way(&f->locks[i], wanted))
			return &f->locks[i];
	return NULL;
}

static void add(struct fake *f, const struct fake_lock *lock)
{
	for (size_t i = 0; i < FAKE_MAX; i++) {
		if (f->locks[i].holder)
			continue;
		f->locks[i] = *lock;
		return;
	}
	fail_msg("more than %d locks", FAKE_MAX);
}

/* What the holder has in the range makes room; what sticks out stays. */
static void cut(struct fake *f, const struct fake_lock *range)
{
	for (size_t i = 0; i < FAKE_MAX; i++) {
		struct fake_lock old = f->locks[i];

		if (!old.holder || old.holder != range->holder ||
		    old.start > range->end || old.end < range->start)
			continue;
		f->locks[i].holder = NULL;
		if (old.start < range->start) {
			struct fake_lock left = old;

			left.end = range->start - 1;
			add(f, &left);
		}
		if (old.end > range->end) {
			struct fake_lock right = old;

			right.start = range->end + 1;
			add(f, &right);
		}
	}
}

void fake_lock(struct fake *f, struct fake_object *o, short type, int64_t start,
	       int64_t end, pid_t pid)
{
	struct fake_lock lock = { (const void *)(intptr_t)pid, o, type, start, end, pid };

	cut(f, &lock);
	if (type != F_UNLCK)
		add(f, &lock);
}

static void tell(const struct fake_lock *found, struct flock *ret)
{
	if (!found) {
		ret->l_type = F_UNLCK;
		return;
	}
	ret->l_type = found->type;
	ret->l_whence = SEEK_SET;
	ret->l_start = found->start;
	ret->l_len = found->end == INT64_MAX ? 0 : found->end - found->start + 1;
	ret->l_pid = found->pid;
}

/* As the kernel has it for these commands. */
static int check(const struct flock *lock)
{
	if (lock->l_pid != 0 || lock->l_start < 0)
		return -EINVAL;
	if (lock->l_type != F_RDLCK && lock->l_type != F_WRLCK && lock->l_type != F_UNLCK)
		return -EINVAL;
	if (lock->l_len < 0)
		return lock->l_start + lock->l_len < 0 ? -EINVAL : 0;
	return lock->l_len > 0 && lock->l_len - 1 > INT64_MAX - lock->l_start ? -EOVERFLOW
									      : 0;
}

/* Where the range of @lock ends that begins at *@start. */
static int64_t end_of(const struct flock *lock, int64_t *start)
{
	*start = lock->l_start;
	if (lock->l_len >= 0)
		return lock->l_len ? lock->l_start + (lock->l_len - 1) : INT64_MAX;
	*start += lock->l_len;
	return lock->l_start - 1;
}

static bool allows(int flags, short type)
{
	return type == F_UNLCK || (flags & O_ACCMODE) == O_RDWR ||
	       (flags & O_ACCMODE) == (type == F_RDLCK ? O_RDONLY : O_WRONLY);
}

int fake_record_lock(struct native_file *n, int command, struct flock *lock)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_LOCK, NULL, &r);
	struct fake_lock wanted = {
		.holder = n,
		.object = fake_file_of(n)->object,
		.type = lock->l_type,
		.pid = -1,
	};

	if (r == 0)
		r = check(lock);
	if (r < 0)
		return r;
	wanted.end = end_of(lock, &wanted.start);
	if (command == F_OFD_GETLK) {
		tell(conflict(f, &wanted), lock);
		return 0;
	}
	if (!allows(fake_file_of(n)->flags, wanted.type))
		return -EBADF;
	if (wanted.type != F_UNLCK && conflict(f, &wanted))
		return -EAGAIN;
	cut(f, &wanted);
	if (wanted.type != F_UNLCK)
		add(f, &wanted);
	return 0;
}

static void forget_flock(struct fake *f, const struct fake_file *me)
{
	for (size_t i = 0; i < FAKE_MAX; i++)
		if (f->flocks[i] == me)
			f->flocks[i] = NULL;
}

static int add_flock(struct fake *f, struct fake_file *me, int operation)
{
	size_t free_place = FAKE_MAX;

	for (size_t i = 0; i < FAKE_MAX; i++) {
		const struct fake_file *other = f->flocks[i];

		if (!other || other == me)
			free_place = i;
		else if (other->object == me->object &&
			 (operation == LOCK_EX || other->flock == LOCK_EX))
			return -EWOULDBLOCK;
	}
	assert_true(free_place < FAKE_MAX);
	forget_flock(f, me);
	f->flocks[free_place] = me;
	me->flock = operation;
	return 0;
}

int fake_flock(struct native_file *n, int operation)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_FLOCK, NULL, &r);
	struct fake_file *me = fake_file_of(n);

	if (r < 0)
		return r;
	/* The fake cannot wait. */
	assert_true(operation & LOCK_NB);
	operation &= ~LOCK_NB;
	if (operation == LOCK_SH || operation == LOCK_EX)
		return add_flock(f, me, operation);
	if (operation != LOCK_UN)
		return -EINVAL;
	forget_flock(f, me);
	return 0;
}

void fake_lock_drop(struct fake *f, const struct fake_file *file)
{
	struct fake_lock all = { .holder = file, .end = INT64_MAX };

	cut(f, &all);
	forget_flock(f, file);
}
