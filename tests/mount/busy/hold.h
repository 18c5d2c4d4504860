/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The ways in which an ordinary user holds a lock of the kernel for as long as he likes.
 */
#include <stdbool.h>

#include "busy/place.h"
#include "trap.h"

enum hold_needs {
	HOLD_NATIVE = 1,  /* a native directory */
	HOLD_DIRECT = 2,  /* a file on the mount whose pages the daemon reads */
	HOLD_DEFAULT = 4, /* a mount without options: one will do, to save time */
};

/* Who holds, and what: objects 'h' of @place from 0, and 'd', 0. */
struct holder {
	const struct place *place;
	const struct trap *trap;
	const char *direct; /* where to make the file of HOLD_DIRECT */
	unsigned int n;
};

struct hold {
	const char *name;
	unsigned int needs;
	unsigned int objects; /* how many it holds; 0: one for each that is asked for */
	bool unopened;        /* it can only be held while nobody has it open */
	bool variant;         /* of the one before: all requests at once will do */
	bool restless;        /* the holder works and does not wait */
	/* What is held beside the objects: */
	bool directory;       /* the native directory */
	bool file;            /* the files on the mount, */
	bool mount_directory; /* or its directory; no daemon can do anything about it */
	int (*take)(const struct holder *h);
	/* Called once all requests are there; NULL: nothing happens then. */
	int (*spring)(const struct holder *h);
};

#define HOLDS_MAX 24

extern const struct hold holds[];
extern const unsigned int holds_count;

/* Called by its user in a process of its own; returns once it is held. */
int hold_take(const struct hold *hold, const struct holder *h);
