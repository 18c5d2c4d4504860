/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/heap/futex.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define SECOND_NS 1000000000L

int deadline_make(int clock, const struct timespec *time, struct deadline *ret)
{
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	if (time->tv_nsec < 0 || time->tv_nsec >= SECOND_NS)
		return -EINVAL;
	*ret = (struct deadline){ clock, *time };
	return 0;
}

long deadline_left(const struct deadline *d, long most)
{
	struct timespec now;
	long seconds;

	clock_gettime(d->clock, &now);
	if (d->time.tv_sec < now.tv_sec)
		return 0;
	if (d->time.tv_sec - now.tv_sec > 1)
		return most;
	seconds = (long)(d->time.tv_sec - now.tv_sec);
	if (seconds > 0 && d->time.tv_nsec >= now.tv_nsec)
		return most;
	seconds = seconds * SECOND_NS + d->time.tv_nsec - now.tv_nsec;
	return seconds < most ? seconds : most;
}

int futex_sleep(const uint32_t *word, uint32_t value, long ns,
		const struct deadline *until)
{
	long sleep = until ? deadline_left(until, ns) : ns;
	/* What SYS_futex takes is no struct timespec where time_t has 64 bits and long
	 * has 32. */
	const long time[2] = { 0, sleep };
	int r;

	if (sleep <= 0)
		return -ETIMEDOUT;
	r = errno_or((int)syscall(SYS_futex, word, FUTEX_WAIT, value, time, NULL, 0));
	if (r == 0 || r == -EAGAIN)
		return 0;
	return r == -ETIMEDOUT && sleep < ns ? -ETIMEDOUT : -EAGAIN;
}

/* As the kernel has it since Linux 5.16, whatever the headers know. */
struct waitv {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t zero;
};

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WAITV_32 2 /* bits of the word, and it is shared */

int futex_sleep_any(const struct futex_word *words, size_t n, long ns,
		    const struct deadline *until)
{
	long sleep = until ? deadline_left(until, ns) : ns;
	struct timespec end = clock_in(CLOCK_MONOTONIC, sleep > 0 ? sleep : 0);
	const int64_t time[2] = { end.tv_sec, end.tv_nsec };
	struct waitv list[FUTEX_WORDS];
	int r;

	if (sleep <= 0)
		return -ETIMEDOUT;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct waitv){ words[i].value, (uintptr_t)words[i].word,
					  WAITV_32, 0 };
	r = errno_or((int)syscall(SYS_futex_waitv, list, (unsigned int)n, 0, time,
				  CLOCK_MONOTONIC));
	/* Filters of system calls say one or the other. */
	if (r == -ENOSYS || r == -EPERM)
		return futex_sleep(words[0].word, words[0].value,
				   ns < FUTEX_FIRST_NS ? ns : FUTEX_FIRST_NS, until);
	if (r >= 0 || r == -EAGAIN)
		return 0;
	return r == -ETIMEDOUT && sleep < ns ? -ETIMEDOUT : -EAGAIN;
}

int futex_wake(const uint32_t *word, int n)
{
	return (int)syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
}
