/* SPDX-License-Identifier: MIT */
/*
 * Each thread has one place of its own, so that to begin and to end costs some stores.
 * What was left by the dead is kept apart until the kernel has asked for it again and got
 * its answer. It never asks again for some of it: what was answered in the last moment,
 * and what its caller does not wait for any more.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/requests.h"

#define PLACES   128 /* more than there are threads */
#define LEFT_MAX 512

/* What the death of so many daemons was is not tried again. */
#define DEATHS_MAX 2

/* Of protocol 7.40; the header at hand may be older. */
#define WIRE_UNIQUE_RESEND (UINT64_C(1) << 63)

/* A cache line apart. */
struct place {
	struct journal journal;
} __attribute__((aligned(64)));

struct shared {
	struct place places[PLACES];
	struct journal left[LEFT_MAX]; /* in turn, see @next */
	unsigned int next;
};

struct requests {
	struct shared *shared;
	atomic_uint threads;  /* that have a place */
	pthread_mutex_t lock; /* of what is left */
};

static _Thread_local struct journal *place;
static _Thread_local struct journal before;

int requests_new(struct requests **ret)
{
	struct requests *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->shared = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED) {
		free(r);
		return -ENOMEM;
	}
	pthread_mutex_init(&r->lock, NULL);
	*ret = r;
	return 0;
}

struct requests *requests_free(struct requests *r)
{
	if (!r)
		return NULL;
	munmap(r->shared, sizeof(*r->shared));
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

static struct journal *find_left(struct requests *r, uint64_t request)
{
	for (unsigned int i = 0; i < LEFT_MAX; i++)
		if (r->shared->left[i].request == request)
			return &r->shared->left[i];
	return NULL;
}

/* In the place of what was left of the same request, or of what was left first. */
static void leave(struct requests *r, const struct journal *j)
{
	struct journal *to = find_left(r, j->request);

	if (!to)
		to = &r->shared->left[r->shared->next++ % LEFT_MAX];
	*to = *j;
}

void requests_take_over(struct requests *r, bool fault, bool goes_on)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		struct journal *j = &r->shared->places[i].journal;

		if (!j->request)
			continue;
		if (fault)
			j->deaths++;
		if (goes_on)
			j->what |= JOURNAL_GOES_ON;
		leave(r, j);
		j->request = 0;
	}
}

static struct journal *take_place(struct requests *r)
{
	unsigned int i = atomic_fetch_add(&r->threads, 1);

	return i < PLACES ? &r->shared->places[i].journal : NULL;
}

/* Makes what is known of @request the thread's. */
static void remember(struct requests *r, uint64_t request)
{
	struct journal *left;

	pthread_mutex_lock(&r->lock);
	left = find_left(r, request);
	/* Where nothing is known it was read and not begun. */
	before = left ? *left : (struct journal){ .request = request };
	pthread_mutex_unlock(&r->lock);
}

static void forget(struct requests *r, uint64_t request)
{
	struct journal *left;

	pthread_mutex_lock(&r->lock);
	left = find_left(r, request);
	if (left)
		left->request = 0;
	pthread_mutex_unlock(&r->lock);
}

/* Who lets go of something does not come back, if it is refused. */
static bool lets_go(uint32_t opcode)
{
	return opcode == FUSE_RELEASE || opcode == FUSE_RELEASEDIR ||
	       opcode == FUSE_FLUSH;
}

int requests_begin(struct requests *r, const void *header)
{
	const struct fuse_in_header *in = header;
	uint64_t request = in->unique & ~WIRE_UNIQUE_RESEND;

	before.request = 0;
	if (in->unique != request)
		remember(r, request);
	if (before.request && !lets_go(in->opcode) &&
	    (before.deaths >= DEATHS_MAX || before.what & JOURNAL_GOES_ON)) {
		forget(r, request);
		return before.deaths >= DEATHS_MAX ? -EIO : -EBUSY;
	}
	if (!place)
		place = take_place(r);
	if (!place)
		return 0;
	if (before.request)
		*place = before;
	place->what = before.request ? before.what : 0;
	place->deaths = before.request ? before.deaths : 0;
	atomic_signal_fence(memory_order_seq_cst);
	place->request = request;
	return 0;
}

void requests_end(struct requests *r)
{
	if (place)
		place->request = 0;
	if (before.request)
		forget(r, before.request);
}

struct journal *requests_mine(void)
{
	return place && place->request ? place : NULL;
}

const struct journal *requests_before(void)
{
	return before.request ? &before : NULL;
}
