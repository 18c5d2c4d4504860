/* SPDX-License-Identifier: MIT */
#pragma once
/* Callers who are somebody, with groups that are asked for. */
#include <grp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kind-fixture.h"

/* A caller's supplementary groups, and how often they were asked for. */
struct groups {
	size_t n;
	gid_t list[100];
	int asked;
};

static inline int read_groups(void *context, size_t n, gid_t *ret)
{
	struct groups *g = context;

	g->asked++;
	memcpy(ret, g->list, (n < g->n ? n : g->n) * sizeof(*ret));
	return (int)g->n;
}

static inline struct caller user(uid_t uid, struct groups *g)
{
	return (struct caller){ .uid = uid,
				.gid = uid,
				.thread = (pid_t)syscall(SYS_gettid),
				.groups = read_groups,
				.context = g };
}

/*
 * What opening gives where reading is not permitted: natively -EACCES, but valgrind asks
 * for the size of a segment itself before it attaches one, and takes the refusal for
 * there being none.
 */
static inline int unreadable(void)
{
	return fixture_valgrind() && strcmp(model->kind, "sysv") == 0 ? -ESTALE : -EACCES;
}

/* To be called before anything is made: it ends the test where there is nobody else. */
static inline void need_root(void)
{
	/* In a user namespace of one user there is nobody else to be. */
	if (setgroups(0, NULL) < 0)
		skip();
}
