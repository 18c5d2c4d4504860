/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Calls of the C library that fail when a test says so. inject.c stands in for them: in
 * the test's own program, or preloaded into the daemon, which shares a struct inject with
 * the test then, a file that INJECT_VARIABLE names in its environment.
 */
#include <stdatomic.h>
#include <stddef.h>

#define INJECT_VARIABLE "SHMFS_TEST_INJECT"

/* One sort of call. Of those since @calls was set to 0, number @from and the @times - 1
 * that follow it fail with @error. */
struct inject_calls {
	atomic_ulong calls;
	atomic_ulong from; /* 0: none fails */
	atomic_ulong times;
	atomic_int error;
	atomic_ulong failed; /* so many have */
};

struct inject {
	struct inject_calls memory; /* malloc() and its like; @error is ENOMEM */
	struct inject_calls files;  /* open() and openat() */
	atomic_llong clock;         /* seconds added to the time of day */
	atomic_long blocks;         /* of memory, allocated and not freed */
};

/* That of this process; set before main() where it comes from outside. */
extern struct inject *inject;
