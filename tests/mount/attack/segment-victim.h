/* SPDX-License-Identifier: MIT */
#pragma once
/* The victim of the attackers on segments, as in victim.h. */
#include "attack/arena.h"

struct segment_victim {
	uid_t uid;
	bool opens_only; /* and keeps open for a moment, so that others meet that */
};

/* @context is a struct segment_victim. */
void segment_victim_round(struct arena *arena, void *context);
