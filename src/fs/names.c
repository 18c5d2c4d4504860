/* SPDX-License-Identifier: MIT */
/* Names: finding and making objects; linking, removing and renaming. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/changes.h"
#include "fs/file.h"
#include "fs/internal.h"
#include "fs/journal.h"

/* @since is fs->changes from before the object was found. */
static int learn(struct fs *fs, const struct object_info *info, const char *name,
		 uint64_t since, struct fs_entry *ret)
{
	int r;

	*ret = (struct fs_entry){
		.generation = fs->generation,
		.attr = info->stat,
		.made = info->created,
	};
	r = node_learn(fs, info, name, since, &ret->node);
	/* Asked last: who tells of a later change finds the node. Of an object with
	 * several names none is kept, as nothing tells by which of them the kernel comes.
	 */
	ret->keep_name = info->stat.st_nlink == 1 && changes_keep_name(fs, since);
	ret->keep_attr = ret->keep_name;
	return r;
}

/* A handle of what is called @name: the one of the last time, if that is still there. */
static int hold_again(struct fs *fs, const struct caller *caller, const char *name,
		      struct native_file **ret, struct object_info *ret_info)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct object_id id;

	/* To identify what is not there waits for the directory. */
	if (!caller || !caller->hasty)
		handle = recent_find(&fs->recent, name, &id);
	if (handle && kind_identify(fs->kind, caller, name, ret_info) == 0 &&
	    memcmp(&ret_info->id, &id, sizeof(id)) == 0) {
		*ret = take_ptr(handle);
		return 0;
	}
	return kind_lookup(fs->kind, caller, name, ret, ret_info);
}

int fs_lookup(struct fs *fs, const struct caller *caller, const char *name,
	      struct fs_entry *ret)
{
	_cleanup_native_ struct native_file *handle = NULL;
	uint64_t since = atomic_load(&fs->changes);
	struct object_info info;
	int r = hold_again(fs, caller, name, &handle, &info);

	if (r == -ENOENT)
		ret->keep_name = changes_keep_name(fs, since);
	if (r == 0)
		r = learn(fs, &info, name, since, ret);
	if (r == 0)
		recent_put(&fs->recent, ret->node, name, &info.id, handle);
	if (fs->keeps && r != -EAGAIN)
		refusals_found(&fs->refusals, caller, name, r, r == 0 ? ret->node : 0);
	return r;
}

void fs_forget(struct fs *fs, uint64_t node, uint64_t lookups)
{
	node_forget(fs, node, lookups);
}

void fs_lost(struct fs *fs, pid_t thread)
{
	if (fs->keeps)
		refusals_lost(&fs->refusals, thread);
}

static void remove_made(struct fs *fs, const struct caller *caller, const char *name)
{
	echo_expect(&fs->echo, name);
	if (kind_remove(fs->kind, caller, name) < 0)
		echo_cancel(&fs->echo, name);
}

/*
 * What was made for a request that then fails goes again: unless somebody has put another
 * object in its place meanwhile.
 */
static void undo_create(struct fs *fs, const struct caller *caller, const char *name,
			const struct object_info *info)
{
	if (name && info->created && name_leads_to(fs, name, &info->id))
		remove_made(fs, caller, name);
}

void fs_unmake(struct fs *fs, const struct caller *caller, const char *name,
	       const struct fs_entry *made)
{
	struct caller again = *caller;
	struct object_info info;

	if (!name || !made->made || !caller_has_given_up(caller) ||
	    kind_identify(fs->kind, NULL, name, &info) < 0 ||
	    node_number(fs, &info.id) != made->node)
		return;
	/* The request is answered. So its caller may be gone, and its number another's.
	 */
	again.given_up = NULL;
	again.thread = 0;
	again.groups = NULL;
	remove_made(fs, &again, name);
}

/* Opens what the same request has made, before a daemon died of it or with it. */
static bool create_again(struct fs *fs, const struct caller *caller, const char *name,
			 int flags, struct native_file **ret,
			 struct object_info *ret_info)
{
	_cleanup_native_ struct native_file *handle = NULL;

	return name && journal_has_made(fs, caller, name, &handle, ret_info) &&
	       native_open(handle, NULL, flags & ~O_EXCL, ret) == 0;
}

static int make(struct fs *fs, const struct caller *caller, const char *name, int flags,
		mode_t mode, struct native_file **ret, struct object_info *ret_info)
{
	if (!name)
		return kind_tmpfile(fs->kind, caller, flags, mode, ret, ret_info);
	return kind_create(fs->kind, caller, name, flags, mode, ret, ret_info);
}

