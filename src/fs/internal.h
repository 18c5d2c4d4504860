/* SPDX-License-Identifier: MIT */
#pragma once
/* The file system itself, for the files of this room. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fs/alias.h"
#include "fs/echo.h"
#include "fs/fs.h"
#include "fs/ledger.h"
#include "fs/node.h"
#include "fs/quota.h"
#include "fs/recent.h"
#include "fs/refusal.h"
#include "util/slots.h"
#include "util/table.h"

struct fs {
	struct kind *kind;
	const struct fs_backing *backing; /* NULL: none */
	uint64_t generation;
	struct ledger *ledger; /* NULL: nobody comes after us */
	bool lost; /* events were, before the first is read; for the one thread that tells
		    */

	/*
	 * Protects the tables and the fields that say so. It is held for moments, never
	 * over a native call, and no other lock is taken under it.
	 */
	pthread_mutex_t lock;
	struct slots nodes;       /* struct node by number */
	struct table nodes_by_id; /* the same by identity, but the root */
	uint32_t most_nodes;      /* at once, since memory was given back last */
	struct slots files;       /* struct file by number */
	struct slots dirs;        /* struct dir by number */
	struct table by_name;     /* the same by name, with @keeps */
	struct table aliases;     /* other names of theirs, likewise */
	uint64_t releases;        /* files released so far */
	pthread_cond_t released;  /* signalled with each one */

	struct quota open;    /* files, directory streams, owners of locks */
	struct quota streams; /* of directories, for the memory that they take */
	struct quota ranges;  /* that are locked, for the memory and the time they take */

	/*
	 * With @keeps the kernel keeps names and attributes, and is told of changes, in
	 * batches that @changes counts. What a request found natively may be told to be
	 * out of date before it is answered, unless no batch began meanwhile.
	 */
	bool keeps;
	atomic_bool open_to_all;      /* whoever asks may look names up */
	atomic_uint_fast64_t changes; /* written under fs->lock */
	struct batch *batch;          /* for the one thread that tells */
	struct refusals refusals;

	struct recent recent;
	struct echo echo;
};
