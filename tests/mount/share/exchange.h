/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A game for two on shared pages: the leader writes a number, the follower sees it and
 * writes it back, and each waits for the other. It can only end if stores are seen on the
 * other side, in both directions, on every page, without anything that would flush them.
 */
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXCHANGE_PAGES = 16, EXCHANGE_SIZE = EXCHANGE_PAGES * 4096 };

/* Where it is played: in memory, or, without @words, with read and write. */
struct exchange {
	uint32_t *words;
	int fd;
	uint64_t size;
};

static inline uint32_t exchange_load(const struct exchange *e, size_t at)
{
	uint32_t value = 0;

	if (e->words)
		return __atomic_load_n(&e->words[at], __ATOMIC_ACQUIRE);
	if (pread(e->fd, &value, sizeof(value), (off_t)(at * sizeof(value))) < 0)
		abort();
	return value;
}

static inline void exchange_store(const struct exchange *e, size_t at, uint32_t value)
{
	if (e->words)
		__atomic_store_n(&e->words[at], value, __ATOMIC_RELEASE);
	else if (pwrite(e->fd, &value, sizeof(value), (off_t)(at * sizeof(value))) < 0)
		abort();
}

static inline void exchange_await(const struct exchange *e, size_t at, uint32_t value)
{
	while (exchange_load(e, at) != value)
		sched_yield();
}

/*
 * Each number has its page, of those that lie evenly between the first page and the last;
 * the leader writes the first word of it, the follower the second.
 */
static inline size_t exchange_place(const struct exchange *e, uint32_t number)
{
	uint64_t last = e->size / 4096 - 1;

	return number % EXCHANGE_PAGES * last / (EXCHANGE_PAGES - 1) *
	       (4096 / sizeof(uint32_t));
}

static inline void exchange_lead(const struct exchange *e, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++) {
		exchange_store(e, exchange_place(e, i), i);
		exchange_await(e, exchange_place(e, i) + 1, i);
	}
}

static inline void exchange_follow(const struct exchange *e, uint32_t first,
				   uint32_t last)
{
	for (uint32_t i = first; i <= last; i++) {
		exchange_await(e, exchange_place(e, i), i);
		exchange_store(e, exchange_place(e, i) + 1, i);
	}
}
