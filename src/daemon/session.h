/* SPDX-License-Identifier: MIT */
#pragma once
/* One mount from beginning to end. */
#include "daemon/mountpoint.h"
#include "daemon/options.h"

/*
 * Mounts on @place, which is released then, and serves until it is unmounted or told to
 * end. @ready is what
 * background_enter() gave, taken over, or -1 in the foreground. Prints what fails.
 * Returns 0 or a negative errno.
 */
int session_run(struct options *o, struct place *place, int ready);
