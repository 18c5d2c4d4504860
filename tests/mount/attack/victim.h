/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The victim: somebody who uses a name through the mount, while others change what it
 * means. Whatever succeeds must have been done to an object, and to one that the victim
 * may natively do it to.
 */
#include "attack/arena.h"

struct victim {
	uid_t uid;
	bool creates_only; /* opens with O_CREAT only */
	bool reads_only;   /* or opens for reading only, for others to meet that */
	bool is_protected; /* by fs.protected_regular */
};

/* @context is a struct victim. */
void victim_round(struct arena *arena, void *context);
