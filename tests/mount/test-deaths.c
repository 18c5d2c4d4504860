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
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define PAGE   4096
#define WRITES 3
#define SIZE   (1 << 20)

static struct {
	int fd;
	char *pages; /* one for each write */
	int object;
	pthread_t threads[WRITES];
	atomic_int tids[WRITES];
} trap;

static void trap_set(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	trap.fd = must((int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
	must(ioctl(trap.fd, UFFDIO_API, &api));
	trap.pages = must(mmap(NULL, WRITES * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	range.range.start = (uintptr_t)trap.pages;
	range.range.len = WRITES * PAGE;
	must(ioctl(trap.fd, UFFDIO_REGISTER, &range));
	trap.object = file_open(NATIVE_DIR, "a", O_RDWR);
	for (int i = 0; i < WRITES; i++)
		atomic_store(&trap.tids[i], 0);
}

static void trap_done(void)
{
	for (int i = 0; i < WRITES; i++)
		pthread_join(trap.threads[i], NULL);
	munmap(trap.pages, WRITES * PAGE);
	trap.object = close_fd(trap.object);
	trap.fd = close_fd(trap.fd);
}

/* Of a thread of any process; '?': there is none. */
static char state_of(pid_t pid, pid_t thread)
{
	char path[64], state = '?';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)thread);
	stat = fopen(path, "re");
	if (stat && fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	if (stat)
		fclose(stat);
	return state;
}

static bool has_thread_in(pid_t pid, char state)
{
	char path[64];
	struct dirent *entry;
	bool found = false;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads && (entry = readdir(threads)))
		found = found || state_of(pid, atoi(entry->d_name)) == state;
	if (threads)
		closedir(threads);
	return found;
}

static void *write_page(void *arg)
{
	int i = (int)(intptr_t)arg;

	atomic_store(&trap.tids[i], (int)gettid());
	if (pwrite(trap.object, trap.pages + i * PAGE, 1, 0) != 1)
		abort();
	return NULL;
}

static void start_write(int i)
{
	must(pthread_create(&trap.threads[i], NULL, write_page, (void *)(intptr_t)i) ? -1
										     : 0);
}

/* The next write has the lock. */
static void await_trapped(void)
{
	struct pollfd p = { .fd = trap.fd, .events = POLLIN };
	struct uffd_msg message;

	while (read(trap.fd, &message, sizeof(message)) < 0)
		poll(&p, 1, -1);
}

/* Write @i waits for the lock, behind whoever waits already. */
static void queue_write(int i)
{
	start_write(i);
	await_that(state_of(getpid(), atomic_load(&trap.tids[i])) == 'D');
}

static void let_go(int i)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)trap.pages + i * PAGE,
						   PAGE } };

	must(ioctl(trap.fd, UFFDIO_ZEROPAGE, &zero));
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

	await_that(has_thread_in(pid, 'D'));
	queue_write(i + 1);
	must(kill(pid, number));
	/* So that the thread does not get to answer. */
	await_that(state_of(pid, pid) == 'Z');
	let_go(i);
	mount_await_other(pid);
	await_trapped();
}

static pthread_t begin(void)
{
	pthread_t thread;

	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_start("restart=crash");
	trap_set();
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
	assert_non_null(strstr(log, "was the death of daemons before"));
	file_make(MOUNT_DIR, "b", 0600, "another");
	file_expect(MOUNT_DIR, "b", "another");
	let_go(2);
	trap_done();
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
	await_that(has_thread_in(mount_pid(), 'D'));
	let_go(2);
	assert_int_equal(end_allocating(thread), 0);
	trap_done();
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
