/* SPDX-License-Identifier: MIT */
/*
 * A number is the slot's index, plus one so that 0 stays free, below and the count of its
 * uses above. Slots are allocated by the chunk and stay where they are: a table of
 * millions grows without copying. An empty chunk goes when another one has room, so that
 * memory follows what is in use; a later one in its place counts on from the most that
 * any slot was used, so that no number returns.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "util/slots.h"

#define PLACES_FIRST 16
#define PLACES_MAX   (UINT32_MAX / SLOTS_CHUNK)
#define USES_MASK    ((1u << (SLOTS_BITS - 32)) - 1)

struct slot {
	void *pointer; /* NULL: free */
	uint32_t uses;
	uint32_t next; /* next free slot of the chunk while free */
};

struct chunk {
	struct chunk *prev, *next; /* in slots->open, while a slot is free */
	uint32_t place;
	uint32_t used;
	uint32_t first; /* first free slot, or SLOTS_CHUNK */
	struct slot slots[SLOTS_CHUNK];
};

static uint64_t number_of(const struct chunk *c, uint32_t i)
{
	return (uint64_t)c->slots[i].uses << 32 | (c->place * SLOTS_CHUNK + i + 1);
}

/* The chunk of @number where that is in use, and its index there, or NULL. */
static struct chunk *find(const struct slots *s, uint64_t number, uint32_t *ret_i)
{
	uint32_t at = (uint32_t)number - 1;
	uint32_t i = at % SLOTS_CHUNK;
	struct chunk *c;

	if (at / SLOTS_CHUNK >= s->places)
		return NULL;
	c = s->chunks[at / SLOTS_CHUNK];
	if (!c || !c->slots[i].pointer || number_of(c, i) != number)
		return NULL;
	*ret_i = i;
	return c;
}

static int make_places(struct slots *s)
{
	uint32_t n = s->places ? s->places * 2 : PLACES_FIRST;
	struct chunk **chunks;

	if (n > PLACES_MAX)
		return -ENFILE;
	chunks = realloc(s->chunks, n * sizeof(struct chunk *));
	if (!chunks)
		return -ENOMEM;
	memset(chunks + s->places, 0, (n - s->places) * sizeof(struct chunk *));
	s->chunks = chunks;
	s->places = n;
	return 0;
}

/* There must be such a place, and no chunk in it. */
static int add_chunk_at(struct slots *s, uint32_t place)
{
	struct chunk *c = malloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->place = place;
	c->used = 0;
	c->first = 0;
	for (uint32_t i = 0; i < SLOTS_CHUNK; i++)
		c->slots[i] = (struct slot){ .uses = s->uses, .next = i + 1 };
	s->chunks[c->place] = c;
	s->n += SLOTS_CHUNK;
	DL_APPEND(s->open, c);
	return 0;
}

static int add_chunk(struct slots *s)
{
	int r = 0;

	while (s->hole < s->places && s->chunks[s->hole])
		s->hole++;
	if (s->hole == s->places)
		r = make_places(s);
	return r < 0 ? r : add_chunk_at(s, s->hole);
}

static void drop_chunk(struct slots *s, struct chunk *c)
{
	for (uint32_t i = 0; i < SLOTS_CHUNK; i++)
		if (c->slots[i].uses > s->uses)
			s->uses = c->slots[i].uses;
	if (c->place < s->hole)
		s->hole = c->place;
	s->chunks[c->place] = NULL;
	s->n -= SLOTS_CHUNK;
	DL_DELETE(s->open, c);
	free(c);
}

int slots_add(struct slots *s, void *p, uint64_t *ret_number)
{
	struct chunk *c;
	uint32_t i;
	int r;

	if (!s->open) {
		r = add_chunk(s);
		if (r < 0)
			return r;
	}
	c = s->open;
	i = c->first;
	c->first = c->slots[i].next;
	if (c->first == SLOTS_CHUNK)
		DL_DELETE(s->open, c);
	c->slots[i].pointer = p;
	c->used++;
	s->used++;
	*ret_number = number_of(c, i);
	return 0;
}

/* The chunk that slot number @at is in, made if it is not there. */
static int chunk_at(struct slots *s, uint32_t at, struct chunk **ret)
{
	uint32_t place = at / SLOTS_CHUNK;
	int r = 0;

	while (r == 0 && place >= s->places)
		r = make_places(s);
	if (r == 0 && !s->chunks[place])
		r = add_chunk_at(s, place);
	if (r == 0)
		*ret = s->chunks[place];
	return r;
}

int slots_put(struct slots *s, void *p, uint64_t number)
{
	uint32_t at = slots_index(number);
	uint32_t i = at % SLOTS_CHUNK;
	struct chunk *c = NULL;
	uint32_t *link;
	int r = chunk_at(s, at, &c);

	if (r < 0)
		return r;
	assert(c);
	for (link = &c->first; *link != i; link = &c->slots[*link].next)
		if (*link == SLOTS_CHUNK)
			return -EEXIST;
	*link = c->slots[i].next;
	if (c->first == SLOTS_CHUNK)
		DL_DELETE(s->open, c);
	c->slots[i].pointer = p;
	c->slots[i].uses = slots_uses(number) & USES_MASK;
	c->used++;
	s->used++;
	return 0;
}

void slots_skip_uses(struct slots *s, uint32_t uses)
{
	if (uses > s->uses)
		s->uses = uses & USES_MASK;
}

void *slots_get(const struct slots *s, uint64_t number)
{
	uint32_t i;
	struct chunk *c = find(s, number, &i);

	return c ? c->slots[i].pointer : NULL;
}

void *slots_remove(struct slots *s, uint64_t number)
{
	uint32_t i;
	struct chunk *c = find(s, number, &i);
	void *p;

	if (!c)
		return NULL;
	p = c->slots[i].pointer;
	if (c->first == SLOTS_CHUNK)
		DL_APPEND(s->open, c);
	c->slots[i].pointer = NULL;
	c->slots[i].uses = (c->slots[i].uses + 1) & USES_MASK;
	c->slots[i].next = c->first;
	c->first = i;
	c->used--;
	s->used--;
	/* One chunk with room is kept: what comes and goes at its edge allocates nothing.
	 */
	if (c->used == 0 && s->open->next)
		drop_chunk(s, c);
	return p;
}

void *slots_next(const struct slots *s, uint32_t *at)
{
	while (*at / SLOTS_CHUNK < s->places) {
		const struct chunk *c = s->chunks[*at / SLOTS_CHUNK];
		void *p = c ? c->slots[*at % SLOTS_CHUNK].pointer : NULL;

		*at += c ? 1 : SLOTS_CHUNK - *at % SLOTS_CHUNK;
		if (p)
			return p;
	}
	return NULL;
}

void slots_done(struct slots *s)
{
	for (uint32_t i = 0; i < s->places; i++)
		free(s->chunks[i]);
	free(s->chunks);
	*s = (struct slots)SLOTS_INIT;
}
