/* SPDX-License-Identifier: MIT */
/*
 * The rule of a share is that of fs/quota.h: what a user has is compared with what is
 * left. It needs no figure that somebody would have to choose.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Memory may run out, and then the request fails, not we. */
#define HASH_NONFATAL_OOM 1
/* The default one falls through switch labels, which clang warns of. */
#define HASH_FUNCTION     HASH_FNV
#include <uthash.h>

#include "native/caller.h"
#include "native/sysv-budget.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define OF_ROOT(max) ((max) / 16)

/* So many segments take longer to count than all the rest of a write. */
#define MANY 256

/* What one user has; it is there for as long as that is anything. */
struct sysv_share {
	uid_t uid;
	uint64_t taken;
	UT_hash_handle hh;
};

void sysv_budget_init(struct sysv_budget *b)
{
	*b = (struct sysv_budget){ .taken = 0 };
	pthread_mutex_init(&b->lock, NULL);
}

void sysv_budget_done(struct sysv_budget *b)
{
	struct sysv_share *s, *next;

	HASH_ITER(hh, b->shares, s, next) {
		HASH_DELETE(hh, b->shares, s);
		free(s);
	}
	pthread_mutex_destroy(&b->lock);
}

/* Most systems leave SHMALL at what no sum of pages reaches. */
static uint64_t bytes(uint64_t pages)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return pages < INT64_MAX / page ? pages * page : INT64_MAX;
}

/* Returns how many segments there are. */
static int read_limits(struct sysv_limits *ret)
{
	struct shm_info used;
	struct shminfo most;
	struct sysinfo info;

	if (shmctl(0, IPC_INFO, (void *)&most) < 0 ||
	    shmctl(0, SHM_INFO, (void *)&used) < 0 || sysinfo(&info) < 0)
		return -errno;
	*ret = (struct sysv_limits){
		.file = most.shmmax,
		.memory = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit,
	};
	if (used.shm_tot < most.shmall)
		ret->segments = bytes(most.shmall - used.shm_tot);
	return used.used_ids;
}

/* Called with the lock held, as all below. */
static struct sysv_share *find(const struct sysv_budget *b, uid_t uid)
{
	struct sysv_share *s;

	HASH_FIND(hh, b->shares, &uid, sizeof(uid), s);
	return s;
}

/*
 * The kernel walks through all segments for one figure. Where there are many, what was
 * read serves for a while: shmget(2) has the last word anyway.
 */
static int refresh(struct sysv_budget *b)
{
	uint64_t begin = clock_ns(), end;
	int r;

	if (begin < b->until)
		return 0;
	r = read_limits(&b->limits);
	end = clock_ns();
	if (r > MANY)
		b->until = end + 10 * (end - begin);
	return r < 0 ? r : 0;
}

static int check(const struct sysv_budget *b, uid_t uid, uint64_t n)
{
	const struct sysv_share *s = find(b, uid);
	uint64_t after = b->taken + n;
	uint64_t max = b->limits.memory;

	if (after > b->limits.segments || after > max)
		return -ENOSPC;
	if (uid == 0 || !caller_serves_all())
		return 0;
	max -= OF_ROOT(max);
	if (after > max || (s ? s->taken : 0) + n > max - after)
		return -ENOSPC;
	return 0;
}

static int count(struct sysv_budget *b, uid_t uid, uint64_t n)
{
	struct sysv_share *s = find(b, uid);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		s->uid = uid;
		HASH_ADD(hh, b->shares, uid, sizeof(s->uid), s);
		if (!s->hh.tbl) {
			free(s);
			return -ENOMEM;
		}
	}
	s->taken += n;
	b->taken += n;
	return 0;
}

int sysv_budget_take(struct sysv_budget *b, uid_t uid, uint64_t n, uint64_t size)
{
	int r;

	pthread_mutex_lock(&b->lock);
	r = refresh(b);
	if (r == 0 && size > b->limits.file)
		r = -EFBIG;
	if (r == 0)
		r = check(b, uid, n);
	if (r == 0)
		r = count(b, uid, n);
	pthread_mutex_unlock(&b->lock);
	return r;
}

int sysv_budget_force(struct sysv_budget *b, uid_t uid, uint64_t n)
{
	int r;

	pthread_mutex_lock(&b->lock);
	r = count(b, uid, n);
	pthread_mutex_unlock(&b->lock);
	return r;
}

void sysv_budget_give(struct sysv_budget *b, uid_t uid, uint64_t n)
{
	struct sysv_share *s;

	if (n == 0)
		return;
	pthread_mutex_lock(&b->lock);
	s = find(b, uid);
	b->taken -= n;
	s->taken -= n;
	if (s->taken == 0) {
		HASH_DELETE(hh, b->shares, s);
		free(s);
	}
	pthread_mutex_unlock(&b->lock);
}
