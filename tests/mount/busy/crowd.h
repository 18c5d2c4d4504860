/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All bystanders of a mount: an ordinary user and root, in each place. What they do is
 * judged, and how long it takes is kept for the figures of the run.
 */
#include <stddef.h>

#include "busy/bystander.h"

#define PLACES_MAX  2
#define PERSONS_MAX 2

struct crowd {
	struct bystander *all[PLACES_MAX * PERSONS_MAX];
	size_t n;
};

/* In @skip are the acts that they leave out, a bit each. */
void crowd_begin(struct crowd *c, const struct place *places, size_t n,
		 unsigned int skip);
bool crowd_is_ready(const struct crowd *c);
/*
 * They act, and have ended when it returns. Whether all is done as it has to be, with a
 * word about what is not; with @may_be_busy, what natively waits for who holds the
 * directory may be EBUSY.
 */
bool crowd_acts(struct crowd *c, const char *when, bool may_be_busy);
void crowd_free(struct crowd *c);

/* How long anything may take on this machine, by how slow it was so far. */
uint64_t crowd_limit(void);

/* Prints how many acts there were, and how long the longest of each took. */
void crowd_tell(void);
