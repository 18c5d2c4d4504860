/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon that mount_start() started takes of the machine. */
#include <stdbool.h>

/* Its descriptors. */
unsigned int daemon_fds(void);

/* A number from its /proc/PID/status, such as of kB. */
unsigned long daemon_status(const char *name);

/* Where the memory is a tool's and not the daemon's, its size says nothing. */
bool is_instrumented(void);

/* What each thread that is started meanwhile needs: a buffer for the largest request. */
#define THREAD_KB 1100
