/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Somebody who keeps something native busy for as long as a test likes: an object, by a
 * write to it from a page that never comes, during which the kernel locks it; the
 * directory of that, by removing such an object by its name, for which the kernel locks
 * the directory and then waits for the object; or any directory that he may read, by
 * listing it into such a page, behind which who would make a name there waits, and behind
 * that who looks for one.
 */
#include "person.h"

enum hold {
	HOLD_OBJECT,
	HOLD_DIRECTORY,
	HOLD_LISTED,
};

struct holder {
	pid_t pid;
	int order; /* a byte lets go */
};

/*
 * Lets @who hold what is at @path, an object of his; returns when he does. Skips the test
 * that calls it where there is no userfaultfd(2) for it.
 */
void holder_start(struct holder *h, const struct person *who, const char *path,
		  enum hold what);

/* He lets go, and has done what he held it for. */
void holder_release(struct holder *h);

/* He is killed, which lets go as well. */
void holder_kill(struct holder *h);
