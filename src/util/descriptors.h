/* SPDX-License-Identifier: MIT */
#pragma once
/* A set of descriptors of the process. */
#include <stdbool.h>

struct descriptors {
	unsigned char *bits;
	unsigned int n; /* that there is room for, from 0 on */
};

/* All that are open now, into an empty (zeroed) set: 0, or a negative errno. */
int descriptors_open(struct descriptors *ret);
/* 0, or -ENOMEM. */
int descriptors_add(struct descriptors *d, int fd);
void descriptors_remove(struct descriptors *d, int fd);
bool descriptors_has(const struct descriptors *d, int fd);
void descriptors_done(struct descriptors *d);
