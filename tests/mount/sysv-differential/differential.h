/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The comparison itself: a random sequence of operations on a mount of System V segments
 * and on a model of it, which is kept with native calls on segments of its own.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct differential {
	pid_t daemon; /* which serves MOUNT_DIR, of the IPC namespace that we are in */
	bool all;     /* of all kinds */
	bool shares;  /* with passthrough */
	bool forced;  /* segments go with the last that has them attached */
	uint64_t seed;
	uint64_t operations;
	/*
	 * A lie, to see that it is noticed: called from the middle of the run on, on both
	 * sides and by native calls, until it has told it on the subject's and says so.
	 */
	bool (*tamper)(bool subject);
	FILE *log;
};

/* Return: whether both were the same throughout; the log says what was not. */
bool differential_run(const struct differential *differential);
