/* SPDX-License-Identifier: MIT */
/*
 * A request that is in flight when daemons die. What they die of by their own fault it
 * may be the cause of, so it is not tried for ever; what somebody kills them with it is
 * not.
 *
 * The request is held up in the daemon, for as long as a test likes, by a lock that the
 * kernel has on an object during a write to it: that wants a page which nobody provides.
 * Who waits for the lock gets it in turn, so that the next write has it again when the
 * request of a dead daemon is done with.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "threads.h"
#include "trap.h"
#include "util/cleanup.h"

#define WRITES 3
#define SIZE   (1 << 20)

static struct {
	struct trap trap; /* a page for each */
	int object;
	pthread_t threads[WRITES];
	atomic_int tids[WRITES];
} writes;

static void writes_init(void)
{
	assert_int_equal(trap_set(&writes.trap, WRITES), 0);
	writes.object = file_open(NATIVE_DIR, "a", O_RDWR);
	for (int i = 0; i < WRITES; i++)
		atomic_store(&writes.tids[i], 0);
}

static void writes_done(void)
{
	for (int i = 0; i < WRITES; i++)
		pthread_join(writes.threads[i], NULL);
	trap_done(&writes.trap);
	writes.object = close_fd(writes.object);
}

static void *write_page(void *arg)
{
	int i = (int)(intptr_t)arg;

	atomic_store(&writes.tids[i], (int)gettid());
	if (pwrite(writes.object, writes.trap.pages + i * TRAP_PAGE, 1, 0) != 1)
		abort();
	return NULL;
}

static void start_write(int i)
{
	must(pthread_create(&writes.threads[i], NULL, write_page, (void *)(intptr_t)i)
		     ? -1
		     : 0);
}

/* The next write has the lock. */
static void await_trapped(void)
{
	trap_await(&writes.trap, 1);
}

/* Write @i waits for the lock, behind whoever waits already. */
static void queue_write(int i)
{
	start_write(i);
	await_that(thread_state(getpid(), atomic_load(&writes.tids[i])) == 'D');
}

static void let_go(int i)
{
	assert_int_equal(trap_open(&writes.trap, (size_t)i), 0);
}

/* What is held up. */
static void *allocate(void *arg)
{
	_cleanup_close_ int fd = open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC);

	(void)arg;
	return (void *)(intptr_t)(fallocate(fd, 0, 0, SIZE) < 0 ? errno : 0);
}

static pthread_t start_allocating(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, allocate, NULL) ? -1 : 0);
	return thread;
}

static int end_allocating(pthread_t thread)
{
	void *error;

	must(pthread_join(thread, &error) ? -1 : 0);
	return (int)(intptr_t)error;
}

/*
 * The daemon dies of @number in the middle of the request; the next one will find write
 * @i + 1 in its way.
 */
static void die_serving(int i, int number)
{
	pid_t pid = mount_pid();

	await_that(threads_in_state(pid, 'D'));
	queue_write(i + 1);
	must(kill(pid, number));
	/* So that the thread does not get to answer. */
	await_that(thread_state(pid, pid) == 'Z');
	let_go(i);
	mount_await_other(pid);
	await_trapped();
}

static pthread_t begin(void)
{
	pthread_t thread;

	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_start("restart=crash");
	writes_init();
	start_write(0);
	await_trapped();
	thread = start_allocating();
	return thread;
}

static void test_faults(void **state)
{
	_cleanup_free_ char *log = NULL;
	pthread_t thread = begin();

	(void)state;
	/* A fault that sanitizers do not report for one of the daemon. */
	die_serving(0, SIGABRT);
	die_serving(1, SIGABRT);
	/* Still in the way, but nobody comes there any more. */
	assert_int_equal(end_allocating(thread), EIO);
	log = mount_log();
	assert_non_null(strstr(log, "killed earlier daemons"));
	file_make(MOUNT_DIR, "b", 0600, "another");
	file_expect(MOUNT_DIR, "b", "another");
	let_go(2);
	writes_done();
	/* A new request is another one. */
	assert_int_equal(end_allocating(start_allocating()), 0);
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, SIZE);
	mount_stop();
}

static void test_kills(void **state)
{
	pthread_t thread = begin();

	(void)state;
	die_serving(0, SIGKILL);
	die_serving(1, SIGKILL);
	await_that(threads_in_state(mount_pid(), 'D'));
	let_go(2);
	assert_int_equal(end_allocating(thread), 0);
	writes_done();
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, SIZE);
	mount_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_faults),
		mount_test_unmounted(test_kills),
	};

	return cmocka_run_group_tests_name("deaths", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
