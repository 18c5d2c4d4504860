/* SPDX-License-Identifier: MIT */
/* The kernel comes back at once: what is older was given up, and its place is free. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/refusal.h"

void refusals_init(struct refusals *r)
{
	pthread_mutex_init(&r->lock, NULL);
}

void refusals_done(struct refusals *r)
{
	pthread_mutex_destroy(&r->lock);
}

static struct refusal *place(struct refusals *r, pid_t thread)
{
	return &r->entries[(unsigned int)thread % REFUSALS];
}

void refusals_add(struct refusals *r, const struct caller *caller, uint64_t node,
		  bool opens, const char *to)
{
	struct refusal *e = place(r, caller->thread);

	pthread_mutex_lock(&r->lock);
	e->thread = caller->thread;
	e->opens = opens;
	e->found = false;
	e->node = node;
	snprintf(e->to, sizeof(e->to), "%s", to ? to : "");
	pthread_mutex_unlock(&r->lock);
}

void refusals_found(struct refusals *r, const struct caller *caller, const char *name,
		    int result, uint64_t node)
{
	struct refusal *e = place(r, caller->thread);

	pthread_mutex_lock(&r->lock);
	if (e->node && e->thread == caller->thread &&
	    !(result == -ENOENT && strcmp(name, e->to) == 0)) {
		e->found = true;
		e->node = node;
	}
	pthread_mutex_unlock(&r->lock);
}

bool refusals_take(struct refusals *r, const struct caller *caller, uint64_t node,
		   bool opens)
{
	struct refusal *e = place(r, caller->thread);
	bool taken = false;

	pthread_mutex_lock(&r->lock);
	if (e->node && e->thread == caller->thread) {
		taken = e->node == node && (e->found || (opens && e->opens));
		e->node = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return taken;
}

bool refusals_have(struct refusals *r, const struct caller *caller, uint64_t node)
{
	const struct refusal *e = place(r, caller->thread);
	bool have;

	pthread_mutex_lock(&r->lock);
	have = e->node == node && e->thread == caller->thread && e->found;
	pthread_mutex_unlock(&r->lock);
	return have;
}

void refusals_lost(struct refusals *r, pid_t thread)
{
	struct refusal *e = place(r, thread);

	pthread_mutex_lock(&r->lock);
	if (e->thread == thread)
		e->node = 0;
	pthread_mutex_unlock(&r->lock);
}
