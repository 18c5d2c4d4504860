/* SPDX-License-Identifier: MIT */
/*
 * An array costs each change a move of what lies behind it. The kernel's list, which it
 * walks for each change, holds the ranges of all owners.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/range.h"

/* What one change adds at the most: it, and the rest of what it splits. */
#define ADDS 2

struct range range_of(const struct flock *lock)
{
	struct range range = {
		.start = lock->l_start,
		.end = INT64_MAX,
		.type = lock->l_type,
	};

	if (lock->l_len > 0)
		range.end = range.start + (lock->l_len - 1);
	if (lock->l_len < 0) {
		range.end = range.start - 1;
		range.start += lock->l_len;
	}
	return range;
}

struct flock range_lock(const struct range *range)
{
	return (struct flock){
		.l_type = range->type,
		.l_whence = SEEK_SET,
		.l_start = range->start,
		.l_len = range->end == INT64_MAX ? 0 : range->end - range->start + 1,
	};
}

static int ranges_resize(struct ranges *r, size_t room)
{
	struct range *at = realloc(r->at, room * sizeof(*at));

	if (!at)
		return -ENOMEM;
	r->at = at;
	r->room = room;
	return 0;
}

int ranges_reserve(struct ranges *r)
{
	size_t least = r->n + ADDS;

	return least <= r->room ? 0 : ranges_resize(r, 2 * least);
}

/* The first range that ends at or behind @offset, by its place. */
static size_t first_ending(const struct ranges *r, int64_t offset)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->at[middle].end < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool touches(const struct range *before, const struct range *behind)
{
	return before->type == behind->type && before->end != INT64_MAX &&
	       before->end + 1 == behind->start;
}

void ranges_set(struct ranges *r, const struct range *range)
{
	struct range set = *range, pieces[1 + ADDS];
	size_t n = 0, from = first_ending(r, set.start), to;

	if (r->n == 0 && set.type == F_UNLCK)
		return;
	if (from > 0 && touches(&r->at[from - 1], &set))
		from--;
	if (from < r->n && r->at[from].type != set.type &&
	    r->at[from].start < set.start) {
		pieces[n] = r->at[from];
		pieces[n++].end = set.start - 1;
	}
	for (to = from;
	     to < r->n && (r->at[to].start <= set.end || touches(&set, &r->at[to]));
	     to++) {
		if (r->at[to].type != set.type)
			continue;
		if (r->at[to].start < set.start)
			set.start = r->at[to].start;
		if (r->at[to].end > set.end)
			set.end = r->at[to].end;
	}
	if (set.type != F_UNLCK)
		pieces[n++] = set;
	if (to > from && r->at[to - 1].type != set.type && r->at[to - 1].end > set.end) {
		pieces[n] = r->at[to - 1];
		pieces[n++].start = set.end + 1;
	}
	memmove(&r->at[from + n], &r->at[to], (r->n - to) * sizeof(*r->at));
	memcpy(&r->at[from], pieces, n * sizeof(*pieces));
	r->n = r->n - (to - from) + n;
	/* Whoever unlocks much gives its memory back, where there is some for that. */
	if (r->room / 4 > r->n + ADDS)
		ranges_resize(r, 2 * (r->n + ADDS));
}

bool ranges_splits(const struct ranges *r, const struct range *range)
{
	size_t i = first_ending(r, range->start);

	return i < r->n && r->at[i].start < range->start && r->at[i].end > range->end;
}

bool ranges_has(const struct ranges *r, const struct range *range)
{
	size_t i = first_ending(r, range->start);

	return i < r->n && r->at[i].start == range->start && r->at[i].end == range->end &&
	       r->at[i].type == range->type;
}

void ranges_done(struct ranges *r)
{
	free(r->at);
	*r = (struct ranges){ .at = NULL };
}
