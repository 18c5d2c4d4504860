/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long to look for the next request before sleeping, as KVM's halt polling decides
 * it. A sleep costs the two wake-ups of a round trip between processors, tens of
 * microseconds; looking costs the processor. So the window grows while requests come soon
 * after the last one, and is nothing when they do not: who is idle uses no processor.
 *
 * All times are nanoseconds. Not locked: it belongs to the thread that looks.
 */
#include <stdbool.h>
#include <stdint.h>

struct polling {
	uint64_t max;    /* the largest window; 0: never look */
	uint64_t window; /* the one in force */
	uint64_t until;  /* no looking before this time: somebody needs the processor */
};

/* @max is 0 where this process has but one processor: looking would keep it from others.
 */
void polling_init(struct polling *p, uint64_t max);
/* The window for a wait that begins at @now. */
uint64_t polling_window(const struct polling *p, uint64_t now);
/* A request came after @waited. */
void polling_came(struct polling *p, uint64_t waited);
/*
 * Two looks, at @before and at @now, followed each other. Returns false where so much
 * time is between them that the processor was given to somebody else: then looking is
 * over for a while, since who sleeps is served at once when the request comes, but who
 * looks has to wait for his turn.
 */
bool polling_goes_on(struct polling *p, uint64_t before, uint64_t now);
