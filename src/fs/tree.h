/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What one mount presents: a file system by itself, or one over a kind that has members,
 * with a file system for each of those, a directory under the member's name.
 *
 * Each keeps numbers of its own. Those of the kernel say which file system they belong
 * to: node numbers by their highest byte, 0 for the first, so that a file system by
 * itself has the same numbers inside and out; inode numbers, which no two files of a
 * mount may share, from their 48th bit on, counted from the first member.
 *
 * Functions that take a node take the kernel's; what they return is the kernel's as well.
 * A tree does not change while it is used.
 */
#include "fs/fs.h"

#define TREE_MAX 8

struct tree {
	unsigned int n;
	struct fs *fs[TREE_MAX];     /* the first is the root of the mount */
	const char *names[TREE_MAX]; /* of the directories; not the first */
};

/* Adds what the kind called @name presents, and takes it over; the first is the root. */
void tree_add(struct tree *t, const char *name, struct fs *fs);
/* Frees the file systems of a tree, which may be all zeros. */
void tree_done(struct tree *t);
void tree_set_direct(struct tree *t);
/* As the functions of fs/fs.h that are called so, for all file systems. */
/* Whether natively nothing in one of them may be executed. */
bool tree_is_noexec(const struct tree *t);
int tree_remember(struct tree *t);
int tree_restore(struct tree *t, const struct descriptors *open,
		 struct descriptors *kept);
int tree_find_names(struct tree *t);
/* Of all file systems together. */
struct fs_usage tree_usage(const struct tree *t);

/*
 * The file system of node @*node, which becomes the number that the node has there; a
 * file or a directory that is open on the node is its, too. What belongs nowhere becomes
 * a node that does not exist.
 */
struct fs *tree_find(const struct tree *t, uint64_t *node);
/* The node number of the directory of file system number @i. */
uint64_t tree_root(unsigned int i);

/* As the functions of fs/fs.h that are called so. -ENOTDIR: @parent has no names. */
int tree_lookup(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *name, struct fs_entry *ret);
void tree_forget(const struct tree *t, uint64_t node, uint64_t lookups);
int tree_create(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *name, int flags, mode_t mode, struct fs_entry *ret,
		struct fs_open_file *ret_file);
int tree_mknod(const struct tree *t, const struct caller *caller, uint64_t parent,
	       const char *name, mode_t mode, struct fs_entry *ret);
/* -EXDEV from one directory to another. */
int tree_link(const struct tree *t, const struct caller *caller, uint64_t node,
	      uint64_t parent, const char *name, struct fs_entry *ret);
int tree_unlink(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *name);
/* As fs_unmake() of what tree_create() or tree_mknod() gave. */
void tree_unmake(const struct tree *t, const struct caller *caller, const char *name,
		 const struct fs_entry *made);
/* There is no directory that could be removed. */
int tree_rmdir(const struct tree *t, uint64_t parent, const char *name);
/* Likewise. */
int tree_rename(const struct tree *t, const struct caller *caller, uint64_t parent,
		const char *from, uint64_t new_parent, const char *to,
		unsigned int flags);
int tree_stat(const struct tree *t, const struct caller *caller, uint64_t node,
	      struct object_info *ret);
int tree_getattr(const struct tree *t, const struct caller *caller, uint64_t node,
		 struct stat *ret);
int tree_setattr(const struct tree *t, const struct caller *caller, uint64_t node,
		 uint64_t file, const struct stat *attr, unsigned int set,
		 struct stat *ret);
/* @dir is open on the directory @node. */
int tree_readdir(const struct tree *t, const struct caller *caller, uint64_t node,
		 uint64_t dir, int64_t position, bool plus, fs_fill_t fill,
		 void *context);