/* What natively removed objects still take because we hold them shall not be missed. */
static int create(struct fs *fs, const struct caller *caller, const char *name, int flags,
		  mode_t mode, struct native_file **ret, struct object_info *ret_info)
{
	int r;

	if (create_again(fs, caller, name, flags, ret, ret_info))
		return 0;
	journal_begin(caller);
	r = make(fs, caller, name, flags, mode, ret, ret_info);
	if (r != -ENOSPC)
		return r;
	recent_drop(&fs->recent, NULL);
	return make(fs, caller, name, flags, mode, ret, ret_info);
}

/* Empties @native, and has the attributes in @info be those of after that. */
static int empty_found(struct fs *fs, const struct caller *caller,
		       struct native_file *native, int flags, struct object_info *info)
{
	int r;

	if (info->created || !file_empties(fs, flags))
		return 0;
	r = file_empty(fs, caller, native, flags);
	return r < 0 ? r : native_stat(native, info);
}

/* Makes what was found or made as @name an open file. */
static int open_created(struct fs *fs, const struct caller *caller,
			struct object_info *info, int flags, struct native_file **native,
			uint64_t node, struct fs_open_file *ret)
{
	_cleanup_native_ struct native_file *opened = native_file_ref(*native);
	int r = file_add(fs, caller, node, flags, native, ret);

	if (r < 0)
		return r;
	r = empty_found(fs, caller, opened, flags, info);
	if (r < 0)
		file_drop(fs, ret->number, NULL);
	return r;
}

static int create_open(struct fs *fs, const struct caller *caller, const char *name,
		       int flags, mode_t mode, struct fs_entry *ret,
		       struct fs_open_file *ret_file)
{
	_cleanup_native_ struct native_file *native = NULL;
	uint64_t since = atomic_load(&fs->changes);
	struct object_info info;
	int first = file_empties(fs, flags) ? flags & ~O_TRUNC : flags;
	int r = create(fs, caller, name, first, mode, &native, &info);

	if (r < 0)
		return r;
	r = learn(fs, &info, name ? name : "", since, ret);
	if (r == 0) {
		r = open_created(fs, caller, &info, flags, &native, ret->node, ret_file);
		/* Who tells of a later change tells it when this has arrived. */
		ret->attr = info.stat;
		if (r < 0)
			node_forget(fs, ret->node, 1);
	}
	if (r < 0)
		undo_create(fs, caller, name, &info);
	return r;
}

/* What the same request has made and opened already: 1 where there is nothing. */
static int create_opened(struct fs *fs, const struct caller *caller, int flags,
			 struct fs_entry *ret, struct fs_open_file *ret_file)
{
	_cleanup_native_ struct native_file *native = NULL;
	struct object_info info;
	uint64_t node = file_find(fs, caller, ret_file);
	int r = node ? file_empty_again(fs, caller, ret_file->number, flags) : 1;

	if (r == 0)
		r = file_hold(fs, ret_file->number, &native);
	if (r == 0)
		r = native_stat(native, &info);
	if (r == 0)
		*ret = (struct fs_entry){
			.node = node,
			.generation = fs->generation,
			.attr = info.stat,
		};
	return r;
}

int fs_create(struct fs *fs, const struct caller *caller, const char *name, int flags,
	      mode_t mode, struct fs_entry *ret, struct fs_open_file *ret_file)
{
	int r = create_opened(fs, caller, flags, ret, ret_file);

	if (r <= 0)
		return r;
	r = quota_take(&fs->open, caller_uid(caller));
	if (r < 0)
		return r;
	r = create_open(fs, caller, name, flags, mode, ret, ret_file);
	if (r < 0)
		quota_give(&fs->open, caller_uid(caller));
	return r;
}

int fs_mknod(struct fs *fs, const struct caller *caller, const char *name, mode_t mode,
	     struct fs_entry *ret)
{
	_cleanup_native_ struct native_file *native = NULL;
	uint64_t since = atomic_load(&fs->changes);
	struct object_info info;
	int r;

	if (!S_ISREG(mode))
		return -EPERM;
	r = create(fs, caller, name, O_RDONLY | O_EXCL, mode, &native, &info);
	if (r < 0)
		return r;
	r = learn(fs, &info, name, since, ret);
	if (r < 0)
		undo_create(fs, caller, name, &info);
	return r;
}

static int link_once(struct fs *fs, const struct caller *caller, struct native_file *f,
		     const struct object_id *id, const char *name)
{
	int r;

	if (journal_is_done(caller, &r))
		return r;
	if (journal_has_got(fs, caller, name))
		return 0;
	journal_link(fs, caller, name, id);
	r = native_link(f, caller, name);
	if (r == -ENOSPC) {
		recent_drop(&fs->recent, NULL);
		r = native_link(f, caller, name);
	}
	return journal_done(caller, r);
}

