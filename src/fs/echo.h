/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What we do to names comes back as a native event. An echo is such an event announced,
 * so that the one who watches tells our own doings from those of native users.
 */
#include <stdatomic.h>
#include <stdbool.h>

#define ECHO_MAX 1024

/*
 * Counts by hash of the name. A collision can only make a foreign event pass for an echo:
 * then the kernel keeps a dead name for a while, which costs memory and nothing else.
 */
struct echo {
	atomic_uint counts[ECHO_MAX];
};

/* An event about @name will come. */
void echo_expect(struct echo *e, const char *name);
/* It will not, after all. */
void echo_cancel(struct echo *e, const char *name);
/* Whether an event about @name is an echo, which is taken with that. */
bool echo_take(struct echo *e, const char *name);
