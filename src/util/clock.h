/* SPDX-License-Identifier: MIT */
#pragma once
#include <time.h>

/* The time of @clock that is @ns nanoseconds, less than a second, from now. */
static inline struct timespec clock_in(clockid_t clock, long ns)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ns;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}
