/* SPDX-License-Identifier: MIT */
/*
 * One list out of the tables of calls. It never changes, so that a seed keeps its meaning
 * for as long as no call is added.
 */
#include <string.h>

#include "calls.h"

static const struct call *const tables[] = {
	file_calls, size_calls, map_calls,    attr_calls,
	tell_calls, name_calls, native_calls,
};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

const struct call *call_at(unsigned int index)
{
	unsigned int i = 0;

	for (unsigned int t = 0; t < TABLES; t++)
		for (const struct call *call = tables[t]; call->name; call++)
			if (i++ == index)
				return call;
	return NULL;
}

unsigned int call_find(const char *name)
{
	unsigned int i = 0;

	while (strcmp(call_at(i)->name, name) != 0)
		i++;
	return i;
}

static unsigned int total_weight(void)
{
	static unsigned int total;

	if (!total)
		for (unsigned int i = 0; call_at(i); i++)
			total += call_at(i)->weight;
	return total;
}

unsigned int call_draw(uint64_t random)
{
	unsigned int at = (unsigned int)(random % total_weight());
	unsigned int i = 0;

	while (at >= call_at(i)->weight)
		at -= call_at(i++)->weight;
	return i;
}

void describe_name(const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);

	say(out, "%s", name_label(&name));
}

void describe_names(const struct op *op, struct outcome *out)
{
	struct name to = op_to(op);

	describe_name(op, out);
	say(out, ", %s", name_label(&to));
}

void describe_slot(const struct op *op, struct outcome *out)
{
	say(out, "slot %u", op->slot);
}
