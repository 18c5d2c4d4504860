/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include <stdint.h>

/*
 * The number whose digits are all @n bytes at @s, in @base (up to 16, letters in lower
 * case). 0, or -EINVAL where there is anything else, nothing, or more than @max.
 */
int number_parse(const char *s, size_t n, unsigned int base, uint64_t max, uint64_t *ret);
