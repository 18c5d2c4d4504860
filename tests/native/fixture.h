/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every test of the native layer begins and ends with: no descriptor more than
 * before, and no object left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox.h"

static unsigned int fixture_fds;

static inline int fixture_setup(void **state)
{
	(void)state;
	assert_int_equal(sandbox_count_entries("/dev/shm"), 0);
	fixture_fds = sandbox_count_fds();
	return 0;
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	assert_int_equal(sandbox_count_fds(), fixture_fds);
	assert_int_equal(sandbox_count_entries("/dev/shm"), 0);
	return 0;
}

#define fixture_test(test) \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

/*
 * Runs @fn in a child, where it may do to the process what it likes. Returns what @fn
 * returned (0..255), or minus the signal that killed the child.
 */
static inline int fixture_child(int (*fn)(void *data), void *data)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* A failed assertion would go on with the tests of the parent otherwise.
		 */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		/* cmocka's handlers, and those of a sanitizer, would hide the signal. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(fn(data));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Valgrind does the mapping of its clients itself, and not all as the kernel does. */
static inline bool fixture_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/*
 * The processor is one that qemu-user emulates for this program, and valgrind in a way
 * does so, too: neither traces processes, nor makes namespaces for them.
 */
static inline bool fixture_emulated(void)
{
	const char *wrapper = getenv("SHMFS_TEST_WRAPPER");

	return fixture_valgrind() || (wrapper && strstr(wrapper, "qemu"));
}
