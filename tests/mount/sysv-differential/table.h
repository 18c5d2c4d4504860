/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All segments of one side, as /proc/sysvipc/shm has them, in words that are the same on
 * both sides: of processes only which part they have, and times so that they can be held
 * against each other.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "differential/outcome.h"

enum { TABLE_ROWS = 64 };

/* Who has made and used segments on one side. */
struct people {
	pid_t mount;  /* the daemon, or its model */
	pid_t native; /* the native actor */
};

const char *people_name(const struct people *people, pid_t pid);

struct row {
	int key, id;
	uint64_t used; /* bytes, in memory or in swap */
	struct outcome words;
};

struct table {
	size_t n;
	struct row rows[TABLE_ROWS];
	int ids[TABLE_ROWS];
};

/* @fd is that file, opened in the namespace; the process ends if it cannot. */
void table_read(int fd, const struct people *people, struct table *ret);

/* How many bytes segment @id takes by @table, 0 for none. */
uint64_t table_used(const struct table *table, int id);

/* Says a time that words_equal() compares: "never", or one. */
void say_when(struct outcome *out, const char *what, int64_t seconds);

/*
 * Says what depends on which pages there are. Those that were only read, and are nothing
 * but zeros, the kernel may take back whenever it needs memory.
 */
void say_memory(struct outcome *out, uint64_t value);

/* Whether both say the same: times within @seconds, of memory only with @memory. */
bool words_equal(const char *a, const char *b, int64_t seconds, bool memory);
