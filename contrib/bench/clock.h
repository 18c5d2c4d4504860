/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_SERVERS 8

/*
 * The clock that operations are timed with. It also sums up what processes (the servers
 * of a file system) computed while it ran, and can open a gate for as long: a file that
 * "1" is written to when it starts and "0" when it stops, such as tracing_on of tracefs.
 * Functions accept NULL: that clock is not wound.
 */
struct clock {
	uint64_t spent; /* nanoseconds that it ran */
	uint64_t cpu;   /* nanoseconds that the servers computed meanwhile */
	uint64_t begin;
	uint64_t begin_cpu;
	clockid_t servers[CLOCK_SERVERS];
	size_t n_servers;
	int gate; /* or -1 */
};

uint64_t clock_now(void);
void clock_reset(struct clock *clock);
void clock_start(struct clock *clock);
void clock_stop(struct clock *clock);

/* Has process @pid's computing summed up: 0, or -ESRCH if there is none, -E2BIG. */
int clock_add_server(struct clock *clock, int pid);
