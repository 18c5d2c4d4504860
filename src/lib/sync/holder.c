/* SPDX-License-Identifier: MIT */
/* Thread ids of the system would repeat between containers; so threads are counted. */
#include "lib/sync/holder.h"

_Thread_local uint32_t holder_thread __attribute__((tls_model("initial-exec")));

static uint32_t n_threads;

void holder_number(void)
{
	holder_thread = __atomic_add_fetch(&n_threads, 1, __ATOMIC_RELAXED);
}
