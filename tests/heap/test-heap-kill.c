/* SPDX-License-Identifier: MIT */
/*
 * Kills processes that change a heap: at random instants, also where each is process 1 of
 * a namespace of its own as in containers, and at many single instructions. The survivors
 * go on, and find everything whole and nothing lost.
 *
 * SHMFS_KILLS sets how many are killed at random.
 */
#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "heap/worker.h"

#define WORKERS 3

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 250;
}

static pid_t start_worker(unsigned int who, unsigned int seed, bool container)
{
	pid_t pid;

	container = container && !fixture_emulated();
	fflush(NULL);
	/* As fork() does it, but that the child is process 1 of a namespace of its own.
	 */
	pid = container ? (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0)
			: fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		worker_run(who, seed);
		_exit(1);
	}
	return pid;
}

static void nap(long ns)
{
	const struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

static void end_worker(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		print_error("the worker had ended before, with status 0x%x\n", status);
	/* It did not end by itself, of an error or a signal of its own. */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kill_at_random(bool containers)
{
	struct shmfs_heap *heap = fixture_heap(0, UINT64_C(1) << 20);
	struct shmfs_heap_info info;
	unsigned int seed = 7, n = kills();
	pid_t worker[WORKERS];

	worker_prepare(heap);
	for (unsigned int i = 0; i < WORKERS; i++)
		worker[i] = start_worker(i, i, containers);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int which = (unsigned int)rand_r(&seed) % WORKERS;

		nap(rand_r(&seed) % 3000000);
		end_worker(worker[which]);
		worker_verify(heap);
		worker[which] = start_worker(which, i + WORKERS, containers);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		end_worker(worker[i]);
	worker_verify(heap);
	shmfs_heap_info(heap, &info);
	/* Of so many, some died with the lock. */
	if (n >= 100)
		assert_true(info.deaths > 0);
	assert_int_equal(info.attachments, 1);
	fixture_heap_end(heap);
}

static void test_killed(void **state)
{
	(void)state;
	kill_at_random(false);
}

static void test_killed_in_containers(void **state)
{
	(void)state;
	kill_at_random(true);
}

/*
 * Dies in operation @which at instruction @n. Returns false when it had ended before.
 */
static bool die_at(unsigned int which, unsigned int n)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct worker w = { .seed = which };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &w.heap) < 0)
			_exit(1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		worker_step(&w, which);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (unsigned int i = 0; i < n && WIFSTOPPED(status); i++) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (!WIFSTOPPED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		return false;
	}
	end_worker(pid);
	return true;
}

/* Some operations are long: then not at each instruction, but at others each time. */
#define DEATHS 150

static void test_killed_at_each_instruction(void **state)
{
	struct shmfs_heap *heap;
	unsigned int seed = 1, length;

	(void)state;
	if (fixture_emulated())
		skip();
	heap = fixture_heap(0, UINT64_C(1) << 20);
	worker_prepare(heap);
	for (unsigned int which = 0; which < 4 * WORKER_STEPS; which++) {
		/* The whole of it, to see how long it is; it is done then. */
		for (length = 64; die_at(which, length) && length < 1 << 14; length *= 2)
			worker_verify(heap);
		for (unsigned int i = 0; i < DEATHS / 10; i++) {
			die_at(which, (unsigned int)rand_r(&seed) % length);
			/* And its heir, which undoes what it had begun. */
			if (i % 5 == 0)
				die_at(which, (unsigned int)rand_r(&seed) % length);
			worker_verify(heap);
		}
	}
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_killed),
		fixture_test(test_killed_in_containers),
		fixture_test(test_killed_at_each_instruction),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("heap-kill", tests, NULL, NULL) != 0;
}
