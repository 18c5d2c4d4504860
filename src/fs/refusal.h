/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where the kernel keeps names, a request may come by one that leads elsewhere by now.
 * Refused with -ESTALE, the kernel looks the name up again and comes back; what it then
 * comes with is what the name led to a moment ago, and is not refused again. Nor is an
 * open file (/proc/PID/fd/N), whose name does not matter: it comes back as it was.
 *
 * A refusal is remembered by the thread that asks, until that asks for something else.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "native/caller.h"

#define REFUSALS 256

struct refusal {
	pid_t thread;
	bool opens;    /* to open or link it, which comes back without a name too */
	bool found;    /* it was looked up meanwhile */
	uint64_t node; /* which was refused, or @found; 0: there is no refusal */
	/* The name that a link is to get, or "": the kernel looks that up as well, and
	 * comes back if it is missing. */
	char to[256];
};

/* A place for each of many threads: where two share one, one may see its -ESTALE. */
struct refusals {
	pthread_mutex_t lock;
	struct refusal entries[REFUSALS]; /* protected by lock */
};

void refusals_init(struct refusals *r);
void refusals_done(struct refusals *r);
/*
 * The caller was refused when it came for @node, to open it, to link it as @to (else
 * NULL), or for anything else.
 */
void refusals_add(struct refusals *r, const struct caller *caller, uint64_t node,
		  bool opens, const char *to);
/* The caller has looked up @name, with result @result: @node, or 0 for nothing. */
void refusals_found(struct refusals *r, const struct caller *caller, const char *name,
		    int result, uint64_t node);
/* Whether the caller comes back for @node; forgets the refusal in any case. */
bool refusals_take(struct refusals *r, const struct caller *caller, uint64_t node,
		   bool opens);
/* Likewise, but the refusal stays: the caller is yet to come. */
bool refusals_have(struct refusals *r, const struct caller *caller, uint64_t node);
/* @thread asks no more: a request of it failed before it came here. */
void refusals_lost(struct refusals *r, pid_t thread);
