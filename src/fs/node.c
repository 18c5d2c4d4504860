/* SPDX-License-Identifier: MIT */
/*
 * The table of nodes. A node lives while the kernel remembers it (lookups) or a request
 * or an open file of ours uses it (refs). Two names of one object, as hard links or a
 * native rename make them, lead to one node, so that the object has one backing file.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs/file.h"
#include "fs/internal.h"
#include "util/hash.h"
#include "util/memory.h"

/*
 * Memory goes back to the system when half of the nodes went since it did last, so that
 * it costs little for each of them; fewer than these are not worth it.
 */
#define TRIM_NODES 4096

/* With fs->keeps the link of a node in fs->by_name lies in front of it: else there is
 * none. */
static size_t front(const struct fs *fs)
{
	return fs->keeps ? sizeof(struct link) : 0;
}

static struct link *name_link(struct node *n)
{
	return (void *)((char *)n - sizeof(struct link));
}

static struct node *node_listed(struct link *l)
{
	return (void *)((char *)l + sizeof(*l));
}

/* A node with room for @size bytes of a name. */
static struct node *node_alloc(const struct fs *fs, size_t size)
{
	char *memory = calloc(1, front(fs) + sizeof(struct node) + size);

	return memory ? (void *)(memory + front(fs)) : NULL;
}

static void free_node(struct fs *fs, struct node *n)
{
	alias_remove_all(fs, n);
	if (n->name != n->first_name)
		free(n->name);
	free((char *)n - front(fs));
}

int node_add_root(struct fs *fs)
{
	struct node *n = node_alloc(fs, 0);
	int r;

	if (!n)
		return -ENOMEM;
	n->refs = 1;
	r = slots_add(&fs->nodes, n, &n->number);
	if (r < 0)
		free_node(fs, n);
	else
		assert(n->number == FS_ROOT);
	return r;
}

/* Called with the lock held. */
static void unlist(struct fs *fs, struct node *n)
{
	if (n->listed)
		table_remove(&fs->by_name, name_link(n));
	n->listed = false;
}

/* Called with the lock held. */
static void remove_if_unused(struct fs *fs, struct node *n)
{
	if (n->lookups > 0 || n->refs > 0)
		return;
	ledger_remove_node(fs->ledger, n->number);
	slots_remove(&fs->nodes, n->number);
	table_remove(&fs->nodes_by_id, &n->by_id);
	unlist(fs, n);
	free_node(fs, n);
}

static struct node *node_of(struct link *l)
{
	return l ? (void *)((char *)l - offsetof(struct node, by_id)) : NULL;
}

static uint32_t hash_id(const struct object_id *id)
{
	return hash_bytes(id, sizeof(*id));
}

/* Called with the lock held. */
static struct node *find(struct fs *fs, const struct object_id *id)
{
	struct link *l = table_first(&fs->nodes_by_id, hash_id(id));

	while (l && memcmp(&node_of(l)->id, id, sizeof(*id)) != 0)
		l = table_next(l);
	return node_of(l);
}

static struct node *node_new(const struct fs *fs, const struct object_id *id,
			     const char *name)
{
	size_t size = strlen(name) + 1;
	struct node *n = node_alloc(fs, size);

	if (!n)
		return NULL;
	n->id = *id;
	n->name = memcpy(n->first_name, name, size);
	return n;
}

/* Called with the lock held. */
static int number_node(struct fs *fs, struct node *n)
{
	int r = slots_add(&fs->nodes, n, &n->number);

	if (r < 0)
		return r;
	r = ledger_add_node(fs->ledger, n->number, &n->id);
	if (r < 0)
		slots_remove(&fs->nodes, n->number);
	return r;
}

/* Called with the lock held. */
static int add(struct fs *fs, const struct object_id *id, const char *name,
	       uint64_t since, struct node **ret)
{
	struct node *n = node_new(fs, id, name);
	int r;

	if (!n)
		return -ENOMEM;
	n->seen = (uint32_t)since;
	r = table_add(&fs->nodes_by_id, &n->by_id, hash_id(id));
	if (r == 0) {
		r = number_node(fs, n);
		if (r < 0)
			table_remove(&fs->nodes_by_id, &n->by_id);
	}
	if (r < 0) {
		free_node(fs, n);
		return r;
	}
	if (fs->nodes.used > fs->most_nodes)
		fs->most_nodes = fs->nodes.used;
	*ret = n;
	return 0;
}

/*
 * Called with the lock held. Whether the name that a node has stays known when the node
 * gets another: the object has more than one, and nobody was told the end of it.
 */
static bool stays(const struct fs *fs, const struct node *n,
		  const struct object_info *info)
{
	return n->name[0] && info->stat.st_nlink > 1 && (!fs->keeps || n->listed);
}

/*
 * Called with the lock held. Most often the name is the one that the node has already.
 * What was seen before the last batch of changes began does not replace what is sure: by
 * that we are told of the object. @stays: the name until now becomes an alias.
 */
