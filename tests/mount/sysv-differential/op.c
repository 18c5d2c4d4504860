/* SPDX-License-Identifier: MIT */
/*
 * What is drawn is small on purpose: few keys, few descriptors and short segments, so
 * that the operations meet each other all the time, with a few wild values in between,
 * for which there is a refusal.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "op.h"

static const struct {
	const char *text;
	int32_t key;
} keys[] = {
	{ "0x00000001", 1 },          { "0x7fffffff", INT32_MAX },
	{ "0x80000000", INT32_MIN },  { "0xffffffff", -1 },
	{ "0x0badcafe", 0x0badcafe }, { "0x0BADCAFE", 0x0badcafe },
	{ "0xbadcafe", 0x0badcafe },  { "0x1", 1 },
	{ "0x00000000", 0 },
};

/* What is nothing's name. */
static const char *const bad[] = {
	"0x000000001", "badcafe", "id-01", "id--1",
	"id-",         "id-1x",   "shm",   "id-2147483648",
};

enum {
	KEYS = sizeof(keys) / sizeof(keys[0]),
	BAD = sizeof(bad) / sizeof(bad[0]),
	NAME_PRIVATE = KEYS - 1,
	NAME_ID = KEYS,
	NAME_BAD,
	NAME_LONG = NAME_BAD + BAD,
};

static struct name make_name(unsigned int name, int id)
{
	struct name made = { .meaning = NOTHING };

	if (name < KEYS) {
		made.meaning = BY_KEY;
		made.key = keys[name].key;
		strcpy(made.text, keys[name].text);
	} else if (name == NAME_ID) {
		made.meaning = BY_ID;
		made.id = id;
		snprintf(made.text, sizeof(made.text), "id-%d", id);
	} else if (name == NAME_LONG) {
		made.meaning = TOO_LONG;
		memset(made.text, 'n', NAME_MAX + 1);
	} else {
		strcpy(made.text, bad[name - NAME_BAD]);
	}
	return made;
}

void op_name_id(struct op *op, int id)
{
	op->name = NAME_ID;
	op->id = id;
}

struct name op_name(const struct op *op)
{
	return make_name(op->name, op->id);
}

struct name op_to(const struct op *op)
{
	return make_name(op->to, op->to_id);
}

const char *name_label(const struct name *name)
{
	return name->meaning == TOO_LONG ? "<256 bytes>" : name->text;
}

unsigned int choose(const struct op *op, unsigned int what, unsigned int of)
{
	uint64_t step = (what + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned int)(random_mix(op->bits + step) % of);
}

bool chance(const struct op *op, unsigned int what, unsigned int percent)
{
	return choose(op, what, 100) < percent;
}

const void *op_bytes(const struct op *op)
{
	static uint64_t bytes[OP_LENGTH_MAX / 4];

	if (!bytes[0])
		for (size_t i = 0; i < OP_LENGTH_MAX / 4; i++)
			bytes[i] = random_mix(i + 1);
	return &bytes[op->bits % (OP_LENGTH_MAX / 8)];
}

static unsigned int draw(struct random *random, unsigned int of)
{
	return (unsigned int)(random_next(random) % of);
}

/* A size that segments like to have: often the same, and not all whole pages. */
static int64_t usual_size(struct random *random)
{
	static const int64_t sizes[] = { 1,     100,   4095,  4096, 4097,
					 10000, 12288, 20000, 40000 };

	return sizes[draw(random, sizeof(sizes) / sizeof(sizes[0]))];
}

static int64_t draw_size(struct random *random)
{
	static const int64_t wild[] = {
		0, 0, SHMMAX, SHMMAX + 1, (int64_t)1 << 40, INT64_MAX, -1, INT64_MIN,
	};

	return draw(random, 100) < 90 ? usual_size(random) : wild[draw(random, 8)];
}

static int64_t draw_offset(struct random *random)
{
	unsigned int kind = draw(random, 100);

	if (kind < 40)
		return draw(random, 12000);
	if (kind < 70)
		return usual_size(random) + draw(random, 40) - 20;
	if (kind < 80)
		return 4096 * (int64_t)draw(random, 8);
	if (kind < 83)
		return ((int64_t)1 << 40) + draw(random, 10000);
	if (kind < 86)
		return INT64_MAX - (draw(random, 2) ? draw(random, 70000) : 0);
	if (kind < 89)
		return -(int64_t)draw(random, 5000) - 1;
	return 0;
}

static size_t draw_length(struct random *random)
{
	unsigned int kind = draw(random, 100);

	if (kind < 40)
		return draw(random, 60);
	if (kind < 80)
		return draw(random, 12000);
	if (kind < 95)
		return 4096 * (size_t)(1 + draw(random, 4));
	return OP_LENGTH_MAX - draw(random, 3);
}

static unsigned int draw_name(struct random *random)
{
	unsigned int kind = draw(random, 100);

	if (kind < 48)
		return draw(random, NAME_PRIVATE);
	if (kind < 52)
		return NAME_PRIVATE;
	if (kind < 94)
		return NAME_ID;
	return NAME_BAD + draw(random, BAD + 1);
}

/* Mostly of one that is there, or one that was, or will be. */
static int draw_id(struct random *random, const int *ids, size_t n)
{
	unsigned int kind = draw(random, 100);
	unsigned int at = draw(random, 64);

	if (kind < 88 && n > 0)
		return ids[at % n];
	return kind < 98 ? (int)at : INT_MAX - (int)at;
}

static mode_t draw_mode(struct random *random)
{
	static const mode_t usual[] = { 0600, 0644, 0660, 0666, 0666 };
	mode_t any = draw(random, 01000);

	return draw(random, 5) ? usual[draw(random, 5)] : any;
}

static enum actor draw_actor(struct random *random, unsigned int call)
{
	unsigned int kind = draw(random, 100);

	if (call_at(call)->native)
		return ACTOR_NATIVE;
	return kind < 65 ? ACTOR_HERE : ACTOR_THERE;
}

void op_draw(struct random *random, const int *ids, size_t n, struct op *ret)
{
	static const enum user users[] = {
		USER_ROOT, USER_ROOT, USER_ALICE, USER_ALICE, USER_BOB,
	};
	static const mode_t umasks[] = { 0, 022, 022, 077, 0124 };
	unsigned int call = call_draw(random_next(random));

	*ret = (struct op){
		.call = call,
		.actor = draw_actor(random, call),
		.user = users[draw(random, 5)],
		.slot = draw(random, SLOTS),
		.other = draw(random, SLOTS),
		.map = draw(random, MAPS),
		.name = draw_name(random),
		.to = draw_name(random),
		.id = draw_id(random, ids, n),
		.to_id = draw_id(random, ids, n),
		.offset = draw_offset(random),
		.length = draw_length(random),
		.size = draw_size(random),
		.mode = draw_mode(random),
		.umask = umasks[draw(random, 5)],
		.bits = random_next(random),
	};
}
