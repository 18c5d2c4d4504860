/* SPDX-License-Identifier: MIT */
/* The life of a file system, and what goes on in it besides requests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/changes.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/internal.h"
#include "fs/range.h"

static void init_released(struct fs *fs)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&fs->released, &attributes);
	pthread_condattr_destroy(&attributes);
}

int fs_new(const struct fs_config *config, struct fs **ret)
{
	_cleanup_(cleanup_fs) struct fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return -ENOMEM;
	pthread_mutex_init(&fs->lock, NULL);
	init_released(fs);
	refusals_init(&fs->refusals);
	quota_init(&fs->open, config->files, config->shared);
	quota_init(&fs->streams, DIR_MAX, config->shared);
	quota_init(&fs->ranges, RANGES_MAX, config->shared);
	fs->recent.timer = -1;
	fs->backing = config->backing;
	fs->keeps = config->keeps;
	/* Tells the nodes of this mount from those of an earlier one with the same
	 * numbers. */
	fs->generation = (uint64_t)time(NULL);
	r = recent_init(&fs->recent);
	if (r == 0)
		r = node_add_root(fs);
	if (r == 0 && fs->keeps)
		r = changes_init(fs, config->kind);
	if (r < 0)
		return r;
	if (config->handles > 0 && config->handles < RECENT_MAX)
		fs->recent.places = config->handles;
	fs->kind = config->kind;
	*ret = take_ptr(fs);
	return 0;
}

struct fs *fs_free(struct fs *fs)
{
	if (!fs)
		return NULL;
	file_drop_all(fs);
	dir_drop_all(fs);
	recent_done(&fs->recent);
	node_drop_all(fs);
	changes_done(fs);
	kind_free(fs->kind);
	refusals_done(&fs->refusals);
	quota_done(&fs->ranges);
	quota_done(&fs->streams);
	quota_done(&fs->open);
	pthread_cond_destroy(&fs->released);
	pthread_mutex_destroy(&fs->lock);
	ledger_free(fs->ledger);
	free(fs);
	return NULL;
}

void fs_set_direct(struct fs *fs)
{
	fs->backing = NULL;
}

struct fs_usage fs_usage(struct fs *fs)
{
	struct fs_usage usage;

	pthread_mutex_lock(&fs->lock);
	usage = (struct fs_usage){ .nodes = fs->nodes.used,
				   .files = fs->files.used,
				   .dirs = fs->dirs.used };
	pthread_mutex_unlock(&fs->lock);
	return usage;
}

int fs_watch(struct fs *fs)
{
	return kind_watch(fs->kind);
}

int fs_removed(struct fs *fs, char name[256])
{
	struct kind_event event;
	int r;

	if (fs->lost) {
		fs->lost = false;
		return -EOVERFLOW;
	}
	do
		r = kind_event(fs->kind, &event);
	while (r > 0 && (!event.name[0] || echo_take(&fs->echo, event.name)));
	if (r > 0)
		strcpy(name, event.name);
	return r;
}

/* The node at or behind slot *@at that no file has open, with a reference, or NULL. */
static struct node *next_idle(struct fs *fs, uint32_t *at)
{
	struct node *n;

	pthread_mutex_lock(&fs->lock);
	do
		n = slots_next(&fs->nodes, at);
	while (n && (n->opened || !n->name));
	if (n)
		n->refs++;
	pthread_mutex_unlock(&fs->lock);
	return n;
}

void fs_sweep(struct fs *fs, void (*gone)(void *context, const char *name), void *context)
{
	struct node_names names;
	uint32_t at = 0;
	struct node *n;

	while ((n = next_idle(fs, &at))) {
		node_names(fs, n, &names);
		for (unsigned int i = 0; i < names.n; i++)
			if (!name_leads_to(fs, names.text[i], &n->id))
				gone(context, names.text[i]);
		node_put(fs, n);
	}
}

int fs_timer(struct fs *fs)
{
	return fs->recent.timer;
}

void fs_expire(struct fs *fs)
{
	recent_expire(&fs->recent);
}