static int set_name(struct fs *fs, struct node *n, const char *name, uint64_t since,
		    bool stays)
{
	char *copy;

	if (strcmp(n->name, name) == 0) {
		if ((int32_t)((uint32_t)since - n->seen) > 0)
			n->seen = (uint32_t)since;
		return 0;
	}
	if (n->sure && since != atomic_load(&fs->changes))
		return 0;
	copy = strdup(name);
	if (!copy || (stays && alias_add(fs, n, n->name, n->seen, name) < 0)) {
		free(copy);
		return -ENOMEM;
	}
	alias_remove(fs, n, name);
	unlist(fs, n);
	if (n->name != n->first_name)
		free(n->name);
	n->name = copy;
	n->sure = false;
	n->seen = (uint32_t)since;
	return 0;
}

/*
 * Called with the lock held. What was seen before the last batch of changes began may be
 * what the batch tells about, so it makes nothing sure.
 */
static int make_sure(struct fs *fs, struct node *n, uint64_t since)
{
	int r = 0;

	if (!fs->keeps || n->sure || !n->name[0])
		return 0;
	if (!n->listed)
		r = table_add(&fs->by_name, name_link(n), hash_string(n->name));
	if (r < 0)
		return r;
	n->listed = true;
	n->sure = since == atomic_load(&fs->changes);
	return 0;
}

int node_learn(struct fs *fs, const struct object_info *info, const char *name,
	       uint64_t since, uint64_t *ret_number)
{
	struct node *n;
	int r;

	pthread_mutex_lock(&fs->lock);
	n = find(fs, &info->id);
	r = n ? set_name(fs, n, name, since, stays(fs, n, info))
	      : add(fs, &info->id, name, since, &n);
	/* Else they end with what the kernel is told. */
	if (r == 0 && !fs->keeps && info->stat.st_nlink == 1)
		alias_remove_all(fs, n);
	if (r == 0)
		r = make_sure(fs, n, since);
	if (r == 0) {
		n->lookups++;
		ledger_set_lookups(fs->ledger, n->number, n->lookups);
		*ret_number = n->number;
	} else if (n) {
		remove_if_unused(fs, n);
	}
	pthread_mutex_unlock(&fs->lock);
	return r;
}

void node_renamed(struct fs *fs, const struct object_info *info, const char *lost,
		  const char *name, uint64_t since)
{
	struct node *n;
	bool keep;

	pthread_mutex_lock(&fs->lock);
	n = find(fs, &info->id);
	if (n) {
		keep = stays(fs, n, info) && !(lost && strcmp(n->name, lost) == 0);
		if (lost)
			alias_remove(fs, n, lost);
		/* Without memory the node keeps a name that no longer verifies, and is
		 * looked up. */
		if (set_name(fs, n, name, since, keep) == 0)
			make_sure(fs, n, since);
	}
	pthread_mutex_unlock(&fs->lock);
}

bool node_named(struct fs *fs, const struct object_id *id, const char *name)
{
	uint64_t since = atomic_load(&fs->changes);
	struct node *n;
	bool named;

	pthread_mutex_lock(&fs->lock);
	n = find(fs, id);
	named = n && !*n->name && set_name(fs, n, name, since, false) == 0;
	if (named)
		make_sure(fs, n, since);
	pthread_mutex_unlock(&fs->lock);
	return named;
}

/*
 * Called with the lock held. Whether @n was seen under its name since the batch of
 * changes began that is being told. Then the answer about it may be on its way to the
 * kernel, too late to be told anything of; but whatever took the name away came after
 * that, and will be told with a later batch.
 */
static bool is_newer(const struct fs *fs, const struct node *n)
{
	return n->seen == (uint32_t)atomic_load(&fs->changes);
}

/*
 * Called with the lock held. The first that is listed as @name, is not object @id, and
 * was not seen since the batch began.
 */
static struct node *find_named(struct fs *fs, const char *name,
			       const struct object_id *id)
{
	struct link *l = table_first(&fs->by_name, hash_string(name));

	for (; l; l = table_next(l)) {
		struct node *n = node_listed(l);

		if (strcmp(n->name, name) == 0 && !is_newer(fs, n) &&
		    !(id && memcmp(&n->id, id, sizeof(*id)) == 0))
			return n;
	}
	return NULL;
}

uint64_t node_unname(struct fs *fs, const char *name, const struct object_id *id)
{
	struct node *n;
	uint64_t number = 0;

	pthread_mutex_lock(&fs->lock);
	n = find_named(fs, name, id);
	if (n) {
		unlist(fs, n);
		n->sure = false;
	} else {
		n = alias_unname(fs, name, id);
	}
	if (n)
		number = n->number;
	pthread_mutex_unlock(&fs->lock);
	return number;
}

bool node_may_be_kept(struct fs *fs, const char *name)
{
	bool kept;

	if (!fs->keeps)
		return false;
	pthread_mutex_lock(&fs->lock);
	kept = table_first(&fs->by_name, hash_string(name));
	pthread_mutex_unlock(&fs->lock);
	return kept;
}

