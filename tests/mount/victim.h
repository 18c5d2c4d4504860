/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A user who goes about his business while another floods the daemon: he must be served
 * all the time, however long it takes. How long it took is said, and only what nobody
 * would call being served fails the test.
 */
#include "person.h"

extern const struct person flooder; /* alice */
extern const struct person victim;  /* bob */

/* His work on files of his own in @dir, whose latencies go to the log as @when. */
void victim_works(const char *dir, const char *when);

/*
 * The flooder, in a process of her own: @flood takes what it can get and returns 0, or a
 * negative errno, which fails the test. It tells how much it got, and the errno that
 * ended it. flood_end() awaits her end, by which all is given back.
 */
struct flood {
	unsigned int taken;
	int error;
};

struct flood flood_begin(int (*flood)(struct flood *result));
/* The same, but that @flood has to become her itself; it ends with @end. */
struct flood flood_begin_as_root(int (*flood)(struct flood *result), int (*end)(void));
void flood_end(void);
