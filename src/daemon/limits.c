/* SPDX-License-Identifier: MIT */
/*
 * Requests need descriptors for as long as they last. Those are set aside from the start:
 * where everything that users may have open is open, all other requests go on working.
 */
#include <sys/resource.h>

#include "daemon/limits.h"

#define OF_SESSION 32 /* its own, open throughout, with some to spare */
#define OF_THREAD  4  /* what one request has open at once, and some to spare */

#define THREADS_MAX 64
#define HANDLES_MAX 128
#define FILES_MAX   (1u << 30)

static rlim_t raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : limit.rlim_cur;
}

static unsigned int within(rlim_t n, unsigned int max)
{
	return n < 1 ? 1 : n > max ? max : (unsigned int)n;
}

struct limits limits_init(void)
{
	rlim_t n = raise_limit();
	struct limits l = {
		.threads = within(n / 16, THREADS_MAX),
		.handles = within(n / 8, HANDLES_MAX),
	};
	rlim_t own = OF_SESSION + OF_THREAD * l.threads + l.handles;

	l.files = within(n > own ? n - own : 0, FILES_MAX);
	return l;
}

unsigned int limits_share(unsigned int all, unsigned int n)
{
	return within(all / n, all);
}
