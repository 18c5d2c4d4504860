/* SPDX-License-Identifier: MIT */
/*
 * The kernel tells how many processes want to run at this moment. Where a span of time is
 * looked at in steps, and each counts as the part of it that a process could have run
 * for, the sum is right, however the load changes meanwhile.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "patience.h"
#include "util/clock.h"

#define FACTOR_MAX 30

/* Those that run or wait for a processor, this one among them; 1 where nobody tells. */
static unsigned int count_running(void)
{
	unsigned int running = 1;
	FILE *load = fopen("/proc/loadavg", "re");

	if (!load)
		return 1;
	if (fscanf(load, "%*s %*s %*s %u", &running) != 1)
		running = 1;
	fclose(load);
	return running;
}

static unsigned int count_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static double demanded(void)
{
	const char *text = getenv("SHMFS_TEST_PATIENCE");
	unsigned long factor = text ? strtoul(text, NULL, 10) : 1;

	return factor > 0 && factor < 1000 ? (double)factor : 1;
}

double patience_factor(void)
{
	double load = (double)count_running() / count_processors();

	if (load < 1)
		load = 1;
	if (load > FACTOR_MAX)
		load = FACTOR_MAX;
	return load * demanded();
}

struct patience patience_of(double seconds)
{
	return (struct patience){ seconds * 1e9, clock_ns() };
}

bool patience_over(struct patience *p)
{
	uint64_t now = clock_ns();

	p->left_ns -= (double)(now - p->since_ns) / patience_factor();
	p->since_ns = now;
	return p->left_ns <= 0;
}

uint64_t patience_waited_ns(pid_t pid)
{
	uint64_t ns = 0;
	char path[40];
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	stat = fopen(path, "re");
	if (!stat)
		return 0;
	if (fscanf(stat, "%*u %" SCNu64, &ns) != 1)
		ns = 0;
	fclose(stat);
	return ns;
}
