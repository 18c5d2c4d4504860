/* SPDX-License-Identifier: MIT */
#pragma once
/* A read/write lock and what it protects, and how each test reads and writes that. */
#include <shmfs/rwlock.h>

#include "sync/fixture.h"

#define CELLS 4

struct shared {
	struct shmfs_rwlock lock;
	uint64_t cell[CELLS];
	uint32_t inside; /* readers */
	uint32_t step;
	uint32_t stop;
};

static struct shmfs_heap *heap;
static struct shared *shared;

static inline void begin(void)
{
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
}

static inline void end(void)
{
	fixture_heap_end(heap);
}

/* All cells are the same, unless somebody writes. */
static inline int look(const struct shared *s)
{
	for (int i = 1; i < CELLS; i++)
		if (s->cell[i] != s->cell[0])
			return -EBADMSG;
	return 0;
}

static inline void add(struct shared *s)
{
	for (int i = 0; i < CELLS; i++)
		s->cell[i]++;
}

static inline int read_once(struct shmfs_heap *own, struct shared *s)
{
	int r = shmfs_rwlock_lock_shared(own, &s->lock);

	if (r == 0)
		r = look(s);
	return r < 0 ? r : shmfs_rwlock_unlock(own, &s->lock);
}

static inline int write_once(struct shmfs_heap *own, struct shared *s)
{
	int r = shmfs_rwlock_lock_exclusive(own, &s->lock);

	if (r == 0)
		r = look(s);
	if (r < 0)
		return r;
	add(s);
	return shmfs_rwlock_unlock(own, &s->lock);
}

/* Reads first; nobody writes before it does. */
static inline int upgrade_once(struct shmfs_heap *own, struct shared *s)
{
	int r = shmfs_rwlock_lock_upgradable(own, &s->lock);
	uint64_t before;

	if (r < 0)
		return r;
	before = s->cell[0];
	r = shmfs_rwlock_upgrade(own, &s->lock);
	if (r == 0 && s->cell[0] != before)
		r = -EBADMSG;
	if (r < 0)
		return r;
	add(s);
	r = shmfs_rwlock_downgrade_to_shared(own, &s->lock);
	if (r == 0 && s->cell[0] != before + 1)
		r = -EBADMSG;
	return r < 0 ? r : shmfs_rwlock_unlock(own, &s->lock);
}

/* What another thread gets at once: 0, and then it gives it back. */
struct expected {
	int shared, upgradable, exclusive;
};

static inline void expect(int r, int expected)
{
	assert_int_equal(r, expected);
	if (r == 0)
		assert_int_equal(shmfs_rwlock_unlock(heap, &shared->lock), 0);
}

static inline void *try_all(void *data)
{
	const struct expected *e = data;
	struct timespec soon = clock_in(CLOCK_MONOTONIC, 8000000);

	expect(shmfs_rwlock_try_lock_shared(heap, &shared->lock), e->shared);
	expect(shmfs_rwlock_try_lock_upgradable(heap, &shared->lock), e->upgradable);
	expect(shmfs_rwlock_try_lock_exclusive(heap, &shared->lock), e->exclusive);
	expect(shmfs_rwlock_lock_shared_until(heap, &shared->lock, CLOCK_MONOTONIC,
					      &soon),
	       e->shared ? -ETIMEDOUT : 0);
	expect(shmfs_rwlock_lock_upgradable_until(heap, &shared->lock, CLOCK_MONOTONIC,
						  &soon),
	       e->upgradable ? -ETIMEDOUT : 0);
	soon = clock_in(CLOCK_REALTIME, 8000000);
	expect(shmfs_rwlock_lock_exclusive_until(heap, &shared->lock, CLOCK_REALTIME,
						 &soon),
	       e->exclusive ? -ETIMEDOUT : 0);
	return NULL;
}

static inline void others_get(int shared_r, int upgradable_r, int exclusive_r)
{
	struct expected e = { shared_r, upgradable_r, exclusive_r };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, try_all, &e), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}
