/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The comparison itself: a random sequence of operations on a subject and on a plain
 * tmpfs.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "side.h"

struct differential {
	const char *subject;   /* a directory, empty as all three are */
	const char *native;    /* where its files really live, or the subject itself */
	const char *reference; /* a tmpfs of the same size */
	enum io io;
	uint64_t seed;
	uint64_t operations;
	bool users; /* the second half as other users, too */
	/* The subject caches: what it does not see at once, native changes and what is
	 * done through mappings, is left out. */
	bool caches;
	/*
	 * A lie, to see that it is noticed: called from the middle of the run on, until
	 * it has changed something on the subject alone and says so.
	 */
	bool (*tamper)(const char *native);
	time_t patience; /* seconds for what the kernel does not wait for */
	FILE *log;
};

/* Return: whether both sides were the same throughout; the log says what was not. */
bool differential_run(const struct differential *differential);
