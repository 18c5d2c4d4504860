/* SPDX-License-Identifier: MIT */
/*
 * A request is known to take long only when it does, so nothing here costs a request that
 * does not; and a user who has his share of such requests is put off whatever he asks of
 * a file, since it may wait for the same object.
 *
 * What is put off waits for some request that takes long to end, and there is one: else
 * nobody would have his share, and no directory would be waited for. Whoever ends looks
 * for what can be served then, so the last one finds all that is left.
 */
#include <assert.h>
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/slow.h"

/* The memory of all requests that are put off: mostly data of writes. */
#define MEMORY_KIB (128 << 10)

void slow_init(struct slow *s, int fd, unsigned int threads,
	       const struct dispatch_loss *loss)
{
	*s = (struct slow){ .fd = fd, .loss = loss };
	quota_init(&s->quota, threads > 0 ? threads : 1, true);
	quota_init(&s->memory, MEMORY_KIB, true);
	pthread_mutex_init(&s->lock, NULL);
}

void slow_done(struct slow *s)
{
	struct slow_request *r, *next;

	DL_FOREACH_SAFE(s->list, r, next)
	{
		DL_DELETE(s->list, r);
		free(r);
	}
	pthread_mutex_destroy(&s->lock);
	quota_done(&s->quota);
	quota_done(&s->memory);
}

/* Called with the lock held. What is known of @node, or NULL. */
static struct slow_node *find(struct slow *s, uint64_t node)
{
	for (int i = 0; i < SLOW_NODES; i++)
		if (s->nodes[i].waiting > 0 && s->nodes[i].node == node)
			return &s->nodes[i];
	return NULL;
}

/* Called with the lock held. One more thread waits for @node. */
static struct slow_node *add_waiting(struct slow *s, uint64_t node)
{
	struct slow_node *n = find(s, node);

	for (int i = 0; i < SLOW_NODES && !n; i++)
		if (s->nodes[i].waiting == 0)
			n = &s->nodes[i];
	/* There are as many places as threads. */
	assert(n);
	n->node = node;
	n->waiting++;
	return n;
}

static void refuse(const struct slow *s, const struct demand *d, int error)
{
	/* A caller who is gone need not be told. */
	if (demand_answer(d, s->fd, error) && s->loss->tell)
		s->loss->tell(s->loss->context, d->thread);
}

static unsigned int kib(size_t size)
{
	return (unsigned int)((size + 1023) / 1024);
}

/* Called with the lock held. */
static int add(struct slow *s, const struct demand *d, const struct fuse_buf *buf)
{
	struct slow_request *r;

	if (quota_take_many(&s->memory, d->uid, kib(buf->size)) < 0)
		return -ENOMEM;
	r = malloc(sizeof(*r) + buf->size);
	if (!r) {
		quota_give_many(&s->memory, d->uid, kib(buf->size));
		return -ENOMEM;
	}
	r->demand = *d;
	r->age = 0;
	r->size = buf->size;
	memcpy(r->bytes, buf->mem, buf->size);
	DL_APPEND(s->list, r);
	return 0;
}

/* Called with the lock held. */
static void take_out(struct slow *s, struct slow_request *r)
{
	DL_DELETE(s->list, r);
	quota_give_many(&s->memory, r->demand.uid, kib(r->size));
}

/* Called with the lock held. Returns 1 where the request is to be served. */
static int put_off(struct slow *s, const struct demand *d, const struct fuse_buf *buf)
{
	const struct slow_node *busy;

	if (s->stopped)
		return 1;
	busy = find(s, d->node);
	if (busy && busy->given_up > 0)
		return -EBUSY;
	if (d->class == DEMAND_FILE)
		return quota_is_full(&s->quota, d->uid) ? add(s, d, buf) : 1;
	return busy ? add(s, d, buf) : 1;
}

bool slow_put_off(struct slow *s, const struct demand *d, const struct fuse_buf *buf)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = put_off(s, d, buf);
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		refuse(s, d, r);
	return r <= 0;
}

static bool is_busy(struct slow *s, uint64_t node)
{
	bool busy;

	pthread_mutex_lock(&s->lock);
	busy = find(s, node);
	pthread_mutex_unlock(&s->lock);
	return busy;
}

