/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>

/*
 * A buffer of the calling thread, its contents undefined, until it asks for another; NULL
 * without memory, or if no answer can be that large. It goes with the thread.
 */
char *thread_buffer(size_t size);
