/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A PostgreSQL server as Debian's package has it, with a data directory in SCRATCH_DIR
 * and nothing but a socket there to talk to it. It runs as the package's own user and is
 * a child of the test, which ends it by its pid; what a test that failed leaves of it,
 * the watchdog ends.
 */
#include "person.h"

#define POSTGRESQL_DIR SCRATCH_DIR "/postgresql"

struct postgresql {
	pid_t pid; /* of its first process, the parent of all others */
	key_t key; /* of its System V segment, as it wrote down */
	int shmid;
};

/* NULL, or why there can be no server on this machine. To be called before the others. */
const char *postgresql_missing(void);

/* Its user. */
const struct person *postgresql_user(void);

/* Makes the data directory. From then on commands find the programs, and they the server.
 */
void postgresql_init(void);

/*
 * Starts the server with @memory, as its shared_memory_type takes it, and returns when it
 * is ready: then its main segment is a System V one ("sysv"), or all that it has of those
 * is a small one, by which it knows whether it runs already ("mmap").
 */
struct postgresql postgresql_start(const char *memory);

/* The processes that the server consists of. */
unsigned int postgresql_processes(void);

/* Runs @argv (found in PATH) as its user; what it says goes to the server's log. */
pid_t postgresql_spawn(const char *const argv[]);

/* Shuts it down; it must end well, and must not have complained. */
void postgresql_stop(void);

/* Ends it, if it runs, in any way. */
void postgresql_kill(void);
