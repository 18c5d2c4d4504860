/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Commands that run to their end, and what they said.
 */
#include "person.h"

struct outcome {
	int status; /* of its exit */
	char out[4096];
	char err[4096];
};

/* Runs @argv (found in PATH where it has no slash) as @who (NULL: as we are). */
struct outcome command_run(const struct person *who, const char *const argv[]);

/* Runs the daemon's program with these arguments. */
#define daemon_run(...)   \
	command_run(NULL, \
		    (const char *const[]){ getenv("SHMFS_DAEMON"), __VA_ARGS__, NULL })

/* The line of mountinfo about what is mounted on @dir, to be freed; NULL: nothing is, or
 * another mount hides it. */
char *mount_entry(const char *dir);
