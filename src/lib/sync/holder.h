/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The thread that holds something in shared memory. All threads of a process are the same
 * owner (lib/heap/owned.h), so a word beside the owner's names the thread, too. Only the
 * thread that has the owner's word writes its number there, and it clears the number
 * before it gives the owner's word back. So a thread that finds its owner and its number
 * there is the holder. A number that a dead process left there has another owner with it.
 */
#include "lib/heap/heap.h"

/* The number of the calling thread in its process, or 0 before it has one. */
extern _Thread_local uint32_t holder_thread __attribute__((tls_model("initial-exec")));

void holder_number(void);

static inline uint64_t holder_me(const struct shmfs_heap *h)
{
	if (!holder_thread)
		holder_number();
	return (uint64_t)h->owner << 32 | holder_thread;
}

static inline bool holder_is_me(const struct shmfs_heap *h, const uint64_t *holder)
{
	return h->owner && __atomic_load_n(holder, __ATOMIC_RELAXED) == holder_me(h);
}

static inline void holder_set(uint64_t *holder, uint64_t value)
{
	__atomic_store_n(holder, value, __ATOMIC_RELAXED);
}
