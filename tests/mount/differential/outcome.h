/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What became of an operation on one side: its result, and in words all that it showed
 * (attributes, bytes, names). The words are what is compared, and what is printed.
 */
#include <stddef.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

struct outcome {
	long result; /* of the call, or a negative errno */
	size_t used;
	char text[1000];
};

void outcome_start(struct outcome *out);

bool outcome_equal(const struct outcome *a, const struct outcome *b);

/* Adds to what is said. */
void say(struct outcome *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says @length bytes, by their hash. */
void say_bytes(struct outcome *out, const void *bytes, size_t length);

/* Says a time: exactly if it was set, and "now" if it is of this run. */
void say_time(struct outcome *out, const char *what, struct timespec at);

/* Says all attributes but the numbers of the device and the inode. */
void say_stat(struct outcome *out, const struct stat *st);
