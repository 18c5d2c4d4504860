/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The attacker: one user with a process that holds locks, and another that sends
 * requests, each from several threads. They live in a process namespace of their own, so
 * that all of them end with its first process.
 */
#include "busy/hold.h"
#include "busy/request.h"
#include "person.h"

extern const struct person attacker;

struct attack {
	const struct place *place;
	const struct hold *hold;
	const struct request *first; /* of those that are sent, */
	unsigned int n;              /* so many, */
	unsigned int threads;        /* each by so many */
	const char *direct;          /* see struct holder */
};

/* How many objects it takes; they are made and removed by the test. */
unsigned int attack_objects(const struct attack *a);

/* One at a time. Its objects must be there. */
void team_begin(const struct attack *a);
/*
 * The steps, each to be awaited before the next one is asked for: files are open, the
 * locks are held, all requests are sent and wait or are served, what springs has sprung.
 */
bool team_is_prepared(void);
void team_hold(void);
bool team_holds(void);
void team_send(void);
bool team_is_still(void);
void team_spring(void);
bool team_has_sprung(void);
/* The errno by which it cannot, or 0. */
int team_error(void);

/* Kills all of it. */
void team_kill(void);
bool team_is_gone(void);
