/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The requests that a user can send. Each is about an object of his own.
 */
#include <stdbool.h>

#include "busy/place.h"

struct target {
	const struct place *place;
	unsigned int n;   /* of the object, 'h' */
	struct path path; /* on the mount */
	int fd;           /* open for reading and writing; -1: it cannot be */
};

struct request {
	const char *name;
	bool names;     /* it changes the directory */
	bool directory; /* natively it waits for the directory alone */
	bool both;      /* natively it has the directory and waits for the object */
	bool plain;     /* it is about a file whose data the kernel may pass through */
	bool variant;   /* of others: it is sent with all, and not by itself */
	bool pairs;     /* two make each other hold the mount's directory; sent alone */
	void (*send)(struct target *t);
};

extern const struct request requests[];
extern const unsigned int requests_count;

/* Opens the object of @t as @r wants it. */
int request_open(const struct request *r, const struct target *t);