enum slow_verdict slow_admit(struct slow *s, const struct demand *d,
			     const struct fuse_buf *buf)
{
	if (atomic_load(&s->n) == 0 || d->class == DEMAND_NOTHING)
		return SLOW_SERVE;
	/* A name that is there is found without the directory. */
	if (d->opcode == FUSE_LOOKUP)
		return is_busy(s, d->node) ? SLOW_HURRY : SLOW_SERVE;
	return slow_put_off(s, d, buf) ? SLOW_TAKEN : SLOW_SERVE;
}

/* Called with the lock held. */
static void begin(struct slow *s, struct demand *d)
{
	d->counted = quota_force(&s->quota, d->uid) == 0;
	atomic_fetch_add(&s->n, 1);
	if (d->class == DEMAND_DIRECTORY)
		add_waiting(s, d->node);
}

void slow_begin(struct slow *s, struct demand *d)
{
	pthread_mutex_lock(&s->lock);
	begin(s, d);
	pthread_mutex_unlock(&s->lock);
}

/* Called with the lock held. Takes those out of the list that wait for @node (0: for any
 * of @class), and have done so for @age at least. */
static struct slow_request *take_waiting(struct slow *s, uint64_t node,
					 enum demand_class class, uint64_t age)
{
	struct slow_request *taken = NULL, *r, *next;

	DL_FOREACH_SAFE(s->list, r, next)
	{
		if (r->age < age ||
		    (node ? r->demand.node != node : r->demand.class != class))
			continue;
		take_out(s, r);
		DL_APPEND(taken, r);
	}
	return taken;
}

static void refuse_all(const struct slow *s, struct slow_request *list)
{
	struct slow_request *r, *next;

	DL_FOREACH_SAFE(list, r, next)
	{
		refuse(s, &r->demand, -EBUSY);
		free(r);
	}
}

void slow_give_up(struct slow *s, const struct demand *d)
{
	struct slow_request *waiting;
	struct slow_node *n;

	pthread_mutex_lock(&s->lock);
	n = d->class == DEMAND_DIRECTORY ? find(s, d->node) : add_waiting(s, d->node);
	n->given_up++;
	waiting = take_waiting(s, d->node, d->class, 0);
	pthread_mutex_unlock(&s->lock);
	refuse(s, d, -EBUSY);
	refuse_all(s, waiting);
}

bool slow_age(struct slow *s, uint64_t ns, bool *ret_files)
{
	struct slow_request *r, *old;
	bool any;

	if (atomic_load(&s->n) == 0)
		return false;
	pthread_mutex_lock(&s->lock);
	DL_FOREACH(s->list, r)
	{
		r->age += ns;
		*ret_files |=
			r->demand.class == DEMAND_FILE && r->age >= SLOW_DIRECTORY_NS;
	}
	old = take_waiting(s, 0, DEMAND_DIRECTORY, SLOW_DIRECTORY_NS);
	any = s->list;
	pthread_mutex_unlock(&s->lock);
	refuse_all(s, old);
	return any;
}

void slow_refuse_files(struct slow *s)
{
	struct slow_request *old;

	pthread_mutex_lock(&s->lock);
	old = take_waiting(s, 0, DEMAND_FILE, SLOW_DIRECTORY_NS);
	pthread_mutex_unlock(&s->lock);
	refuse_all(s, old);
}

/* Called with the lock held. */
static struct slow_request *next(struct slow *s)
{
	struct slow_request *r;

	if (s->stopped)
		return NULL;
	DL_FOREACH(s->list, r)
	{
		if (r->demand.class == DEMAND_DIRECTORY
			    ? find(s, r->demand.node) != NULL
			    : quota_is_full(&s->quota, r->demand.uid))
			continue;
		take_out(s, r);
		begin(s, &r->demand);
		return r;
	}
	return NULL;
}

struct slow_request *slow_end(struct slow *s, const struct demand *d, bool given_up)
{
	struct slow_request *r;

	pthread_mutex_lock(&s->lock);
	if (d->counted)
		quota_give(&s->quota, d->uid);
	if (d->class == DEMAND_DIRECTORY || given_up) {
		struct slow_node *n = find(s, d->node);

		n->waiting--;
		n->given_up -= given_up;
	}
	atomic_fetch_sub(&s->n, 1);
	r = next(s);
	pthread_mutex_unlock(&s->lock);
	return r;
}

void slow_stop(struct slow *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_mutex_unlock(&s->lock);
}
