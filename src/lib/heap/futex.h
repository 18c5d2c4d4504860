/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sleeping on a word of shared memory. Nobody sleeps for long at once: a waiter looks
 * from time to time whether the process it waits for is alive, and whether a wake-up went
 * to a process that was killed before it ran.
 */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* How long to sleep before looking: at first, and at most. */
#define FUTEX_FIRST_NS 5000000L
#define FUTEX_MOST_NS  100000000L

/* How often to look at a word before sleeping: as long as falling asleep takes. */
#define FUTEX_LOOKS 100

static inline void futex_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Until when somebody waits. */
struct deadline {
	clockid_t clock;
	struct timespec time;
};

/* -EINVAL where @clock is neither CLOCK_MONOTONIC nor CLOCK_REALTIME, or @time is none.
 */
int deadline_make(int clock, const struct timespec *time, struct deadline *ret);

/* The nanoseconds that are left, @most at most; 0 or less: none. */
long deadline_left(const struct deadline *d, long most);

#define FUTEX_ALL INT_MAX

/*
 * Sleeps for as long as *@word is @value. Returns 0 when woken, or where *@word was
 * another; -EAGAIN after @ns or for a signal, when it is time to look; -ETIMEDOUT after
 * the deadline @until, which may be NULL.
 */
int futex_sleep(const uint32_t *word, uint32_t value, long ns,
		const struct deadline *until);

/* A word, and the value that a thread sleeps on. */
struct futex_word {
	const uint32_t *word;
	uint32_t value;
};

#define FUTEX_WORDS 128u /* at once */

/*
 * The same for as long as each of @n words has its value. Where the kernel has no such
 * call it sleeps on the first, for FUTEX_FIRST_NS at most.
 */
int futex_sleep_any(const struct futex_word *words, size_t n, long ns,
		    const struct deadline *until);
/* Wakes up to @n threads that sleep on @word. Returns how many it has woken. */
int futex_wake(const uint32_t *word, int n);

/* How long to sleep after @ns were in vain. */
static inline long futex_longer(long ns)
{
	return ns < FUTEX_MOST_NS / 2 ? ns * 2 : FUTEX_MOST_NS;
}
