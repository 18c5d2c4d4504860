/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the kernel knows of a file system by number, and the descriptors that go with it,
 * in memory that outlives the process: whoever comes after a process that died finds it
 * there (fs_restore()), with the descriptors in the same table.
 *
 * A record counts while its first word is not 0, which is written last and cleared first.
 * It is there before an answer tells the kernel of it, and goes after the kernel has let
 * go: so a death in between leaves too much, and never too little.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "native/kind.h"
#include "util/cleanup.h"
#include "util/slots.h"

/* By the place of the number, slots_index(). A chunk of slots has a page of them. */
struct ledger_node {
	uint64_t number;
	struct object_id id;
	uint64_t lookups;
	uint64_t in_page; /* of the first record of a page: those of it that count */
	uint64_t unused[2];
};
_Static_assert(sizeof(struct ledger_node) * SLOTS_CHUNK == 4096, "a page");

#define LEDGER_DIRECT (1u << 0) /* as of struct fs_open_file */

/* Likewise. */
struct ledger_file {
	uint64_t number;
	uint64_t node;
	uint64_t request; /* that opened it */
	int fd;           /* negative: it has none */
	int backing_id;   /* 0: direct */
	uid_t uid;        /* whose it counts as */
	unsigned int flags;
	int opened; /* with these flags of open(2) */
};

/* Likewise. */
struct ledger_dir {
	uint64_t number;
	uint64_t request; /* that opened it */
	int fd;
	uid_t uid;
};

/* By the descriptor that holds the locks. */
struct ledger_lock {
	uint64_t file; /* that was locked through last */
	uint64_t owner;
	pid_t pid;
	uid_t uid;
	bool flock;
	bool writable; /* the descriptor is */
};

/* Of the numbers of one table. */
struct ledger_numbers {
	uint32_t end;  /* behind the highest place that was used */
	uint32_t uses; /* one more than any number that is gone had */
};

/* It lies before the records. */
struct ledger_state {
	struct ledger_numbers nodes, files, dirs;
};

struct ledger {
	struct ledger_state *state;
	struct ledger_node *nodes;
	struct ledger_file *files;
	struct ledger_dir *dirs;
	struct ledger_lock *locks;
	uint32_t max_nodes;
	uint32_t max_files; /* and directories, and locks */
	size_t size;
};

/* Memory that processes cloned from this one share; -ENOMEM where so much cannot be
 * reserved. It is empty, and costs what is used of it. */
int ledger_new(struct ledger **ret);
/* Takes NULL, returns NULL. */
struct ledger *ledger_free(struct ledger *l);
DEFINE_CLEANUP(struct ledger, ledger, ledger_free);

/*
 * All of these take NULL for a ledger, and do nothing then. They are called with the lock
 * of the file system held, or, those of locks, with that of what is opened.
 */

/* -ENOMEM: there is no room for such a number. */
int ledger_add_node(struct ledger *l, uint64_t number, const struct object_id *id);
void ledger_set_lookups(struct ledger *l, uint64_t number, uint64_t lookups);
void ledger_remove_node(struct ledger *l, uint64_t number);
/* Gives back the memory of nodes that are gone. */
void ledger_trim(struct ledger *l);

int ledger_add_file(struct ledger *l, const struct ledger_file *f);
void ledger_remove_file(struct ledger *l, uint64_t number);
int ledger_add_dir(struct ledger *l, const struct ledger_dir *d);
void ledger_remove_dir(struct ledger *l, uint64_t number);

int ledger_set_lock(struct ledger *l, int fd, const struct ledger_lock *lock);
/* @fd may be negative: then there is none. */
void ledger_remove_lock(struct ledger *l, int fd);

/* The record of descriptor @fd, or NULL. */
const struct ledger_lock *ledger_lock_of(const struct ledger *l, int fd);
