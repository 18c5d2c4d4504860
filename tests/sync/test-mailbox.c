/* SPDX-License-Identifier: MIT */
/* The example that passes texts: test-mailbox PROGRAM, of libshmfs or of Boost. */
#include <shmfs/object.h>

#include "native/fixture.h"

static char *program;

static pid_t start(const char *verb, const char *a, const char *b, const char *c,
		   int output)
{
	char *argv[] = { program, (char *)verb, (char *)a, (char *)b, (char *)c, NULL };
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (output >= 0)
		dup2(output, STDOUT_FILENO);
	alarm(60);
	execv(program, argv);
	_exit(127);
}

static void end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_texts(void **state)
{
	char output[64] = "";
	pid_t sender, receiver;
	int pipes[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(pipes), 0);
		/* Whoever comes first waits for the other. */
		receiver = start("receive", "3", NULL, NULL, pipes[1]);
		sender = start("send", "one", "two", "three", -1);
		end(sender);
		end(receiver);
		assert_int_equal(read(pipes[0], output, sizeof(output) - 1), 14);
		assert_string_equal(output, "one\ntwo\nthree\n");
		close(pipes[0]);
		close(pipes[1]);
	}
	assert_int_equal(shmfs_object_remove("mailbox"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_texts),
	};

	if (argc != 2)
		return 1;
	program = argv[1];
	sandbox_enter();
	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL) != 0;
}