int fs_link(struct fs *fs, const struct caller *caller, uint64_t node, const char *name,
	    struct fs_entry *ret)
{
	_cleanup_native_ struct native_file *f = NULL;
	uint64_t since = atomic_load(&fs->changes);
	struct object_info info;
	int r = node_hold_to_link(fs, caller, node, name, &f);

	if (r == 0)
		r = native_stat(f, &info);
	if (r == 0)
		r = link_once(fs, caller, f, &info.id, name);
	if (r < 0)
		return r;
	r = native_stat(f, &info);
	/* The name was not there before. */
	info.created = true;
	if (r == 0)
		r = learn(fs, &info, name, since, ret);
	if (r < 0)
		undo_create(fs, caller, name, &info);
	return r;
}

/*
 * Memory comes back while its caller waits, as natively, but for what takes longer than
 * others should wait for the directory.
 */
#define LARGE_BLOCKS ((64 << 20) / 512)

/*
 * Holds what is called @name until the request is answered, if it is large and may lose
 * its last name. @there: something has that name; else it has just been looked up, or the
 * kernel keeps it.
 */
static void leave_large(struct fs *fs, const struct caller *caller, const char *name,
			bool there)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct object_info info;
	struct object_id id;
	int r;

	/* What is bounded outlives its name. */
	if (!caller || !caller->last || fs->kind->ops->bounded)
		return;
	handle = recent_find(&fs->recent, name, &id);
	if (handle)
		r = native_stat(handle, &info);
	else if (there || node_may_be_kept(fs, name))
		r = kind_lookup(fs->kind, NULL, name, &handle, &info);
	else
		return;
	if (r == 0 && info.stat.st_blocks >= LARGE_BLOCKS && info.stat.st_nlink == 1)
		*caller->last = take_ptr(handle);
}

int fs_unlink(struct fs *fs, const struct caller *caller, const char *name)
{
	int r;

	if (journal_is_done(caller, &r))
		return r;
	if (journal_has_lost(fs, caller, name))
		return 0;
	journal_name(fs, caller, name);
	leave_large(fs, caller, name, true);
	echo_expect(&fs->echo, name);
	r = kind_remove(fs->kind, caller, name);
	if (r < 0) {
		echo_cancel(&fs->echo, name);
	} else {
		recent_drop(&fs->recent, name);
		node_removed(fs, name);
	}
	return journal_done(caller, r);
}

/*
 * The node of what is called @name by now shall know it, and that it lost @from with
 * that. Returns false where the object still has that, too: then nothing was renamed.
 */
static bool tell_node(struct fs *fs, const char *from, const char *name)
{
	_cleanup_native_ struct native_file *handle = NULL;
	uint64_t since = atomic_load(&fs->changes);
	struct object_info info;
	bool lost;

	if (kind_lookup(fs->kind, NULL, name, &handle, &info) < 0)
		return true;
	lost = info.stat.st_nlink <= 1 || !name_leads_to(fs, from, &info.id);
	node_renamed(fs, &info, lost ? from : NULL, name, since);
	return lost;
}

static void expect_rename(struct fs *fs, const char *from, const char *to, bool exchange,
			  void (*expect)(struct echo *, const char *))
{
	/* An exchange is two renames to those who watch. */
	for (int i = 0; i < (exchange ? 2 : 1); i++) {
		expect(&fs->echo, from);
		expect(&fs->echo, to);
	}
}

int fs_rename(struct fs *fs, const struct caller *caller, const char *from,
	      const char *to, unsigned int flags)
{
	bool exchange = flags & RENAME_EXCHANGE;
	int r;

	if (journal_is_done(caller, &r))
		return r;
	if (journal_has_got(fs, caller, to))
		return 0;
	journal_name(fs, caller, from);
	if (!exchange)
		leave_large(fs, caller, to, false);
	expect_rename(fs, from, to, exchange, echo_expect);
	r = journal_done(caller, kind_rename(fs->kind, caller, from, to, flags));
	if (r < 0) {
		expect_rename(fs, from, to, exchange, echo_cancel);
		return r;
	}
	/* What was replaced is gone, and what moved is found by its new name. */
	recent_drop(&fs->recent, to);
	recent_drop(&fs->recent, from);
	if (!tell_node(fs, from, to))
		expect_rename(fs, from, to, exchange, echo_cancel);
	else if (exchange)
		tell_node(fs, to, from);
	return 0;
}
