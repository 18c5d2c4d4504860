/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The ranges that one owner has locked, as the kernel keeps them: sorted, none overlaps
 * another, and those of one type do not touch.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All owners may have so many, as quota.h says. */
#define RANGES_MAX 65536

struct range {
	int64_t start;
	int64_t end; /* the last byte */
	short type;  /* F_RDLCK, F_WRLCK; F_UNLCK: nothing is locked */
};

struct ranges {
	struct range *at;
	size_t n, room;
};

/* The range of a lock relative to SEEK_SET, which a kernel has taken. */
struct range range_of(const struct flock *lock);
struct flock range_lock(const struct range *range);

/* Makes room for one more ranges_set(), which then cannot fail: 0 or -ENOMEM. */
int ranges_reserve(struct ranges *r);
/* Sets all of @range to its type. */
void ranges_set(struct ranges *r, const struct range *range);
/* Whether @range lies within one of them with something left over on either side. */
bool ranges_splits(const struct ranges *r, const struct range *range);
/* Whether @range is one of them. */
bool ranges_has(const struct ranges *r, const struct range *range);
void ranges_done(struct ranges *r);
