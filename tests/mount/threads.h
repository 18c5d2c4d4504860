/* SPDX-License-Identifier: MIT */
#pragma once
/* What /proc tells of the threads of any process. */
#include <sys/types.h>

/* '?': there is none. */
char thread_state(pid_t pid, pid_t thread);
/* How many threads of @pid have @state now. */
unsigned int threads_in_state(pid_t pid, char state);
