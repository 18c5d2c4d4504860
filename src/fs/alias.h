/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An object may have several names. Its node has the one that was seen last, and here are
 * those that were seen before: without them nobody could find the object when the last
 * one is removed. Where the kernel keeps names, an alias also stands for what the kernel
 * may still have, and stays until the kernel is told that it is gone.
 */
#include <stdint.h>

#include "native/kind.h"
#include "util/table.h"

struct fs;
struct node;

/* Of one node. The oldest makes room: what is looked up is learned again. */
#define ALIASES_MAX 3

struct alias {
	struct link by_name; /* in fs->aliases, with fs->keeps */
	struct node *node;
	struct alias *next; /* that was seen before */
	uint32_t seen;      /* as of the node's name */
	char name[];
};

/* All of these are called with fs->lock held. */

/* @n was seen as @name before, and @instead is no alias of it. Returns 0 or -ENOMEM. */
int alias_add(struct fs *fs, struct node *n, const char *name, uint32_t seen,
	      const char *instead);
/* It is no alias, or no more. */
void alias_remove(struct fs *fs, struct node *n, const char *name);
void alias_remove_all(struct fs *fs, struct node *n);
/*
 * With fs->keeps: takes the alias @name from one node that is not that of object @id
 * (NULL: of none), unless it was seen since the batch of changes began that is being
 * told. Returns the node, or NULL when there is none left.
 */
struct node *alias_unname(struct fs *fs, const char *name, const struct object_id *id);
/* Likewise: takes the alias @name from all nodes. */
void alias_removed(struct fs *fs, const char *name);
