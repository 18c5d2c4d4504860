/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A process that stays behind the daemon and, should that die, clones the next one. It
 * shares its table of descriptors with them, so that the mount, what is open and what is
 * locked outlive each; and it is as it was when the mount was there and nothing had been
 * asked of it yet, which is what each of them begins with.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/descriptors.h"

struct keeper {
	/* To be called when the first daemon serves: 0, or a negative errno. */
	int (*announce)(void *context);
	/* To be called when there will be no other daemon, and nobody has unmounted. */
	void (*abandon)(void *context);
	void *context; /* of those two */

	struct descriptors own; /* that there were before the first daemon */
	struct keeper_state *state;
	pid_t daemon;
	int signals;
	int serving;
	int never;    /* nobody writes to it */
	pid_t anchor; /* that is known to be needed; 0: none */
	bool announced;
	int ending; /* the signal by which it was told to end; 0: it was not */
	unsigned int deaths;
	bool fault; /* the last one was by a fault of the daemon, as far as can be seen */
	uint64_t dying_since; /* nanoseconds; 0: it is not seen to */
	bool held; /* a thread of the last one is still in a call, where no signal reaches
		    */
};

/*
 * Becomes the keeper, which ends with the daemon and with its status: it returns in the
 * daemons alone, where k->deaths says how many there were before, or a negative errno
 * where there is no daemon.
 */
int keeper_run(struct keeper *k);

/*
 * By a daemon, when it has attached what is to be attached, and before it serves: if it
 * dies all stays attached until another one has come so far. Without one what was removed
 * is gone then. -EAGAIN, -EPERM: the system does not let us.
 */
int keeper_anchor(struct keeper *k);

/* By a daemon: what it says by that is that the next one could go on. */
void keeper_serving(struct keeper *k);
/* And that it could not any more, since what there is is taken down. */
void keeper_ending(struct keeper *k);

/* And that it leaves, though threads of its are in calls that do not return: nobody waits
 * for those. */
void keeper_leaving(struct keeper *k);

/* By a daemon after the first: closes what the dead one had open but for @kept. */
void keeper_close_others(struct keeper *k, const struct descriptors *open,
			 const struct descriptors *kept);
