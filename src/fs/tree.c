/* SPDX-License-Identifier: MIT */
/*
 * Numbers are translated here and nowhere else: those of requests on their way in, those
 * of entries and attributes on their way out.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/tree.h"
#include "util/slots.h"

#define NODE_BITS  SLOTS_BITS
#define NODE_MASK  ((UINT64_C(1) << NODE_BITS) - 1)
#define INODE_BITS 48

void tree_add(struct tree *t, const char *name, struct fs *fs)
{
	assert(t->n < TREE_MAX);
	t->fs[t->n] = fs;
	t->names[t->n++] = name;
}

void tree_done(struct tree *t)
{
	while (t->n > 0)
		fs_free(t->fs[--t->n]);
}

void tree_set_direct(struct tree *t)
{
	for (unsigned int i = 0; i < t->n; i++)
		fs_set_direct(t->fs[i]);
}

bool tree_is_noexec(const struct tree *t)
{
	struct statvfs st;

	for (unsigned int i = 0; i < t->n; i++)
		if (fs_statfs(t->fs[i], &st) == 0 && st.f_flag & ST_NOEXEC)
			return true;
	return false;
}

int tree_remember(struct tree *t)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < t->n; i++)
		r = fs_remember(t->fs[i]);
	return r;
}

int tree_restore(struct tree *t, const struct descriptors *open, struct descriptors *kept)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < t->n; i++)
		r = fs_restore(t->fs[i], open, kept);
	return r;
}

int tree_find_names(struct tree *t)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < t->n; i++)
		r = fs_find_names(t->fs[i]);
	return r;
}

struct fs_usage tree_usage(const struct tree *t)
{
	struct fs_usage all = { 0 };

	for (unsigned int i = 0; i < t->n; i++) {
		struct fs_usage usage = fs_usage(t->fs[i]);

		all.nodes += usage.nodes;
		all.files += usage.files;
		all.dirs += usage.dirs;
	}
	return all;
}

static unsigned int index_of(uint64_t node)
{
	return (unsigned int)(node >> NODE_BITS);
}

uint64_t tree_root(unsigned int i)
{
	return (uint64_t)i << NODE_BITS | FS_ROOT;
}

struct fs *tree_find(const struct tree *t, uint64_t *node)
{
	unsigned int i = index_of(*node);

	*node = i < t->n ? *node & NODE_MASK : 0;
	return t->fs[i < t->n ? i : 0];
}

/* The file system that @node is the directory of: names are in nothing else. */
static int find_names(const struct tree *t, uint64_t node, struct fs **ret)
{
	*ret = tree_find(t, &node);
	return node == FS_ROOT ? 0 : -ENOTDIR;
}

/* Where the directory called @name leads to from the root of the mount, or 0. */
static uint64_t find_member(const struct tree *t, uint64_t parent, const char *name)
{
	for (unsigned int i = 1; i < t->n && parent == FS_ROOT; i++)
		if (strcmp(t->names[i], name) == 0)
			return tree_root(i);
	return 0;
}

/* @st is of a file of the file system that @node belongs to. */
static void show_stat(uint64_t node, struct stat *st)
{
	unsigned int i = index_of(node);

	if (i > 1)
		st->st_ino += (ino_t)(i - 1) << INODE_BITS;
}

static void show_entry(uint64_t node, struct fs_entry *e)
{
	show_stat(node, &e->attr);
	if (e->node)
		e->node |= node & ~NODE_MASK;
}

int tree_stat(const struct tree *t, const struct caller *caller, uint64_t node,
	      struct object_info *ret)
{
	uint64_t local = node;
	struct fs *fs = tree_find(t, &local);
	int r = fs_stat(fs, caller, local, ret);

	if (r == 0)
		show_stat(node, &ret->stat);
	return r;
}

int tree_getattr(const struct tree *t, const struct caller *caller, uint64_t node,
		 struct stat *ret)
{
	struct object_info info;
	int r = tree_stat(t, caller, node, &info);

	if (r == 0)
		*ret = info.stat;
	return r;
}

int tree_setattr(const struct tree *t, const struct caller *caller, uint64_t node,
		 uint64_t file, const struct stat *attr, unsigned int set,
		 struct stat *ret)
{
	uint64_t local = node;
	struct fs *fs = tree_find(t, &local);
	int r = fs_setattr(fs, caller, local, file, attr, set, ret);

	if (r == 0)
		show_stat(node, ret);
	return r;
}

/* The directories are there for good; their attributes change like others. */
static int lookup_member(const struct tree *t, const struct caller *caller, uint64_t node,
			 struct fs_entry *ret)
{
	struct stat st;
	int r = tree_getattr(t, caller, node, &st);

