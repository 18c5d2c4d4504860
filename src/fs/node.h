/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A node is what the kernel knows an object by: a number, the object's identity, and the
 * names by which it was last seen. It holds neither a descriptor nor the object: a
 * million nodes cost memory only, and pin none of the objects'.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/alias.h"
#include "native/kind.h"
#include "util/cleanup.h"
#include "util/table.h"

struct fs;
struct opened;
struct ledger_node;

/* A million of them may be known: the name as it was first seen is part of it. */
struct node {
	struct object_id id;
	uint64_t number;
	uint64_t lookups; /* what the kernel has yet to forget; protected by fs->lock */
	struct opened *opened; /* while files are open; protected by fs->lock */
	/* NULL: the root; "": none that is known; protected by fs->lock */
	char *name;
	struct alias *aliases; /* other names; likewise */
	struct link by_id;     /* in fs->nodes_by_id; protected by fs->lock */
	unsigned int
		refs; /* of our own: requests and open files; protected by fs->lock */
	/* With fs->keeps: what happens to the object, we will be told by @name. Protected
	 * by fs->lock. */
	bool sure;
	bool listed;   /* in fs->by_name; protected by fs->lock */
	uint32_t seen; /* under the name, the low bits of fs->changes then; likewise */
	char first_name[];
};

/* The names that are known of a node, the one seen last before the others. */
struct node_names {
	unsigned int n;
	char text[1 + ALIASES_MAX][256];
};

/* Makes the node of the directory, number FS_ROOT. */
int node_add_root(struct fs *fs);

/*
 * The node of the object that is told of, made if it is new, last seen as @name ("": it
 * has none), with one more lookup. @since is fs->changes as it was before that was seen.
 */
int node_learn(struct fs *fs, const struct object_info *info, const char *name,
	       uint64_t since, uint64_t *ret_number);
void node_forget(struct fs *fs, uint64_t number, uint64_t lookups);
/*
 * The object is called @name from now on, and no longer @lost (NULL: it has lost no
 * name), if it has a node. @since as above.
 */
void node_renamed(struct fs *fs, const struct object_info *info, const char *lost,
		  const char *name, uint64_t since);
/* Likewise if its node has none, and returns whether it has it now. */
bool node_named(struct fs *fs, const struct object_id *id, const char *name);
/*
 * One node known as @name that is not that of object @id (NULL: of none) has lost the
 * name: its number, or 0 when there is none left.
 */
uint64_t node_unname(struct fs *fs, const char *name, const struct object_id *id);
/* The request of ours has taken @name away, which the kernel keeps no more: other names
 * of the object are good. */
void node_removed(struct fs *fs, const char *name);
/* Whether a node was last seen as @name, so that the kernel may keep that name. Two names
 * may be taken for each other, rarely. */
bool node_may_be_kept(struct fs *fs, const char *name);
/* The number of the node of object @id, or 0. */
uint64_t node_number(struct fs *fs, const struct object_id *id);
bool node_is_sure(struct fs *fs, uint64_t number);

/*
 * The node with a reference, a file that is open on it (NULL: none) or for the root its
 * handle, with a reference, too, and its names; or NULL.
 */
struct node *node_get(struct fs *fs, uint64_t number, struct native_file **ret,
		      struct node_names *ret_names);
/* Gives back a reference. */
void node_put(struct fs *fs, struct node *n);

/* Those of @n: none of the root. */
void node_names(struct fs *fs, const struct node *n, struct node_names *ret);

/* Whether @name is the name of object @id, as far as we can see by ourselves. */
bool name_leads_to(struct fs *fs, const char *name, const struct object_id *id);

/*
 * A native file that leads to the object of node @number whatever its name does: of a
 * file that is open, else the handle of a recent lookup, else by name, with the identity
 * checked. Takes a reference for the caller.
 */
int node_hold(struct fs *fs, const struct caller *caller, uint64_t number,
	      struct native_file **ret);

/* The same for what the kernel asks by itself ahead of what the caller comes for. */
int node_hold_ahead(struct fs *fs, const struct caller *caller, uint64_t number,
		    struct native_file **ret);

/*
 * The same for what the kernel came by a name to, as to open: where it keeps names, all
 * that it may keep of the node are verified also if a file is open.
 */
int node_hold_named(struct fs *fs, const struct caller *caller, uint64_t number,
		    struct native_file **ret);
/* Likewise, to give it the name @to. */
int node_hold_to_link(struct fs *fs, const struct caller *caller, uint64_t number,
		      const char *to, struct native_file **ret);

/* Makes node @number, without a name, for who had it before the process: 0, or -ENOMEM.
 */
int node_restore(struct fs *fs, const struct ledger_node *record);
/* Drops those that nobody uses. */
void node_drop_unused(struct fs *fs);

/* Drops every node; for fs_free(). */
void node_drop_all(struct fs *fs);
