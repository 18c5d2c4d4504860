/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Pages that do not come: who hands one to a system call waits in the kernel, with
 * whatever locks that call has taken, until the page is given or the caller is killed.
 */
#include <stddef.h>

#define TRAP_PAGE ((size_t)4096)

struct trap {
	int fd;
	char *pages;
	size_t n;
};

/* Sets one of @n pages, which takes root: 0, or a negative errno. */
int trap_set(struct trap *t, size_t n);
/* Waits until @n threads have run into it that were not waited for before. */
void trap_await(const struct trap *t, unsigned int n);
/* Gives page @i, of zeroes: who waits for it goes on, and nobody waits for it again. */
int trap_open(const struct trap *t, size_t i);
void trap_done(struct trap *t);
