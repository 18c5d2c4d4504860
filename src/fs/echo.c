/* SPDX-License-Identifier: MIT */
/* Counters without a lock: requests on any thread expect, the thread that watches takes.
 */
#include "fs/echo.h"
#include "util/hash.h"

static atomic_uint *count_of(struct echo *e, const char *name)
{
	return &e->counts[hash_string(name) % ECHO_MAX];
}

void echo_expect(struct echo *e, const char *name)
{
	atomic_fetch_add(count_of(e, name), 1);
}

bool echo_take(struct echo *e, const char *name)
{
	atomic_uint *count = count_of(e, name);
	unsigned int n = atomic_load(count);

	while (n > 0)
		if (atomic_compare_exchange_weak(count, &n, n - 1))
			return true;
	return false;
}

void echo_cancel(struct echo *e, const char *name)
{
	echo_take(e, name);
}
