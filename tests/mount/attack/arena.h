/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where attackers and a victim meet: processes with the credentials of real users, each
 * of which does the same again and again until the time is over, and what they tell of
 * each other. SHMFS_ATTACK_SECONDS says how long (5 by default).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "person.h"

struct arena; /* shared by all of them */

struct role {
	const struct person *who;
	/* One round, by whoever acts as this role; makes no cmocka assertion. */
	void (*round)(struct arena *arena, void *context);
	void *context; /* each has a copy of it */
};

/* How long one attack lasts. */
unsigned int arena_seconds(void);

/*
 * Lets all @roles act until the time is over. Fails the test if any has told of a breach,
 * or if nothing was ever done or nothing ever refused: then nobody met. @what names it.
 */
void arena_run(const char *what, const struct role *roles, size_t n);

/* To be called by a role: an attack, an act of the victim's and how it went, a breach. */
void arena_attacked(struct arena *arena);
void arena_tried(struct arena *arena, bool done);
void arena_breach(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A random number below @n; each role has its own. */
unsigned int arena_random(unsigned int n);

/* Lets the others act for a random moment. */
void arena_dwell(void);
