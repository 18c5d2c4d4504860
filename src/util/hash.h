/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/* FNV-1a of a string. */
static inline uint32_t hash_string(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}
