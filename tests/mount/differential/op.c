/* SPDX-License-Identifier: MIT */
/*
 * What is drawn is small on purpose: few names, few descriptors and short files, so that
 * the operations meet each other all the time, with a few wild values in between, for
 * which the kernel has a refusal.
 */
#include <string.h>

#include "calls.h"
#include "op.h"

#define TEN     "nnnnnnnnnn"
#define FIFTY   TEN TEN TEN TEN TEN
#define LONGEST FIFTY FIFTY FIFTY FIFTY FIFTY "nnnnn"

static const struct {
	const char *text, *label;
} names[NAMES] = {
	{ "a", "a" },
	{ "b", "b" },
	{ "Boost", "Boost" },
	{ ".hidden", ".hidden" },
	{ "...", "..." },
	{ "sem.x", "sem.x" },
	{ "gr\xc3\xb6\xc3\x9f"
	  "e \xe2\x9c\x93",
	  "<UTF-8>" },
	{ "\xff\n", "<no UTF-8>" },
	{ LONGEST, "<255 bytes>" },
	/* From here on none that an object can have. */
	{ LONGEST "n", "<256 bytes>" },
	{ "a/", "a/" },
	{ "a/b", "a/b" },
	{ "Boost/..", "Boost/.." },
};

const char *name_text(unsigned int name)
{
	return names[name].text;
}

const char *name_label(unsigned int name)
{
	return names[name].label;
}

unsigned int name_find(const char *text)
{
	unsigned int i = 0;

	while (i < NAMES && strcmp(names[i].text, text) != 0)
		i++;
	return i;
}

unsigned int choose(const struct op *op, unsigned int what, unsigned int of)
{
	return (unsigned int)(random_mix(op->bits + (what + 1) * 0x9e3779b97f4a7c15u) %
			      of);
}

bool chance(const struct op *op, unsigned int what, unsigned int percent)
{
	return choose(op, what, 100) < percent;
}

const void *op_bytes(const struct op *op)
{
	static uint64_t bytes[OP_LENGTH_MAX / 4];

	if (!bytes[0]) {
		for (size_t i = 0; i < OP_LENGTH_MAX / 4; i++)
			bytes[i] = random_mix(i + 1);
	}
	return &bytes[op->bits % (OP_LENGTH_MAX / 8)];
}

static unsigned int draw(struct random *random, unsigned int of)
{
	return (unsigned int)(random_next(random) % of);
}

static int64_t draw_offset(struct random *random)
{
	unsigned int kind = draw(random, 100);

	if (kind < 62)
		return draw(random, 20000);
	if (kind < 80)
		return 4096 * (int64_t)draw(random, 16);
	if (kind < 90)
		return draw(random, 1 << 20);
	if (kind < 93)
		return ((int64_t)1 << 40) + draw(random, 10000);
	if (kind < 95)
		return INT64_MAX - draw(random, 70000);
	if (kind < 98)
		return -(int64_t)draw(random, 5000) - 1;
	return 0;
}

static size_t draw_length(struct random *random)
{
	unsigned int kind = draw(random, 100);

	if (kind < 40)
		return draw(random, 300);
	if (kind < 90)
		return draw(random, 20000);
	if (kind < 95)
		return 4096 * (1 + draw(random, 8));
	return OP_LENGTH_MAX - draw(random, 3);
}

static unsigned int draw_name(struct random *random)
{
	bool valid = draw(random, 100) < 93;
	unsigned int name = draw(random, NAMES_VALID);

	return valid ? name : NAMES_VALID + draw(random, NAMES - NAMES_VALID);
}

static mode_t draw_mode(struct random *random)
{
	static const mode_t usual[] = { 0600, 0644, 0660, 0666, 0777 };
	mode_t any = draw(random, 01000);

	return draw(random, 3) ? usual[draw(random, 5)] : any;
}

static enum actor draw_actor(struct random *random)
{
	unsigned int kind = draw(random, 100);

	if (kind < 65)
		return ACTOR_HERE;
	return kind < 82 ? ACTOR_OTHER : ACTOR_NATIVE;
}

void op_draw(struct random *random, bool users, struct op *ret)
{
	static const mode_t umasks[] = { 0, 022, 022, 077, 0124 };
	struct op op = {
		.call = call_draw(random_next(random)),
		.actor = draw_actor(random),
		.user = draw(random, USERS),
		.slot = draw(random, SLOTS),
		.other = draw(random, SLOTS),
		.map = draw(random, MAPS),
		.name = draw_name(random),
		.to = draw_name(random),
		.offset = draw_offset(random),
		.other_offset = draw_offset(random),
		.length = draw_length(random),
		.mode = draw_mode(random),
		.umask = umasks[draw(random, 5)],
		.bits = random_next(random),
	};

	if (!users)
		op.user = USER_ROOT;
	*ret = op;
}
