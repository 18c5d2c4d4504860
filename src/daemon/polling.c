/* SPDX-License-Identifier: MIT */
#include <sched.h>

#include "daemon/polling.h"

#define WINDOW_FIRST 10000U

/* More than the slowest look, less than the shortest turn of somebody else. */
#define TURN_LOST 200000U
#define OVER_FOR  10000000U

static bool one_processor(void)
{
	cpu_set_t set;

	/* More processors than fit into the set are more than one. */
	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1;
}

void polling_init(struct polling *p, uint64_t max)
{
	*p = (struct polling){ .max = one_processor() ? 0 : max };
}

uint64_t polling_window(const struct polling *p, uint64_t now)
{
	return now < p->until ? 0 : p->window;
}

void polling_came(struct polling *p, uint64_t waited)
{
	if (waited <= p->window)
		return;
	if (waited > p->max)
		p->window = 0;
	else if (p->window == 0)
		p->window = WINDOW_FIRST;
	else
		p->window *= 2;
	if (p->window > p->max)
		p->window = p->max;
}

bool polling_goes_on(struct polling *p, uint64_t before, uint64_t now)
{
	if (now - before < TURN_LOST)
		return true;
	p->until = now + OVER_FOR;
	return false;
}
