/* SPDX-License-Identifier: MIT */
/*
 * Directory streams. An entry that does not fit into a reply is not lost: the stream of
 * the kind is asked again from the position that the kernel names next.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/dir.h"
#include "fs/internal.h"
#include "fs/journal.h"

struct dir {
	pthread_mutex_t lock; /* held over native calls: one reader at a time */
	struct native_list *list;
	unsigned int users; /* the stream itself and requests; protected by fs->lock */
	uid_t uid;          /* whose it counts as */
};

/* With quota_take(), or quota_force() for what was not refused before. */
static int take(struct fs *fs, uid_t uid, int (*from)(struct quota *, uid_t))
{
	int r = from(&fs->open, uid);

	if (r < 0)
		return r;
	r = from(&fs->streams, uid);
	if (r < 0)
		quota_give(&fs->open, uid);
	return r;
}

static void give_back(struct fs *fs, uid_t uid)
{
	quota_give(&fs->streams, uid);
	quota_give(&fs->open, uid);
}

static int record(struct fs *fs, const struct dir *d, uint64_t request, uint64_t number)
{
	const struct ledger_dir record = {
		.number = number,
		.request = request,
		.fd = kind_list_descriptor(fs->kind, d->list),
		.uid = d->uid,
	};

	return ledger_add_dir(fs->ledger, &record);
}

static int publish(struct fs *fs, struct dir *d, uint64_t request, uint64_t *ret_dir)
{
	int r;

	d->users = 1;
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_lock(&fs->lock);
	r = slots_add(&fs->dirs, d, ret_dir);
	if (r == 0) {
		r = record(fs, d, request, *ret_dir);
		if (r < 0)
			slots_remove(&fs->dirs, *ret_dir);
	}
	pthread_mutex_unlock(&fs->lock);
	return r;
}

/* The stream that the same request has opened already, or 0. */
static uint64_t find_again(struct fs *fs, const struct caller *caller)
{
	const struct ledger *l = fs->ledger;
	uint64_t number = 0;

	if (!l || !caller || !caller->before || !journal_request(caller))
		return 0;
	pthread_mutex_lock(&fs->lock);
	for (uint32_t i = 0; !number && i < l->state->dirs.end; i++)
		if (l->dirs[i].request == journal_request(caller))
			number = l->dirs[i].number;
	pthread_mutex_unlock(&fs->lock);
	return number;
}

int fs_opendir(struct fs *fs, const struct caller *caller, uint64_t *ret_dir)
{
	uid_t uid = caller_uid(caller);
	struct dir *d;
	int r;

	*ret_dir = find_again(fs, caller);
	if (*ret_dir)
		return 0;
	d = calloc(1, sizeof(*d));
	r = d ? take(fs, uid, quota_take) : -ENOMEM;
	if (r < 0) {
		free(d);
		return r;
	}
	d->uid = uid;
	r = kind_list_open(fs->kind, caller, &d->list);
	if (r == 0)
		r = publish(fs, d, journal_request(caller), ret_dir);
	if (r < 0) {
		kind_list_close(fs->kind, d->list);
		give_back(fs, uid);
		free(d);
	}
	return r;
}

static void dir_free(struct fs *fs, struct dir *d)
{
	kind_list_close(fs->kind, d->list);
	give_back(fs, d->uid);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static int restore(struct fs *fs, struct dir *d, const struct ledger_dir *record)
{
	int r = slots_put(&fs->dirs, d, record->number);

	d->users = 1;
	pthread_mutex_init(&d->lock, NULL);
	return r;
}

int dir_restore(struct fs *fs, const struct ledger_dir *record)
{
	struct dir *d = calloc(1, sizeof(*d));
	int fd = record->fd;
	int r = d ? take(fs, record->uid, quota_force) : -ENOMEM;

	if (r < 0) {
		free(d);
		return r;
	}
	d->uid = record->uid;
	r = kind_list_adopt(fs->kind, &fd, &d->list);
	if (r == 0)
		r = restore(fs, d, record);
	if (r < 0) {
		kind_list_close(fs->kind, d->list);
		give_back(fs, record->uid);
		free(d);
	}
	return r;
}

static struct dir *dir_get(struct fs *fs, uint64_t number)
{
	struct dir *d;

	pthread_mutex_lock(&fs->lock);
	d = slots_get(&fs->dirs, number);
	if (d)
		d->users++;
	pthread_mutex_unlock(&fs->lock);
	return d;
}

static void dir_put(struct fs *fs, struct dir *d)
{
	unsigned int users;

	pthread_mutex_lock(&fs->lock);
	users = --d->users;
	pthread_mutex_unlock(&fs->lock);
	if (users == 0)
		dir_free(fs, d);
}

void fs_releasedir(struct fs *fs, uint64_t dir)
{
	struct dir *d;

	pthread_mutex_lock(&fs->lock);
	d = slots_remove(&fs->dirs, dir);
	if (d)
		ledger_remove_dir(fs->ledger, dir);
	pthread_mutex_unlock(&fs->lock);
	if (d)
		dir_put(fs, d);
}

/*
 * Gives one entry to @fill. Returns whether to go on. An object that went after it was
 * listed is passed over: then *@ret_given stays as it is. One whose attributes cannot be
 * had is listed all the same, without a node.
 */
static bool give(struct fs *fs, const struct caller *caller, const struct list_entry *e,
		 bool plus, fs_fill_t fill, void *context, bool *ret_given)
{
	struct fs_entry entry = {
		.attr = { .st_ino = e->inode, .st_mode = e->type },
	};
	bool taken;

	if (plus && S_ISREG(e->type) && fs_lookup(fs, caller, e->name, &entry) == -ENOENT)
		return true;
	taken = fill(context, e->name, &entry, e->next);
	if (taken)
		*ret_given = true;
	else if (entry.node)
		node_forget(fs, entry.node, 1);
	return taken;
}

int fs_readdir(struct fs *fs, const struct caller *caller, uint64_t dir, int64_t position,
	       bool plus, fs_fill_t fill, void *context)
{
	struct dir *d = dir_get(fs, dir);
	struct list_entry e;
	bool given = false;
	int r;

	if (!d)
		return -EBADF;
	pthread_mutex_lock(&d->lock);
	for (;;) {
		r = kind_list_next(fs->kind, d->list, position, &e);
		if (r <= 0)
			break;
		if (!give(fs, caller, &e, plus, fill, context, &given))
			break;
		position = e.next;
	}
	pthread_mutex_unlock(&d->lock);
	dir_put(fs, d);
	/* What was given already must not be lost: the error comes back the next time. */
	return r < 0 && !given ? r : 0;
}

void dir_drop_all(struct fs *fs)
{
	uint32_t at = 0;
	struct dir *d;

	while ((d = slots_next(&fs->dirs, &at)))
		dir_free(fs, d);
	slots_done(&fs->dirs);
}
