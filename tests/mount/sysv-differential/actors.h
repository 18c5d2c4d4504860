/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The processes that do the operations: two on the mount, one that is its model, and one
 * on each side that makes the native calls. The model and its native actor live in an IPC
 * namespace of their own, in which everything happens in the same order, so that even the
 * identifiers of segments are the same.
 */
#include "differential/outcome.h"
#include "differential.h"
#include "op.h"
#include "table.h"

enum { SUBJECT, REFERENCE, SIDES };

struct actors {
	const struct differential *what;
	struct worker {
		int socket;
		pid_t pid;
	} mounts[MOUNT_ACTORS], model, natives[SIDES];
	int namespaces[SIDES];
	int tables[SIDES]; /* /proc/sysvipc/shm in them */
	struct people people[SIDES];
};

/*
 * As @what has the mount. Sets the limits in both namespaces, and
 * kernel.shm_rmid_forced. All functions end
 * the process where they cannot.
 */
void actors_start(struct actors *actors, const struct differential *what);

/* Has @op done on both sides. */
void actors_do(struct actors *actors, const struct op *op, struct outcome ret[SIDES]);

/* All descriptors, mappings and attachments are given back when it returns. */
void actors_stop(struct actors *actors);

/* Calls @act in both namespaces, as what happens there by another hand. */
bool actors_both(struct actors *actors, bool (*act)(bool subject));
