/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where objects are: on the mount, with the same ones natively; or on the mount alone, as
 * segments are; or natively alone, to compare with.
 */
#include <stdbool.h>
#include <sys/types.h>

struct place {
	const char *name;
	const char *dir;
	const char *native; /* NULL: it has no directory */
};

struct path {
	char text[96];
};

/* Objects are told apart by whose they are, a letter, and a number. */
struct path place_path(const struct place *p, char whose, unsigned int n);
struct path place_native(const struct place *p, char whose, unsigned int n);
unsigned int place_key(char whose, unsigned int n);

/* Makes and removes it natively, as root; to be called in the test process. */
void place_make(const struct place *p, char whose, unsigned int n, uid_t owner);
/* As a person who may; it need not be there. */
void place_remove(const struct place *p, char whose, unsigned int n);
