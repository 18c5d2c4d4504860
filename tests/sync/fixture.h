/* SPDX-License-Identifier: MIT */
#pragma once
/* Processes that share a heap and are killed, and threads that must not hang. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "heap/fixture.h"
#include "util/clock.h"

/* Nothing in these tests waits for so long, unless it hangs. */
#define FIXTURE_SECONDS 60

static inline void *fixture_object(struct shmfs_heap *heap, uint64_t size)
{
	void *object = NULL;

	assert_int_equal(
		shmfs_heap_find_or_construct(heap, "shared", 1, size, NULL, &object), 0);
	return object;
}

/*
 * Runs @fn in a process that attaches to the heap itself: process 1 of a namespace of its
 * own where @container, as in a container. What @fn returns is its exit status.
 */
static inline pid_t fixture_start(int (*fn)(struct shmfs_heap *heap, void *data),
				  void *data, bool container)
{
	struct shmfs_heap *heap;
	pid_t pid;

	container = container && !fixture_emulated();
	fflush(NULL);
	pid = container ? (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0)
			: fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	alarm(FIXTURE_SECONDS);
	if (shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &heap) < 0)
		_exit(101);
	_exit(fn(heap, data));
}

/* How often something is tried @n times: valgrind takes much longer for it. */
static inline int fixture_times(int n)
{
	return fixture_valgrind() ? n / 10 : n;
}

static inline void fixture_kill(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* It did not end by itself, of an error or a signal of its own. */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static inline void fixture_end(pid_t pid, int expected)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static inline void fixture_nap(long ns)
{
	const struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

/* Waits until @word is @value. */
static inline void fixture_await(const uint32_t *word, uint32_t value)
{
	uint64_t end = clock_ns() + FIXTURE_SECONDS * UINT64_C(1000000000);

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
		assert_true(clock_ns() < end);
		fixture_nap(200000);
	}
}

static bool fixture_traced;

/* What a function that is killed at an instruction calls when it has prepared all. */
static inline void fixture_ready(void)
{
	if (fixture_traced)
		raise(SIGSTOP);
}

/*
 * Runs @fn as fixture_start() does, and kills it @n instructions after that which changes
 * @word. Returns false when it had ended before, with status 0.
 */
static inline bool fixture_die_after(int (*fn)(struct shmfs_heap *heap, void *data),
				     void *data, const uint32_t *word, unsigned int n)
{
	uint32_t before = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	struct shmfs_heap *heap;
	bool changed = false;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &heap) < 0)
			_exit(101);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		fixture_traced = true;
		_exit(fn(heap, data));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status)) {
		changed |= __atomic_load_n(word, __ATOMIC_ACQUIRE) != before;
		if (changed && n-- == 0)
			break;
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (!WIFSTOPPED(status)) {
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		return false;
	}
	fixture_kill(pid);
	return true;
}