void node_removed(struct fs *fs, const char *name)
{
	struct link *l;

	if (!fs->keeps)
		return;
	pthread_mutex_lock(&fs->lock);
	alias_removed(fs, name);
	for (l = table_first(&fs->by_name, hash_string(name)); l; l = table_next(l)) {
		struct node *n = node_listed(l);

		if (!n->aliases || strcmp(n->name, name) != 0)
			continue;
		unlist(fs, n);
		n->sure = false;
		break;
	}
	pthread_mutex_unlock(&fs->lock);
}

uint64_t node_number(struct fs *fs, const struct object_id *id)
{
	uint64_t number;
	struct node *n;

	pthread_mutex_lock(&fs->lock);
	n = find(fs, id);
	number = n ? n->number : 0;
	pthread_mutex_unlock(&fs->lock);
	return number;
}

bool node_is_sure(struct fs *fs, uint64_t number)
{
	struct node *n;
	bool sure;

	pthread_mutex_lock(&fs->lock);
	n = slots_get(&fs->nodes, number);
	sure = n && n->sure;
	pthread_mutex_unlock(&fs->lock);
	return sure;
}

/* Called with the lock held. Whether so many nodes went that their memory is to go. */
static bool shall_trim(struct fs *fs)
{
	if (fs->most_nodes < TRIM_NODES || fs->nodes.used > fs->most_nodes / 2)
		return false;
	fs->most_nodes = fs->nodes.used;
	return true;
}

void node_forget(struct fs *fs, uint64_t number, uint64_t lookups)
{
	bool trim = false;
	struct node *n;

	if (number == FS_ROOT)
		return;
	pthread_mutex_lock(&fs->lock);
	n = slots_get(&fs->nodes, number);
	if (n) {
		n->lookups -= lookups < n->lookups ? lookups : n->lookups;
		ledger_set_lookups(fs->ledger, n->number, n->lookups);
		remove_if_unused(fs, n);
		trim = shall_trim(fs);
	}
	if (trim)
		ledger_trim(fs->ledger);
	pthread_mutex_unlock(&fs->lock);
	if (trim)
		memory_trim();
}

void node_put(struct fs *fs, struct node *n)
{
	pthread_mutex_lock(&fs->lock);
	assert(n->refs > 0);
	n->refs--;
	remove_if_unused(fs, n);
	pthread_mutex_unlock(&fs->lock);
}

static void add_name(struct node_names *names, const char *name)
{
	strcpy(names->text[names->n++], name);
}

/*
 * Called with the lock held. Where the kernel keeps names, one that is not listed is one
 * that it was told the end of: such a name counts only if the node has no other.
 */
static void get_names(const struct fs *fs, const struct node *n, struct node_names *ret)
{
	ret->n = 0;
	if (n->name && n->name[0] && (!fs->keeps || n->listed || !n->aliases))
		add_name(ret, n->name);
	for (const struct alias *a = n->aliases; a; a = a->next)
		add_name(ret, a->name);
}

void node_names(struct fs *fs, const struct node *n, struct node_names *ret)
{
	pthread_mutex_lock(&fs->lock);
	get_names(fs, n, ret);
	pthread_mutex_unlock(&fs->lock);
}

struct node *node_get(struct fs *fs, uint64_t number, struct native_file **ret,
		      struct node_names *ret_names)
{
	struct node *n;

	pthread_mutex_lock(&fs->lock);
	n = slots_get(&fs->nodes, number);
	if (n) {
		n->refs++;
		*ret = n->name ? opened_file(n) : kind_root(fs->kind);
		if (*ret)
			native_file_ref(*ret);
		get_names(fs, n, ret_names);
	}
	pthread_mutex_unlock(&fs->lock);
	return n;
}

static int restore(struct fs *fs, struct node *n, const struct ledger_node *record)
{
	int r = table_add(&fs->nodes_by_id, &n->by_id, hash_id(&n->id));

	if (r < 0)
		return r;
	n->number = record->number;
	n->lookups = record->lookups;
	r = slots_put(&fs->nodes, n, n->number);
	if (r < 0)
		table_remove(&fs->nodes_by_id, &n->by_id);
	return r;
}

int node_restore(struct fs *fs, const struct ledger_node *record)
{
	struct node *n = node_new(fs, &record->id, "");
	int r = n ? restore(fs, n, record) : -ENOMEM;

	if (n && r < 0)
		free_node(fs, n);
	if (fs->nodes.used > fs->most_nodes)
		fs->most_nodes = fs->nodes.used;
	return r;
}

void node_drop_unused(struct fs *fs)
{
	uint32_t at = 0;
	struct node *n;

	pthread_mutex_lock(&fs->lock);
	while ((n = slots_next(&fs->nodes, &at)))
		remove_if_unused(fs, n);
	pthread_mutex_unlock(&fs->lock);
}

void node_drop_all(struct fs *fs)
{
	uint32_t at = 0;
	struct node *n;

	table_done(&fs->nodes_by_id);
	while ((n = slots_next(&fs->nodes, &at)))
		free_node(fs, n);
	slots_done(&fs->nodes);
}
