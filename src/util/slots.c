/* SPDX-License-Identifier: MIT */
/*
 * A number is the slot's index, plus one so that 0 stays free, below and the count of its
 * uses above. Free slots form a list through the table, so that memory follows the most
 * that was ever in use at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "util/slots.h"

#define SLOTS_FIRST 64

struct slot {
	void *pointer; /* NULL: free */
	uint32_t uses;
	uint32_t next; /* next free slot while free */
};

static uint64_t number_of(const struct slots *s, uint32_t i)
{
	return (uint64_t)s->slots[i].uses << 32 | (i + 1);
}

static struct slot *find(const struct slots *s, uint64_t number)
{
	uint32_t i = (uint32_t)number - 1;

	if (i >= s->n || !s->slots[i].pointer || number_of(s, i) != number)
		return NULL;
	return &s->slots[i];
}

static int grow(struct slots *s)
{
	uint32_t n = s->n ? s->n * 2 : SLOTS_FIRST;
	struct slot *slots;

	if (n < s->n || n == UINT32_MAX)
		return -ENFILE;
	slots = realloc(s->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = s->n; i < n; i++)
		slots[i] = (struct slot){ .next = i + 1 };
	s->slots = slots;
	s->n = n;
	return 0;
}

int slots_add(struct slots *s, void *p, uint64_t *ret_number)
{
	struct slot *slot;
	uint32_t i;
	int r;

	if (s->first >= s->n) {
		r = grow(s);
		if (r < 0)
			return r;
	}
	i = s->first;
	slot = &s->slots[i];
	s->first = slot->next;
	slot->pointer = p;
	s->used++;
	*ret_number = number_of(s, i);
	return 0;
}

void *slots_get(const struct slots *s, uint64_t number)
{
	struct slot *slot = find(s, number);

	return slot ? slot->pointer : NULL;
}

void *slots_remove(struct slots *s, uint64_t number)
{
	struct slot *slot = find(s, number);
	void *p;

	if (!slot)
		return NULL;
	p = slot->pointer;
	slot->pointer = NULL;
	slot->uses++;
	slot->next = s->first;
	s->first = (uint32_t)(slot - s->slots);
	s->used--;
	return p;
}

void *slots_next(const struct slots *s, uint32_t *at)
{
	while (*at < s->n) {
		void *p = s->slots[(*at)++].pointer;

		if (p)
			return p;
	}
	return NULL;
}

void slots_done(struct slots *s)
{
	free(s->slots);
	*s = (struct slots)SLOTS_INIT;
}
