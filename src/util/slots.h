/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Numbers for things that a peer names by number: a 64-bit number, 0 never among them,
 * that leads to a pointer in constant time and is not given twice (not before 2^24 others
 * were given). Not locked: the owner of the table locks it.
 */
#include <stddef.h>
#include <stdint.h>

#define SLOTS_CHUNK 64 /* slots that come and go together */
#define SLOTS_BITS  56 /* of a number; those above are free for its user */

struct chunk;

struct slots {
	struct chunk **chunks; /* by place; NULL where there is none now */
	uint32_t places;
	uint32_t n;         /* slots there are */
	uint32_t used;      /* slots in use */
	struct chunk *open; /* those with a free slot, a list */
	uint32_t hole;      /* no place before this one is without a chunk */
	uint32_t uses;      /* the most of any slot of chunks that are gone */
};

#define SLOTS_INIT                        \
	{                                 \
		NULL, 0, 0, 0, NULL, 0, 0 \
	}

/* Takes a slot for @p, which must not be NULL. Returns 0, -ENOMEM, or -ENFILE at 2^31. */
int slots_add(struct slots *s, void *p, uint64_t *ret_number);
/* Puts @p where @number leads, which another table gave: 0, -ENOMEM, or -EEXIST. */
int slots_put(struct slots *s, void *p, uint64_t number);
/* The place of @number, from 0 on: no two that are in use at a time have the same. */
static inline uint32_t slots_index(uint64_t number)
{
	return (uint32_t)number - 1;
}
/* How often that place was used before; and slots made from now on were @uses times. */
static inline uint32_t slots_uses(uint64_t number)
{
	return (uint32_t)(number >> 32);
}
void slots_skip_uses(struct slots *s, uint32_t uses);
/* The pointer behind @number, or NULL where there is none (any more). */
void *slots_get(const struct slots *s, uint64_t number);
/* Gives the slot back and returns what was there, or NULL. */
void *slots_remove(struct slots *s, uint64_t number);
/* Iterates: the first pointer at or behind slot *@at, which is moved behind it; NULL at
 * the end. */
void *slots_next(const struct slots *s, uint32_t *at);
/* Frees the table; what the pointers lead to is their owner's. */
void slots_done(struct slots *s);
