/* SPDX-License-Identifier: MIT */
#pragma once
/* A daemon whose calls of the C library fail when the test says so. */
#include <stdbool.h>

#include "inject.h"
#include "mount.h"

/* What the daemons of this program share with it. */
extern struct inject *faults;

/* The name of the library that is preloaded. */
#define INJECT_LIBRARY_VARIABLE "SHMFS_TEST_INJECT_LIBRARY"

/* Before any test. */
void faulty_init(void);

/* What is started from here on is faulty, and is not any more. Nothing fails yet. */
void faulty_begin(void);
void faulty_end(void);

/* mount_start() of a daemon that is faulty. */
void faulty_start(const char *options);

/* Call number @from of a sort fails, and @times - 1 behind it, with @error. */
void fail_calls(struct inject_calls *calls, unsigned long from, unsigned long times,
		int error);
/* None does any more. Returns how many did. */
unsigned long fail_none(struct inject_calls *calls);

/* What is done to a faulty daemon, through its mount, once for each call that may fail.
 */
struct scene {
	const char *name;
	void (*prepare)(void); /* natively; NULL: nothing */
	void (*act)(void);     /* each request by tried() */
	unsigned int step;     /* fails only each so many'th; 0: each */
	bool locks;            /* ENOLCK is an answer, too */
};

/*
 * The value of @expr, a system call; it must be at least 0, or fail for what was made to
 * fail.
 */
#define tried(expr)                         \
	__extension__({                     \
		long tried_ = (long)(expr); \
		tried_check(tried_, #expr); \
		tried_;                     \
	})
void tried_check(long r, const char *what);

/*
 * Plays each scene with the first allocation failing, then with the second, until none is
 * left to fail, and then the same with openings; @clean natively removes what is left
 * each time. Then the daemon must hold no more than before.
 */
void play_all(const struct scene *scenes, size_t n, void (*clean)(void));

/* Plays each scene twice, the second time with the clock an hour back. */
void play_back_in_time(const struct scene *scenes, size_t n, void (*clean)(void));
