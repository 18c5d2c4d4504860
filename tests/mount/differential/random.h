/* SPDX-License-Identifier: MIT */
#pragma once
/* Numbers to draw with, the same for a seed on every machine. */
#include <stdint.h>

struct random {
	uint64_t state; /* at first the seed */
};

uint64_t random_next(struct random *random);

/* A number that looks like no other, for each @x. */
uint64_t random_mix(uint64_t x);
