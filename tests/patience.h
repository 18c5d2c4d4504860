/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long a test waits for what must happen soon. Time itself would be no measure: on a
 * machine that is busy with other things all takes longer. So the time counts that a
 * process has had a processor for, or would have had one that was free.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How many times as long as alone something takes here and now: as many as there are
 * processes for each processor, at the most as many as meson multiplies its own limits by
 * (tests/meson.build), and SHMFS_TEST_PATIENCE times that, a whole number, for tools that
 * make all slower. At least 1.
 */
double patience_factor(void);

/* A span of such time. */
struct patience {
	double left_ns;
	uint64_t since_ns;
};

struct patience patience_of(double seconds);

/* Takes off what has passed since it was asked last, and tells whether it is used up. */
bool patience_over(struct patience *p);

/* How long process @pid has waited for a processor so far; 0 where nobody tells. */
uint64_t patience_waited_ns(pid_t pid);
