/* SPDX-License-Identifier: MIT */
/*
 * Linear hashing: with n buckets, of which 2^k <= n < 2^(k+1), a thing is in the bucket
 * that the lower k+1 bits of its hash name, or where there is no such bucket yet, in that
 * of the lower k bits. One more bucket takes its things from one other.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "util/table.h"

#define ROOM_FIRST 16
#define LOAD       2 /* things for each bucket */

static uint32_t highest_bit(uint32_t n)
{
	return UINT32_C(1) << (31 - __builtin_clz(n));
}

static struct link **bucket_of(const struct table *t, uint32_t hash)
{
	uint32_t bit = highest_bit(t->n);
	uint32_t i = hash & (bit | (bit - 1));

	return &t->buckets[i < t->n ? i : i - bit];
}

static int resize(struct table *t, uint32_t room)
{
	struct link **buckets = realloc(t->buckets, room * sizeof(struct link *));

	if (!buckets)
		return -ENOMEM;
	t->buckets = buckets;
	t->room = room;
	return 0;
}

static int make_first(struct table *t)
{
	int r = resize(t, ROOM_FIRST);

	if (r < 0)
		return r;
	t->n = 1;
	t->buckets[0] = NULL;
	return 0;
}

/* Without memory the chains become longer: that is no reason to refuse anything. */
static void split(struct table *t)
{
	struct link **from, *l;

	if (t->n == t->room && (t->room > UINT32_MAX / 2 || resize(t, t->room * 2) < 0))
		return;
	t->buckets[t->n] = NULL;
	from = &t->buckets[t->n - highest_bit(t->n)];
	l = *from;
	*from = NULL;
	t->n++;
	while (l) {
		struct link *next = l->next;
		struct link **to = bucket_of(t, l->hash);

		l->next = *to;
		*to = l;
		l = next;
	}
}

static void merge(struct table *t)
{
	uint32_t last = t->n - 1;
	struct link **end = &t->buckets[last - highest_bit(last)];

	while (*end)
		end = &(*end)->next;
	*end = t->buckets[last];
	t->n = last;
	if (t->room > ROOM_FIRST && t->n <= t->room / 4)
		resize(t, t->room / 2);
}

int table_add(struct table *t, struct link *l, uint32_t hash)
{
	struct link **bucket;
	int r = t->n ? 0 : make_first(t);

	if (r < 0)
		return r;
	if (t->used / LOAD >= t->n)
		split(t);
	bucket = bucket_of(t, hash);
	*l = (struct link){ .next = *bucket, .hash = hash };
	*bucket = l;
	t->used++;
	return 0;
}

void table_remove(struct table *t, struct link *l)
{
	struct link **at = bucket_of(t, l->hash);

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->next = NULL;
	t->used--;
	if (t->n > 1 && t->used / LOAD < t->n / 2)
		merge(t);
}

static struct link *same(struct link *l, uint32_t hash)
{
	while (l && l->hash != hash)
		l = l->next;
	return l;
}

struct link *table_first(const struct table *t, uint32_t hash)
{
	return t->n ? same(*bucket_of(t, hash), hash) : NULL;
}

struct link *table_next(const struct link *l)
{
	return same(l->next, l->hash);
}

void table_done(struct table *t)
{
	free(t->buckets);
	*t = (struct table){ .buckets = NULL };
}
