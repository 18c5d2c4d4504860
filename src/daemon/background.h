/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Going to the background: the command that the user started waits until the daemon says
 * that it is ready, or ends, and then returns with its status.
 */

/*
 * Forks. Returns in the child alone, with the descriptor to tell readiness through, or a
 * negative errno in the parent where there is no child.
 */
int background_enter(void);
/* By a process whose parent does that: what each must do for itself. */
int background_follow(void);
/* Lets go of the terminal and of whoever waits; takes over @ready. */
int background_ready(int ready);
