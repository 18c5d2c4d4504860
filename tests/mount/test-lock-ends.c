/* SPDX-License-Identifier: MIT */
/*
 * A process that closes a file, dies or becomes another program gives up its record locks
 * at once, whatever copies of the descriptor others have: on each side the same, also for
 * files that were opened before anybody took a record lock on the mount.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "locks.h"
#include "mount.h"
#include "util/cleanup.h"

/* What a process that holds a lock does next. */
enum end { CLOSES, CLOSES_COPY, DIES, BECOMES_ANOTHER };

/* A process that locks @dir's file, whose descriptor a child of it has, too. */
struct server {
	pid_t pid;
	int orders;  /* a byte: it ends the lock; closed: the child leaves */
	int answers; /* a byte for what it has done; the end of file when all have left */
};

static void end_lock(enum end end, int fd)
{
	if (end == CLOSES)
		close(fd);
	else if (end == CLOSES_COPY)
		close(dup(fd));
	else if (end == BECOMES_ANOTHER)
		execl("/bin/sleep", "sleep", "1000", NULL);
	else
		_exit(0);
}

static void serve(const char *dir, enum lock_how how, enum end end, int orders,
		  int answers)
{
	const struct lock_attempt a = { .how = how, .type = F_WRLCK };
	int fd = open(at(dir, "a"), O_RDWR | O_CLOEXEC);
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || lock_take(fd, &a) < 0)
		_exit(1);
	/* The child outlives it, until the test closes its end of the orders. */
	if (fork() == 0) {
		poll(&(struct pollfd){ .fd = orders }, 1, -1);
		_exit(0);
	}
	if (write(answers, "l", 1) != 1 || read(orders, &c, 1) != 1)
		_exit(1);
	end_lock(end, fd);
	if (write(answers, "e", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

static char answer(const struct server *s)
{
	char c = 0;

	must(read(s->answers, &c, 1));
	return c;
}

static struct server start(const char *dir, enum lock_how how, enum end end)
{
	int orders[2], answers[2];
	struct server s;

	must(pipe2(orders, O_CLOEXEC));
	must(pipe2(answers, O_CLOEXEC));
	s.pid = must(fork());
	if (s.pid == 0) {
		close(orders[1]);
		serve(dir, how, end, orders[0], answers[1]);
	}
	close_fd(orders[0]);
	close_fd(answers[1]);
	s.orders = orders[1];
	s.answers = answers[0];
	assert_int_equal(answer(&s), 'l');
	return s;
}

static void finish(struct server *s)
{
	kill(s->pid, SIGKILL);
	must(waitpid(s->pid, NULL, 0));
	s->orders = close_fd(s->orders);
	/* Until the child has gone, too, and with it all that it had open. */
	while (read(s->answers, &(char){ 0 }, 1) > 0)
		;
	s->answers = close_fd(s->answers);
}

static void check_end(const char *dir, enum end end)
{
	struct server s = start(dir, LOCK_BY_FCNTL, end);

	assert_false(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	assert_false(lock_is_free(MOUNT_DIR, LOCK_BY_FCNTL));
	must(write(s.orders, "e", 1));
	if (end == CLOSES || end == CLOSES_COPY)
		assert_int_equal(answer(&s), 'e');
	else if (end == DIES)
		must(waitid(P_PID, (id_t)s.pid, NULL, WEXITED | WNOWAIT));
	else
		await_that(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	assert_true(lock_is_free(NATIVE_DIR, LOCK_BY_FCNTL));
	assert_true(lock_is_free(MOUNT_DIR, LOCK_BY_FCNTL));
	finish(&s);
}

/* Each is the first lock that this mount sees. */
static void test_closing(void **state)
{
	(void)state;
	lock_make_file();
	check_end(MOUNT_DIR, CLOSES);
	check_end(NATIVE_DIR, CLOSES);
}

static void test_closing_a_copy(void **state)
{
	(void)state;
	lock_make_file();
	check_end(MOUNT_DIR, CLOSES_COPY);
	check_end(NATIVE_DIR, CLOSES_COPY);
}

static void test_dying(void **state)
{
	(void)state;
	lock_make_file();
	check_end(MOUNT_DIR, DIES);
	check_end(NATIVE_DIR, DIES);
}

static void test_becoming_another_program(void **state)
{
	(void)state;
	lock_make_file();
	check_end(MOUNT_DIR, BECOMES_ANOTHER);
	check_end(NATIVE_DIR, BECOMES_ANOTHER);
}

/* These are the open file's, which the child keeps open. */
static void test_locks_of_open_files_stay(void **state)
{
	(void)state;
	lock_make_file();
	for (int i = 0; i < 4; i++) {
		enum lock_how how = i & 1 ? LOCK_BY_OFD : LOCK_BY_FLOCK;
		struct server s = start(lock_sides[i >> 1], how, DIES);

		must(write(s.orders, "e", 1));
		must(waitid(P_PID, (id_t)s.pid, NULL, WEXITED | WNOWAIT));
		assert_false(lock_is_free(NATIVE_DIR, how));
		finish(&s);
		await_that(lock_is_free(NATIVE_DIR, how));
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_closing),
		mount_test(test_closing_a_copy),
		mount_test(test_dying),
		mount_test(test_becoming_another_program),
		mount_test(test_locks_of_open_files_stay),
	};

	return cmocka_run_group_tests_name("lock-ends", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
