/* SPDX-License-Identifier: MIT */
/*
 * What strtoull() accepts beyond digits (spaces, signs, prefixes, an overflow that only
 * errno tells) is what its callers have to refuse, and it needs an end mark.
 */
#include <errno.h>
#include <limits.h>

#include "util/number.h"

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	return UINT_MAX;
}

int number_parse(const char *s, size_t n, unsigned int base, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned int digit = digit_of(s[i]);

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return -EINVAL;
	}
	if (value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}
