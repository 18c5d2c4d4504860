/* SPDX-License-Identifier: MIT */
/*
 * What the kernel keeps must end: nothing that it has from before a change may survive
 * our telling it. It has it from answers, and there are three kinds.
 *
 * Attributes of a node that the kernel knew before: it drops an answer to a request that
 * it sent before it was told (but for SETATTR, whose answer is never kept).
 *
 * Names, and the attributes of nodes that come with them: it takes any answer, but holds
 * the lock of the directory until it has taken it in, and so does whoever tells it a
 * name. So after telling a name, or with @settle, such answers have arrived.
 *
 * What we remember of them, since we are told names but must tell nodes: a request that
 * began before a batch of changes may record what it found after we looked. It notices
 * that fs->changes moved, and then neither is it kept nor is its name sure.
 *
 * An object is found by name, so its attributes are kept while it surely has the name
 * that its node has, and no other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/changes.h"
#include "fs/internal.h"
#include "util/hash.h"

#define ACL_ACCESS "system.posix_acl_access"

/* Names to tell about at once; events of one name are one. */
#define BATCH_MAX 128

struct batch {
	unsigned int n;
	uint32_t hashes[BATCH_MAX];
	struct kind_event events[BATCH_MAX];
	bool lost; /* events were */
};

/* Names are kept for all users alike, so all must be allowed to look them up. */
static bool is_open_to_all(struct kind *kind)
{
	struct native_file *root = kind_root(kind);
	struct object_info info;

	return native_stat(root, &info) == 0 && (info.stat.st_mode & 0111) == 0111 &&
	       native_getxattr(root, NULL, ACL_ACCESS, NULL, 0) < 0;
}

int changes_init(struct fs *fs, struct kind *kind)
{
	fs->batch = calloc(1, sizeof(*fs->batch));
	if (!fs->batch)
		return -ENOMEM;
	fs->open_to_all = is_open_to_all(kind);
	return 0;
}

void changes_done(struct fs *fs)
{
	table_done(&fs->aliases);
	table_done(&fs->by_name);
	free(fs->batch);
}

bool changes_keep_name(struct fs *fs, uint64_t since)
{
	return fs->keeps && atomic_load(&fs->open_to_all) &&
	       since == atomic_load(&fs->changes);
}

static void add(struct batch *b, const struct kind_event *event)
{
	uint32_t hash = hash_string(event->name);

	for (unsigned int i = 0; i < b->n; i++) {
		if (b->hashes[i] == hash && strcmp(b->events[i].name, event->name) == 0) {
			b->events[i].what |= event->what;
			return;
		}
	}
	b->hashes[b->n] = hash;
	b->events[b->n++] = *event;
}

/* Reads what there is: 0, or fills the batch: 1, or a negative errno but -EOVERFLOW. */
static int read_batch(struct fs *fs, struct batch *b)
{
	struct kind_event event;
	int r = 0;

	b->n = 0;
	b->lost = fs->lost;
	fs->lost = false;
	while (b->n < BATCH_MAX) {
		r = kind_event(fs->kind, &event);
		if (r == -EOVERFLOW)
			b->lost = true;
		else if (r <= 0)
			break;
		else
			add(b, &event);
	}
	if (b->n == BATCH_MAX)
		return 1;
	return r < 0 && r != -EOVERFLOW ? r : 0;
}

static void begin(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
	atomic_fetch_add(&fs->changes, 1);
	pthread_mutex_unlock(&fs->lock);
}

/* What is called @name by now has changed, and all else known by that name has lost it.
 */
static void tell_name(struct fs *fs, const struct fs_listener *l, const char *name)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct object_info info;
	uint64_t node;
	bool there = kind_lookup(fs->kind, NULL, name, &handle, &info) == 0;

	while ((node = node_unname(fs, name, there ? &info.id : NULL)))
		l->node(l->context, node);
	node = there ? node_number(fs, &info.id) : 0;
	if (node)
		l->node(l->context, node);
}

static void tell_batch(struct fs *fs, const struct fs_listener *l, const struct batch *b)
{
	bool names = false;

	for (unsigned int i = 0; i < b->n; i++) {
		if (!b->events[i].name[0] ||
		    !(b->events[i].what & (KIND_GONE | KIND_COME)))
			continue;
		l->name(l->context, b->events[i].name);
		names = true;
	}
	if (!names)
		l->settle(l->context);
	for (unsigned int i = 0; i < b->n; i++)
		if (b->events[i].name[0])
			tell_name(fs, l, b->events[i].name);
		else
			names = true;
	if (names)
		l->node(l->context, FS_ROOT);
}

/* The node at or behind slot *@at, with a reference, or NULL. The root is none. */
static struct node *next_node(struct fs *fs, uint32_t *at)
{
	struct node *n;

	pthread_mutex_lock(&fs->lock);
	do
		n = slots_next(&fs->nodes, at);
	while (n && !n->name);
	if (n)
		n->refs++;
	pthread_mutex_unlock(&fs->lock);
	return n;
}

/* Nobody can say what happened: any name and any node may have changed. */
static void tell_all(struct fs *fs, const struct fs_listener *l)
{
	struct node_names names;
	uint32_t at = 0;
	struct node *n;

	/* The kernel may count a name as new when it takes in the answer, however old. */
	l->settle(l->context);
	l->names(l->context);
	for (unsigned int i = 0; i < fs->batch->n; i++)
		if (fs->batch->events[i].name[0])
			l->name(l->context, fs->batch->events[i].name);
	while ((n = next_node(fs, &at))) {
		node_names(fs, n, &names);
		for (unsigned int i = 0; i < names.n; i++) {
			if (!name_leads_to(fs, names.text[i], &n->id))
				l->name(l->context, names.text[i]);
			tell_name(fs, l, names.text[i]);
		}
		l->node(l->context, n->number);
		node_put(fs, n);
	}
	l->node(l->context, FS_ROOT);
}

/* Whether names that were kept must not be any longer. */
static bool was_closed(struct fs *fs, const struct batch *b)
{
	bool before = atomic_load(&fs->open_to_all);

	for (unsigned int i = 0; i < b->n; i++)
		if (!b->events[i].name[0])
			atomic_store(&fs->open_to_all, is_open_to_all(fs->kind));
	return before && !atomic_load(&fs->open_to_all);
}

int fs_tell_changes(struct fs *fs, const struct fs_listener *listener)
{
	struct batch *b = fs->batch;
	int r = read_batch(fs, b);
	bool closed;

	if (b->n == 0 && !b->lost)
		return r;
	/* Before it begins: what is found after that is kept without being told of this.
	 */
	closed = was_closed(fs, b);
	begin(fs);
	if (closed || b->lost)
		tell_all(fs, listener);
	else
		tell_batch(fs, listener, b);
	return r;
}
