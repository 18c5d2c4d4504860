/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The processes that do the operations, each with its own descriptors and mappings on
 * both sides: this one and another on the mount, and a third on the native objects
 * themselves. They take turns, so that the sequence is the same whatever the scheduler
 * does.
 */
#include "op.h"
#include "outcome.h"
#include "side.h"

enum { SUBJECT, REFERENCE, SIDES };

struct actors {
	struct side here[SIDES];
	struct {
		int socket; /* to it, or -1 */
		pid_t pid;
	} others[ACTORS];
};

/* Ends the process if it cannot. */
void actors_start(struct actors *actors, const char *const dirs[SIDES],
		  const char *native, enum io io);

/* Has @op done on both sides (or on the subject alone, where it says so). */
void actors_do(struct actors *actors, const struct op *op, struct outcome ret[SIDES]);

/* All descriptors and mappings are given back when it returns. */
void actors_stop(struct actors *actors);