	if (r == 0)
		*ret = (struct fs_entry){ .node = node, .attr = st, .keep_name = true };
	return r;
}

int tree_lookup(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *name, struct fs_entry *ret)
{
	uint64_t member = find_member(t, parent, name);
	struct fs *fs;
	int r;

	if (member)
		return lookup_member(t, caller, member, ret);
	r = find_names(t, parent, &fs);
	if (r == 0)
		r = fs_lookup(fs, caller, name, ret);
	if (r == 0)
		show_entry(parent, ret);
	return r;
}

void tree_forget(const struct tree *t, uint64_t node, uint64_t lookups)
{
	struct fs *fs = tree_find(t, &node);

	fs_forget(fs, node, lookups);
}

int tree_create(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *name, int flags, mode_t mode, struct fs_entry *ret,
		struct fs_open_file *ret_file)
{
	struct fs *fs;
	int r = find_names(t, parent, &fs);

	if (r == 0)
		r = fs_create(fs, caller, name, flags, mode, ret, ret_file);
	if (r == 0)
		show_entry(parent, ret);
	return r;
}

int tree_mknod(const struct tree *t, const struct caller *caller, uint64_t parent,
	       const char *name, mode_t mode, struct fs_entry *ret)
{
	struct fs *fs;
	int r = find_names(t, parent, &fs);

	if (r == 0)
		r = fs_mknod(fs, caller, name, mode, ret);
	if (r == 0)
		show_entry(parent, ret);
	return r;
}

int tree_link(const struct tree *t, const struct caller *caller, uint64_t node,
	      uint64_t parent, const char *name, struct fs_entry *ret)
{
	struct fs *fs = tree_find(t, &node), *other;
	int r = find_names(t, parent, &other);

	if (r == 0 && fs != other)
		r = other == t->fs[0] ? -EPERM : -EXDEV;
	if (r == 0)
		r = fs_link(fs, caller, node, name, ret);
	if (r == 0)
		show_entry(parent, ret);
	return r;
}

int tree_unlink(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *name)
{
	struct fs *fs;
	int r = find_names(t, parent, &fs);

	return r < 0 ? r : fs_unlink(fs, caller, name);
}

void tree_unmake(const struct tree *t, const struct caller *caller, const char *name,
		 const struct fs_entry *made)
{
	struct fs_entry local = *made;
	struct fs *fs = tree_find(t, &local.node);

	fs_unmake(fs, caller, name, &local);
}

int tree_rmdir(const struct tree *t, uint64_t parent, const char *name)
{
	return find_member(t, parent, name) ? -EPERM : -ENOTDIR;
}

int tree_rename(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *from, uint64_t new_parent, const char *to, unsigned int flags)
{
	struct fs *fs, *other;
	int r = find_names(t, parent, &fs);

	if (r == 0)
		r = find_names(t, new_parent, &other);
	if (r < 0)
		return r;
	if (fs == other)
		return fs_rename(fs, caller, from, to, flags);
	/* Rather than let a copy be tried that cannot be made. */
	return fs == t->fs[0] || other == t->fs[0] ? -EPERM : -EXDEV;
}

/* A listing on its way out. */
struct listing {
	const struct tree *tree;
	const struct caller *caller;
	uint64_t node; /* of the directory */
	fs_fill_t fill;
	void *context;
};

/* Where @name, that of a directory, leads to. */
static uint64_t find_directory(const struct listing *l, const char *name)
{
	if (strcmp(name, ".") == 0)
		return l->node;
	return strcmp(name, "..") == 0 ? FS_ROOT : find_member(l->tree, l->node, name);
}

/* A directory has the inode number that stat(2) says, not what stands in a listing. */
static bool show(void *context, const char *name, const struct fs_entry *entry,
		 int64_t next)
{
	const struct listing *l = context;
	struct fs_entry e = *entry;
	struct stat st;

	if (S_ISDIR(e.attr.st_mode) &&
	    tree_getattr(l->tree, l->caller, find_directory(l, name), &st) == 0)
		e.attr.st_ino = st.st_ino;
	else
		show_entry(l->node, &e);
	return l->fill(l->context, name, &e, next);
}

int tree_readdir(const struct tree *t, const struct caller *caller, uint64_t node,
		 uint64_t dir, int64_t position, bool plus, fs_fill_t fill, void *context)
{
	struct listing l = { t, caller, node, fill, context };
	uint64_t local = node;
	struct fs *fs = tree_find(t, &local);

	/* Nothing to translate, and what is mounted on knows its parent. */
	if (t->n == 1)
		return fs_readdir(fs, caller, dir, position, plus, fill, context);
	return fs_readdir(fs, caller, dir, position, plus, show, &l);
}
