/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A hash table of things that carry a struct link. Their owner hashes and compares them,
 * locks the table, and keeps them alive while they are in it. It grows and shrinks by one
 * bucket at a time: with millions of things nothing ever waits for all to be moved.
 */
#include <stdint.h>

struct link {
	struct link *next;
	uint32_t hash;
};

struct table {
	struct link **buckets;
	uint32_t n;    /* buckets in use */
	uint32_t room; /* buckets allocated */
	uint32_t used; /* things */
};

/* Adds @l, whose hash is @hash. Returns 0 or -ENOMEM. */
int table_add(struct table *t, struct link *l, uint32_t hash);
/* Takes @l out, which must be in. */
void table_remove(struct table *t, struct link *l);
/* The first of those that have @hash, the next of them behind @l; NULL: no more. */
struct link *table_first(const struct table *t, uint32_t hash);
struct link *table_next(const struct link *l);
/* Frees the table; what was in it is its owner's. */
void table_done(struct table *t);
