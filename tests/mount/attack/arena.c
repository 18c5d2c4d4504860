/* SPDX-License-Identifier: MIT */
/* Attackers do not wait for the victim: only by chance do they hit what lies between a
 * check and a use, so all goes as fast as it can, and often. */
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "attack/arena.h"
#include "mount.h"

#define SECONDS 5
#define ROLES   4

struct arena {
	atomic_bool over;
	atomic_uint attacks;
	atomic_uint done;
	atomic_uint refused;
	atomic_uint breaches;
	char first[256]; /* breach */
};

struct actor {
	struct arena *arena;
	const struct role *role;
};

static uint32_t random_state;

unsigned int arena_random(unsigned int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

void arena_dwell(void)
{
	const struct timespec t = { .tv_nsec = 1000L * arena_random(150) };

	nanosleep(&t, NULL);
}

unsigned int arena_seconds(void)
{
	const char *seconds = getenv("SHMFS_ATTACK_SECONDS");
	unsigned long n = seconds ? strtoul(seconds, NULL, 10) : SECONDS;

	return n > 0 && n < 100000 ? (unsigned int)n : SECONDS;
}

void arena_attacked(struct arena *arena)
{
	atomic_fetch_add(&arena->attacks, 1);
}

void arena_tried(struct arena *arena, bool done)
{
	atomic_fetch_add(done ? &arena->done : &arena->refused, 1);
}

void arena_breach(struct arena *arena, const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&arena->breaches, 1) > 0)
		return;
	va_start(args, format);
	vsnprintf(arena->first, sizeof(arena->first), format, args);
	va_end(args);
}

static int act(const void *arg)
{
	const struct actor *a = arg;

	random_state = (uint32_t)getpid() * 2654435761u | 1;
	while (!atomic_load(&a->arena->over))
		a->role->round(a->arena, a->role->context);
	return 0;
}

static void judge(const char *what, struct arena *a)
{
	print_message("%s: %u attacks, %u acts done, %u refused, %u breaches\n", what,
		      a->attacks, a->done, a->refused, a->breaches);
	if (a->breaches > 0)
		fail_msg("%s: %s", what, a->first);
	assert_true(a->attacks > 0);
	assert_true(a->done > 0);
	assert_true(a->refused > 0);
}

void arena_run(const char *what, const struct role *roles, size_t n)
{
	struct arena *arena = must(mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t pids[ROLES];

	assert_true(n <= ROLES);
	for (size_t i = 0; i < n; i++) {
		const struct actor actor = { arena, &roles[i] };

		pids[i] = person_start(roles[i].who, act, &actor);
	}
	poll(NULL, 0, (int)arena_seconds() * 1000);
	atomic_store(&arena->over, true);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(person_end(roles[i].who, pids[i]), 0);
	judge(what, arena);
	munmap(arena, sizeof(*arena));
}
