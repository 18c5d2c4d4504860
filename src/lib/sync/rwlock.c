/* SPDX-License-Identifier: MIT */
/*
 * The word of a lock has an owner as that of a mutex has: the one thread that holds the
 * lock upgradable or exclusively, or is about to hold it alone. Readers do not touch it.
 * A reader counts itself (shares.h) and then looks whether the lock is open. The owner of
 * the word closes the lock and then waits until nobody is counted. So either the reader
 * finds the lock closed, or the owner finds the reader. A reader that dies is counted for
 * as long as it takes to notice; nothing else depends on it.
 *
 * Only the owner of the word changes the state, and the state tells its heir what the
 * dead one was doing. ALONE: it held the lock exclusively, and the memory may be half
 * changed. CLOSED or OPEN: it had not begun, and the heir opens the lock. A reader that
 * waits for a lock to open takes the word itself where its owner is dead.
 *
 * Whoever opens the lock gives those who wait to read a turn: the next owner of the word
 * lets so many in before it closes the lock. The turn is only a hint. An owner waits for
 * it for a moment only, so that nobody is held up by readers that died or were stopped.
 */
#include <errno.h>

#include <shmfs/rwlock.h>

#include "lib/heap/owned.h"
#include "lib/sync/event.h"
#include "lib/sync/holder.h"
#include "lib/sync/shares.h"
#include "native/public.h"

/* The last owner died when it was alone, and nobody has repaired what it left. */
#define ORPHANED 0x40000000u

enum { OPEN = 0, CLOSED = 1, ALONE = 2 };

_Static_assert(sizeof(struct shmfs_rwlock) == 4160, "rwlock");

static struct shares shares_of(struct shmfs_rwlock *l)
{
	return (struct shares){ &l->groups, l->shares };
}

static uint32_t state_of(const struct shmfs_rwlock *l)
{
	return __atomic_load_n(&l->state, __ATOMIC_SEQ_CST);
}

static void set_state(struct shmfs_rwlock *l, uint32_t state)
{
	__atomic_store_n(&l->state, state, __ATOMIC_SEQ_CST);
}

/* Before the caller changes what the lock protects. */
static void set_alone(struct shmfs_rwlock *l)
{
	__atomic_store_n(&l->state, ALONE, __ATOMIC_RELEASE);
	heap_order();
}

static uint32_t turn_of(const struct shmfs_rwlock *l)
{
	return __atomic_load_n(&l->turn, __ATOMIC_SEQ_CST);
}

static bool is_mine(const struct shmfs_heap *h, const struct shmfs_rwlock *l)
{
	return holder_is_me(h, &l->holder);
}

static bool is_orphaned(const struct shmfs_rwlock *l)
{
	return __atomic_load_n(&l->word, __ATOMIC_RELAXED) & ORPHANED;
}

static void open_to_readers(struct shmfs_rwlock *l)
{
	uint64_t readers = __atomic_load_n(&l->readers, __ATOMIC_SEQ_CST);

	__atomic_store_n(&l->turn, event_waiters(readers), __ATOMIC_RELAXED);
	set_state(l, OPEN);
	event_wake(&l->readers, UINT32_MAX);
}

/* The word is ours; @how it was got. The lock is open after 0. */
static int own(struct shmfs_heap *h, struct shmfs_rwlock *l, int how)
{
	holder_set(&l->holder, holder_me(h));
	if (how == OWNED_INHERITED) {
		shares_recover(shares_of(l));
		if (state_of(l) == ALONE)
			return -EOWNERDEAD;
		__atomic_fetch_and(&l->word, ~ORPHANED, __ATOMIC_RELAXED);
	}
	if (state_of(l) != OPEN)
		open_to_readers(l);
	return 0;
}

static void disown(struct shmfs_rwlock *l)
{
	holder_set(&l->holder, 0);
	owned_give(&l->word);
}

static int take_word(struct shmfs_heap *h, struct shmfs_rwlock *l,
		     const struct deadline *until)
{
	int r;

	if (!h->owner)
		return heap_refusal(h);
	if (owned_take_free(h, &l->word))
		return own(h, l, OWNED_FREE);
	if (is_mine(h, l))
		return -EDEADLK;
	r = owned_take(h, &l->word, ORPHANED, until);
	return r < 0 ? r : own(h, l, r);
}

static int try_word(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	int r;

	if (!h->owner)
		return heap_refusal(h);
	if (is_mine(h, l))
		return -EDEADLK;
	r = owned_try(h, &l->word, ORPHANED);
	return r < 0 ? r : own(h, l, r);
}

/* A share is over. */
static bool leave(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	bool left = shares_drop(h, shares_of(l));

	if (left && state_of(l) != OPEN)
		event_wake(&l->writer, 1);
	return left;
}

/* Takes a share of an open lock. */
static int enter(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	int r;

	if (state_of(l) != OPEN)
		return -EBUSY;
	r = shares_add(h, shares_of(l));
	if (r < 0 || state_of(l) == OPEN)
		return r;
	leave(h, l);
	return -EBUSY;
}

