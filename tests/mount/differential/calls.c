/* SPDX-License-Identifier: MIT */
/*
 * One list out of the tables of calls. It never changes, so that a seed keeps its meaning
 * for as long as no call is added.
 */
#include <string.h>

#include "calls.h"

static const struct call *const tables[] = {
	file_calls, space_calls, copy_calls, name_calls,
	attr_calls, xattr_calls, lock_calls, map_calls,
};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

const struct call *call_at(unsigned int index)
{
	unsigned int i = 0;

	for (unsigned int t = 0; t < TABLES; t++) {
		for (const struct call *call = tables[t]; call->name; call++) {
			if (i++ == index)
				return call;
		}
	}
	return NULL;
}

unsigned int call_count(void)
{
	unsigned int n = 0;

	while (call_at(n))
		n++;
	return n;
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

	if (!total) {
		for (unsigned int i = 0; call_at(i); i++)
			total += call_at(i)->weight;
	}
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
