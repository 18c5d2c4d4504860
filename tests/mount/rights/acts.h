/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All that somebody may try to do to a file, each as one function that can be told which
 * file, so that it can be done alike on the mount and on a plain tmpfs. Acts make no
 * cmocka assertion: they run as somebody else.
 */
#include <stdbool.h>
#include <stddef.h>

#define CONTENT "content"

/* The files of one act, by path. */
struct place {
	char dir[64];
	char f[64];      /* the file to act on */
	char free[64];   /* a name that nobody has */
	char mine[64];   /* likewise, for what the actor makes */
	char theirs[64]; /* another user's object, if the act needs one */
};

enum act_needs {
	ACT_THEIRS = 1 << 0,  /* place.theirs */
	ACT_PROGRAM = 1 << 1, /* a program in place.f */
	ACT_CREATES = 1 << 2, /* opens with O_CREAT what may be there */
	ACT_LINKS = 1 << 3,   /* gives another name */
};

struct act {
	char name[48];
	int (*run)(const struct act *a, const struct place *p); /* 0 or -errno */
	unsigned int needs;                                     /* enum act_needs */
	int flags; /* of open(2), access(2), flock(2), ...: the act's own */
	int prot;  /* of a mapping */
	int share; /* MAP_SHARED or MAP_PRIVATE */
	int then;  /* to mprotect(2) the mapping to; 0: nothing */
};

#define ACTS_MAX 192

/* Appends the acts of one sort to @acts, of which there are *@n. */
void acts_of_opening(struct act *acts, size_t *n);
void acts_on_names(struct act *acts, size_t *n);
void acts_on_attributes(struct act *acts, size_t *n);
void acts_on_memory(struct act *acts, size_t *n);

/* Appends @count acts. */
void acts_add(struct act *acts, size_t *n, const struct act *more, size_t count);
