/* SPDX-License-Identifier: MIT */
/*
 * A file system made again from what a process that died has left: its ledger and its
 * descriptors. Names are not in the ledger: they may have changed meanwhile anyway, so
 * they are looked for where they are.
 *
 * There are no other threads, so nothing is locked, but where names are looked for.
 */
#include <errno.h>

#include "fs/dir.h"
#include "fs/file.h"
#include "fs/internal.h"
#include "fs/owner.h"

int fs_remember(struct fs *fs)
{
	int r = kind_remember(fs->kind);

	return r < 0 ? r : ledger_new(&fs->ledger);
}

static int restore_nodes(struct fs *fs)
{
	const struct ledger *l = fs->ledger;
	int r = 0;

	slots_skip_uses(&fs->nodes, l->state->nodes.uses);
	for (uint32_t i = 0; r == 0 && i < l->state->nodes.end; i++)
		if (l->nodes[i].number)
			r = node_restore(fs, &l->nodes[i]);
	return r;
}

/* What has no descriptor needs none. */
static int keep(struct descriptors *kept, int fd)
{
	return fd < 0 ? 0 : descriptors_add(kept, fd);
}

static int restore_files(struct fs *fs, struct descriptors *kept)
{
	const struct ledger *l = fs->ledger;
	int other, r = 0;

	slots_skip_uses(&fs->files, l->state->files.uses);
	for (uint32_t i = 0; r == 0 && i < l->state->files.end; i++) {
		if (!l->files[i].number)
			continue;
		r = file_restore(fs, &l->files[i], &other);
		if (r == 0)
			r = keep(kept, l->files[i].fd);
		if (r == 0)
			r = keep(kept, other);
	}
	return r;
}

static int restore_dirs(struct fs *fs, struct descriptors *kept)
{
	const struct ledger *l = fs->ledger;
	int r = 0;

	slots_skip_uses(&fs->dirs, l->state->dirs.uses);
	for (uint32_t i = 0; r == 0 && i < l->state->dirs.end; i++) {
		if (!l->dirs[i].number)
			continue;
		r = dir_restore(fs, &l->dirs[i]);
		if (r == 0)
			r = keep(kept, l->dirs[i].fd);
	}
	return r;
}

static int restore_locks(struct fs *fs, const struct descriptors *open,
			 struct descriptors *kept)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < open->n; i++) {
		const struct ledger_lock *lock = ledger_lock_of(fs->ledger, (int)i);
		struct file *file;

		if (!lock || !descriptors_has(open, (int)i))
			continue;
		file = slots_get(&fs->files, lock->file);
		/* It died between giving up the file and giving up its locks. */
		if (!file) {
			ledger_remove_lock(fs->ledger, (int)i);
			continue;
		}
		r = owner_restore(fs, file, (int)i, lock);
		if (r == 0)
			r = descriptors_add(kept, (int)i);
	}
	return r;
}

/*
 * Until each node has a name, or there are no more: those have none any more. The thread
 * may wait for the directory meanwhile.
 */
int fs_find_names(struct fs *fs)
{
	uint32_t left = fs_usage(fs).nodes - 1;
	struct native_list *list = NULL;
	struct list_entry e = { .next = 0 };
	int r = left > 0 ? kind_list_open(fs->kind, NULL, &list) : 0;

	if (r < 0)
		return r;
	while (left > 0 && (r = kind_list_next(fs->kind, list, e.next, &e)) > 0) {
		_cleanup_native_ struct native_file *handle = NULL;
		struct object_info info;

		/* Of some it is not known what they are. One may have several names. */
		if ((S_ISREG(e.type) || e.type == 0) &&
		    kind_lookup(fs->kind, NULL, e.name, &handle, &info) == 0 &&
		    node_named(fs, &info.id, e.name))
			left--;
	}
	kind_list_close(fs->kind, list);
	return r < 0 ? r : 0;
}

int fs_restore(struct fs *fs, const struct descriptors *open, struct descriptors *kept)
{
	int r = restore_nodes(fs);

	if (r == 0)
		r = restore_files(fs, kept);
	if (r == 0)
		r = restore_locks(fs, open, kept);
	if (r == 0)
		r = restore_dirs(fs, kept);
	node_drop_unused(fs);
	fs->lost = true;
	return r;
}
