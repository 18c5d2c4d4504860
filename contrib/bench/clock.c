/* SPDX-License-Identifier: MIT */
/*
 * What is timed, and only that. The outer ends (gate, then CPU time, then the time) are
 * nested so that none is measured by the other.
 */
#include "clock.h"

#include <errno.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	/* A server that is gone computes no more. */
	if (clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static uint64_t servers_cpu(const struct clock *clock)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < clock->n_servers; i++)
		sum += read_clock(clock->servers[i]);
	return sum;
}

static void set_gate(const struct clock *clock, const char *state)
{
	ssize_t ignored;

	if (clock->gate < 0)
		return;
	ignored = pwrite(clock->gate, state, 1, 0);
	(void)ignored;
}

void clock_reset(struct clock *clock)
{
	set_gate(clock, "0");
	clock->spent = 0;
	clock->cpu = 0;
}

void clock_start(struct clock *clock)
{
	if (!clock)
		return;
	set_gate(clock, "1");
	clock->begin_cpu = servers_cpu(clock);
	clock->begin = clock_now();
}

void clock_stop(struct clock *clock)
{
	uint64_t cpu;

	if (!clock)
		return;
	clock->spent += clock_now() - clock->begin;
	cpu = servers_cpu(clock);
	if (cpu > clock->begin_cpu)
		clock->cpu += cpu - clock->begin_cpu;
	set_gate(clock, "0");
}

int clock_add_server(struct clock *clock, int pid)
{
	clockid_t id;

	if (clock->n_servers == CLOCK_SERVERS)
		return -E2BIG;
	/* The clock of all threads of a process, those that ended included. */
	if (clock_getcpuclockid(pid, &id) != 0)
		return -ESRCH;
	clock->servers[clock->n_servers++] = id;
	return 0;
}
