/* SPDX-License-Identifier: MIT */
/* A short list for each node, as hardly any object has more than two names. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/alias.h"
#include "fs/internal.h"
#include "util/hash.h"

/* Takes the alias out that @at leads to. */
static void drop(struct fs *fs, struct alias **at)
{
	struct alias *a = *at;

	assert(a);
	if (fs->keeps)
		table_remove(&fs->aliases, &a->by_name);
	*at = a->next;
	free(a);
}

static struct alias **find(struct node *n, const char *name)
{
	struct alias **at = &n->aliases;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

/* Lets the oldest go where there is one too many. */
static void trim(struct fs *fs, struct node *n)
{
	struct alias **at = &n->aliases;
	unsigned int before = 0;

	for (; *at && before < ALIASES_MAX; before++)
		at = &(*at)->next;
	if (*at)
		drop(fs, at);
}

int alias_add(struct fs *fs, struct node *n, const char *name, uint32_t seen,
	      const char *instead)
{
	size_t size = strlen(name) + 1;
	struct alias *a = malloc(sizeof(*a) + size);

	if (!a ||
	    (fs->keeps && table_add(&fs->aliases, &a->by_name, hash_string(name)) < 0)) {
		free(a);
		return -ENOMEM;
	}
	a->node = n;
	a->seen = seen;
	memcpy(a->name, name, size);
	a->next = n->aliases;
	n->aliases = a;
	alias_remove(fs, n, instead);
	trim(fs, n);
	return 0;
}

void alias_remove(struct fs *fs, struct node *n, const char *name)
{
	struct alias **at = find(n, name);

	if (*at)
		drop(fs, at);
}

void alias_remove_all(struct fs *fs, struct node *n)
{
	while (n->aliases)
		drop(fs, &n->aliases);
}

struct node *alias_unname(struct fs *fs, const char *name, const struct object_id *id)
{
	struct link *l = table_first(&fs->aliases, hash_string(name));

	for (; l; l = table_next(l)) {
		struct alias *a = (void *)l;
		struct node *n = a->node;

		if (strcmp(a->name, name) != 0 ||
		    a->seen == (uint32_t)atomic_load(&fs->changes) ||
		    (id && memcmp(&n->id, id, sizeof(*id)) == 0))
			continue;
		drop(fs, find(n, name));
		return n;
	}
	return NULL;
}

void alias_removed(struct fs *fs, const char *name)
{
	struct link *l = table_first(&fs->aliases, hash_string(name));

	while (l) {
		struct alias *a = (void *)l;

		if (strcmp(a->name, name) != 0) {
			l = table_next(l);
			continue;
		}
		drop(fs, find(a->node, name));
		/* Who goes may move the rest. */
		l = table_first(&fs->aliases, hash_string(name));
	}
}
