/* SPDX-License-Identifier: MIT */
/* The measure of time that all limits of tests rely on, beside processes that never rest.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "patience.h"
#include "util/clock.h"

/* As many for each processor. */
#define CROWD 4

static pid_t *crowd;
static size_t crowd_size;

static int gather(void **state)
{
	(void)state;
	crowd_size = CROWD * (size_t)sysconf(_SC_NPROCESSORS_ONLN);
	crowd = calloc(crowd_size, sizeof(*crowd));
	assert_non_null(crowd);
	for (size_t i = 0; i < crowd_size; i++) {
		crowd[i] = fork();
		if (crowd[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				__asm__ volatile("");
		}
		assert_true(crowd[i] > 0);
	}
	return 0;
}

static int disperse(void **state)
{
	(void)state;
	for (size_t i = 0; i < crowd_size; i++) {
		kill(crowd[i], SIGKILL);
		waitpid(crowd[i], NULL, 0);
	}
	free(crowd);
	return 0;
}

static void test_factor(void **state)
{
	double factor = patience_factor();

	(void)state;
	assert_true(factor >= 1 && factor <= 30);
	setenv("SHMFS_TEST_PATIENCE", "40", 1);
	factor = patience_factor();
	assert_true(factor >= 40 && factor <= 30 * 40);
	setenv("SHMFS_TEST_PATIENCE", "much", 1);
	assert_true(patience_factor() <= 30);
	unsetenv("SHMFS_TEST_PATIENCE");
}

static void test_over(void **state)
{
	struct patience p = patience_of(0.01);
	uint64_t begin = clock_ns();

	(void)state;
	while (!patience_over(&p))
		;
	assert_true(clock_ns() - begin >= 10000000);
	assert_true(patience_over(&p));
}

/* In a crowd the same time counts for less. */
static void test_crowd(void **state)
{
	struct patience p;
	uint64_t begin, waited;

	(void)state;
	while (patience_factor() < CROWD)
		usleep(1000);
	p = patience_of(0.1);
	begin = clock_ns();
	waited = patience_waited_ns(getpid());
	while (!patience_over(&p))
		usleep(1000);
	assert_true(clock_ns() - begin >= 200000000);
	/* Some kernels do not tell. */
	if (waited)
		assert_true(patience_waited_ns(getpid()) > waited);
	assert_int_equal(patience_waited_ns(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_factor),
		cmocka_unit_test(test_over),
		cmocka_unit_test_setup_teardown(test_crowd, gather, disperse),
	};

	return cmocka_run_group_tests_name("patience", tests, NULL, NULL) != 0;
}