/* The word is ours, and we keep a share only. */
static int keep_share(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	int r = shares_add(h, shares_of(l));

	if (r < 0)
		return r;
	if (state_of(l) != OPEN)
		open_to_readers(l);
	disown(l);
	return 0;
}

/* Takes a share of a lock that is closed, if whoever closed it is dead. */
static int enter_as_heir(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	int r = try_word(h, l);

	if (r < 0)
		return r;
	r = keep_share(h, l);
	if (r < 0)
		disown(l);
	return r;
}

/* One of the readers whose turn it is has come, or has given up. */
static void take_turn(struct shmfs_rwlock *l)
{
	uint32_t turn = turn_of(l);

	while (turn > 0)
		if (__atomic_compare_exchange_n(&l->turn, &turn, turn - 1, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
	if (turn == 1)
		event_wake(&l->writer, 1);
}

static int wait_to_enter(struct shmfs_heap *h, struct shmfs_rwlock *l,
			 const struct deadline *until)
{
	uint32_t key = event_enter(&l->readers);
	long ns = FUTEX_FIRST_NS;
	int r, slept = 0;

	while ((r = enter(h, l)) == -EBUSY && (r = enter_as_heir(h, l)) == -EBUSY &&
	       slept != -ETIMEDOUT) {
		if (event_has_come(&l->readers, key))
			key = event_enter(&l->readers);
		else
			slept = event_sleep(&l->readers, key, &ns, until);
	}
	event_leave(&l->readers, key);
	take_turn(l);
	return r == -EBUSY ? slept : r;
}

static int lock_shared(struct shmfs_heap *h, struct shmfs_rwlock *l,
		       const struct deadline *until)
{
	int r;

	if (!h->owner)
		return heap_refusal(h);
	if (is_mine(h, l))
		return -EDEADLK;
	for (int i = 0; i < FUTEX_LOOKS; i++) {
		r = enter(h, l);
		if (r != -EBUSY)
			return r;
		futex_pause();
	}
	return wait_to_enter(h, l, until);
}

_public_ int shmfs_rwlock_lock_shared(struct shmfs_heap *heap, struct shmfs_rwlock *lock)
{
	return lock_shared(heap, lock, NULL);
}

_public_ int shmfs_rwlock_lock_shared_until(struct shmfs_heap *heap,
					    struct shmfs_rwlock *lock, int clock,
					    const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : lock_shared(heap, lock, &until);
}

_public_ int shmfs_rwlock_try_lock_shared(struct shmfs_heap *heap,
					  struct shmfs_rwlock *lock)
{
	int r;

	if (!heap->owner)
		return heap_refusal(heap);
	if (is_mine(heap, lock))
		return -EDEADLK;
	r = enter(heap, lock);
	return r == -EBUSY ? enter_as_heir(heap, lock) : r;
}

/* The word is ours, and readers that have waited for longer come first. */
static void let_readers_in(struct shmfs_rwlock *l, const struct deadline *until)
{
	long ns = FUTEX_FIRST_NS;
	uint32_t key;

	for (int i = 0; turn_of(l) && i < FUTEX_LOOKS; i++)
		futex_pause();
	if (!turn_of(l))
		return;
	key = event_enter(&l->writer);
	if (turn_of(l))
		event_sleep(&l->writer, key, &ns, until);
	event_leave(&l->writer, key);
	__atomic_store_n(&l->turn, 0, __ATOMIC_SEQ_CST);
}

/* The word is ours, and the lock is closed: waits until nobody has a share. */
static int wait_for_readers(struct shmfs_heap *h, struct shmfs_rwlock *l,
			    const struct deadline *until)
{
	struct shares s = shares_of(l);
	long ns = FUTEX_FIRST_NS;
	uint32_t key;
	int r = 0;

	for (int i = 0; i < FUTEX_LOOKS; i++) {
		if (!shares_any(s))
			return 0;
		futex_pause();
	}
	key = event_enter(&l->writer);
	while (shares_any(s)) {
		if (r == -ETIMEDOUT) {
			event_leave(&l->writer, key);
			return r;
		}
		if (event_has_come(&l->writer, key))
			key = event_enter(&l->writer);
		else
			r = event_sleep(&l->writer, key, &ns, until);
		if (r < 0)
			shares_forget_dead(h, s);
	}
	event_leave(&l->writer, key);
	return 0;
}

/* The word is ours. Where it fails, the lock is open. */
static int be_alone(struct shmfs_heap *h, struct shmfs_rwlock *l,
		    const struct deadline *until)
{
	int r;

	let_readers_in(l, until);
	set_state(l, CLOSED);
	r = wait_for_readers(h, l, until);
	if (r < 0)
		open_to_readers(l);
	else
		set_alone(l);
	return r;
}

static bool has_readers(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	struct shares s = shares_of(l);

	if (!shares_any(s))
		return false;
	shares_forget_dead(h, s);
	return shares_any(s);
}

/* The same at once. Readers that come meanwhile are not held up if it fails. */
static int try_to_be_alone(struct shmfs_heap *h, struct shmfs_rwlock *l)
{
	if (has_readers(h, l))
		return -EBUSY;
	set_state(l, CLOSED);
	if (has_readers(h, l)) {
		open_to_readers(l);
		return -EBUSY;
	}
	set_alone(l);
	return 0;
}

static int lock_exclusive(struct shmfs_heap *h, struct shmfs_rwlock *l,
			  const struct deadline *until)
{
	int r = take_word(h, l, until);

	if (r < 0)
		return r;
	r = be_alone(h, l, until);
	if (r < 0)
		disown(l);
	return r;
}

_public_ int shmfs_rwlock_lock_exclusive(struct shmfs_heap *heap,
					 struct shmfs_rwlock *lock)
{
	return lock_exclusive(heap, lock, NULL);
}

_public_ int shmfs_rwlock_lock_exclusive_until(struct shmfs_heap *heap,
					       struct shmfs_rwlock *lock, int clock,
					       const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : lock_exclusive(heap, lock, &until);
}

_public_ int shmfs_rwlock_try_lock_exclusive(struct shmfs_heap *heap,
					     struct shmfs_rwlock *lock)
{
	int r = try_word(heap, lock);

	if (r < 0)
		return r;
	r = try_to_be_alone(heap, lock);
	if (r < 0)
		disown(lock);
	return r;
}

_public_ int shmfs_rwlock_lock_upgradable(struct shmfs_heap *heap,
					  struct shmfs_rwlock *lock)
{
	return take_word(heap, lock, NULL);
}

_public_ int shmfs_rwlock_lock_upgradable_until(struct shmfs_heap *heap,
						struct shmfs_rwlock *lock, int clock,
						const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : take_word(heap, lock, &until);
}

_public_ int shmfs_rwlock_try_lock_upgradable(struct shmfs_heap *heap,
					      struct shmfs_rwlock *lock)
{
	return try_word(heap, lock);
}

static bool is_upgradable(const struct shmfs_heap *h, const struct shmfs_rwlock *l)
{
	return is_mine(h, l) && state_of(l) == OPEN;
}

_public_ int shmfs_rwlock_upgrade(struct shmfs_heap *heap, struct shmfs_rwlock *lock)
{
	return is_upgradable(heap, lock) ? be_alone(heap, lock, NULL) : -EPERM;
}

_public_ int shmfs_rwlock_upgrade_until(struct shmfs_heap *heap,
					struct shmfs_rwlock *lock, int clock,
					const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	if (r == 0 && !is_upgradable(heap, lock))
		r = -EPERM;
	return r < 0 ? r : be_alone(heap, lock, &until);
}

_public_ int shmfs_rwlock_try_upgrade(struct shmfs_heap *heap, struct shmfs_rwlock *lock)
{
	return is_upgradable(heap, lock) ? try_to_be_alone(heap, lock) : -EPERM;
}

_public_ int shmfs_rwlock_downgrade_to_upgradable(struct shmfs_heap *heap,
						  struct shmfs_rwlock *lock)
{
	if (!is_mine(heap, lock) || state_of(lock) == OPEN)
		return -EPERM;
	if (is_orphaned(lock))
		return -EOWNERDEAD;
	open_to_readers(lock);
	return 0;
}

_public_ int shmfs_rwlock_downgrade_to_shared(struct shmfs_heap *heap,
					      struct shmfs_rwlock *lock)
{
	if (!is_mine(heap, lock))
		return -EPERM;
	return is_orphaned(lock) ? -EOWNERDEAD : keep_share(heap, lock);
}

/* The state stays ALONE: nobody gets the lock any more. */
static void lose(struct shmfs_rwlock *l)
{
	holder_set(&l->holder, 0);
	__atomic_store_n(&l->word, OWNED_LOST, __ATOMIC_SEQ_CST);
	futex_wake(&l->word, FUTEX_ALL);
	event_wake(&l->readers, UINT32_MAX);
}

_public_ int shmfs_rwlock_unlock(struct shmfs_heap *heap, struct shmfs_rwlock *lock)
{
	if (!is_mine(heap, lock))
		return heap->owner && leave(heap, lock) ? 0 : -EPERM;
	if (is_orphaned(lock)) {
		lose(lock);
		return 0;
	}
	if (state_of(lock) != OPEN)
		open_to_readers(lock);
	disown(lock);
	return 0;
}

_public_ int shmfs_rwlock_consistent(struct shmfs_heap *heap, struct shmfs_rwlock *lock)
{
	if (!is_mine(heap, lock))
		return -EPERM;
	if (!is_orphaned(lock))
		return -EINVAL;
	__atomic_fetch_and(&lock->word, ~ORPHANED, __ATOMIC_RELAXED);
	return 0;
}
