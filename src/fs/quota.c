/* SPDX-License-Identifier: MIT */
/*
 * One rule, and no table of who may have how much: a share is compared with what it
 * leaves. It holds for any number of users, needs no figure that somebody would have to
 * choose, and a machine with one user loses half of a limit that can be raised.
 */
#include <errno.h>
#include <stdlib.h>

/* Memory may run out, and then the request fails, not we. */
#define HASH_NONFATAL_OOM          1
/* Users choose what is hashed. */
#define HASH_FUNCTION(key, n, ret) ((ret) = hash_bytes(key, n))
#include <uthash.h>

#include "fs/quota.h"
#include "util/hash.h"

#define OF_ROOT(max) ((max) / 16)

/* What one user has; it is there for as long as that is anything. */
struct share {
	uid_t uid;
	unsigned int taken;
	UT_hash_handle hh;
};

void quota_init(struct quota *q, unsigned int max, bool shared)
{
	*q = (struct quota){ .max = max, .shared = shared };
	pthread_mutex_init(&q->lock, NULL);
}

void quota_done(struct quota *q)
{
	struct share *s, *next;

	HASH_ITER(hh, q->shares, s, next) {
		HASH_DELETE(hh, q->shares, s);
		free(s);
	}
	pthread_mutex_destroy(&q->lock);
}

/* Called with the lock held, as all below that take a share. */
static struct share *find(const struct quota *q, uid_t uid)
{
	struct share *s;

	HASH_FIND(hh, q->shares, &uid, sizeof(uid), s);
	return s;
}

static int check(const struct quota *q, uid_t uid, const struct share *s, unsigned int n)
{
	unsigned int own, left;

	if (q->max == 0)
		return 0;
	own = q->shared && uid != 0 ? OF_ROOT(q->max) : 0;
	if (q->taken + own + n > q->max)
		return -ENFILE;
	if (!q->shared || uid == 0 || !s)
		return 0;
	left = q->max - own - q->taken;
	return s->taken + n <= left ? 0 : -EMFILE;
}

static int add_share(struct quota *q, uid_t uid, struct share **ret)
{
	struct share *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->uid = uid;
	HASH_ADD(hh, q->shares, uid, sizeof(s->uid), s);
	if (!s->hh.tbl) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static int count(struct quota *q, uid_t uid, struct share *s, unsigned int n)
{
	int r = s ? 0 : add_share(q, uid, &s);

	if (r < 0)
		return r;
	s->taken += n;
	q->taken += n;
	return 0;
}

int quota_take_many(struct quota *q, uid_t uid, unsigned int n)
{
	struct share *s;
	int r;

	pthread_mutex_lock(&q->lock);
	s = find(q, uid);
	r = check(q, uid, s, n);
	if (r == 0)
		r = count(q, uid, s, n);
	pthread_mutex_unlock(&q->lock);
	return r;
}

int quota_take(struct quota *q, uid_t uid)
{
	return quota_take_many(q, uid, 1);
}

int quota_force(struct quota *q, uid_t uid)
{
	int r;

	pthread_mutex_lock(&q->lock);
	r = count(q, uid, find(q, uid), 1);
	pthread_mutex_unlock(&q->lock);
	return r;
}

bool quota_is_full(struct quota *q, uid_t uid)
{
	int r;

	pthread_mutex_lock(&q->lock);
	r = check(q, uid, find(q, uid), 1);
	pthread_mutex_unlock(&q->lock);
	return r < 0;
}

void quota_give_many(struct quota *q, uid_t uid, unsigned int n)
{
	struct share *s;

	pthread_mutex_lock(&q->lock);
	s = find(q, uid);
	q->taken -= n;
	s->taken -= n;
	if (s->taken == 0) {
		HASH_DELETE(hh, q->shares, s);
		free(s);
	}
	pthread_mutex_unlock(&q->lock);
}

void quota_give(struct quota *q, uid_t uid)
{
	quota_give_many(q, uid, 1);
}
