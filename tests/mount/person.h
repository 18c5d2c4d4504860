/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Somebody who makes requests: a real process with another user's credentials, since the
 * daemon and the kernel look at those of the process and nowhere else.
 */
#include <stddef.h>
#include <sys/types.h>

struct person {
	const char *name; /* for messages */
	uid_t uid;
	gid_t gid;
	size_t group_count;
	gid_t groups[4];
};

/*
 * Runs @act(@arg) in a child with @who's credentials (NULL: with ours) and no capability
 * but root's. @act returns 0 or a negative errno down to -255, makes no cmocka assertion
 * and leaves through return. Returns what @act returned; fails the test if the child
 * died.
 */
int person_do(const struct person *who, int (*act)(const void *arg), const void *arg);

/* The same in two steps: the child acts meanwhile. */
pid_t person_start(const struct person *who, int (*act)(const void *arg),
		   const void *arg);
int person_end(const struct person *who, pid_t pid);

/* The system call that @pid sleeps in: its number, or -1. */
long person_call(pid_t pid);

/* Skips the test that calls it where there is only one user (in a user namespace). */
void person_needs_root(void);
