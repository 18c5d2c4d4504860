/* SPDX-License-Identifier: MIT */
#pragma once
#include <malloc.h>

/* Gives back to the system what was freed: glibc keeps it, other allocators do not. */
static inline void memory_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
