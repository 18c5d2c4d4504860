/* SPDX-License-Identifier: MIT */
/*
 * Never stale. Two protocols make that decidable. In turn: one process changes the object
 * natively and asks the mount at once; there is only one right answer. Against each
 * other: a writer changes natively without a pause, and before each change announces the
 * number of the state to come and after it the number of the state that is. The states
 * carry their number. A reader notes the number that is, asks the mount, and notes the
 * number to come: the answer must be a state from one to the other; an older one is
 * stale.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

/* Each check is at least one question to the mount. */
static unsigned long checks(void)
{
	const char *text = getenv("SHMFS_TEST_CHECKS");

	return text ? strtoul(text, NULL, 10) : 100000;
}

/* Shared between the writer and the reader. */
struct state {
	unsigned long is;      /* this state was reached */
	unsigned long to_come; /* this one may be reached any moment */
	unsigned long asked;   /* by the reader, so that the writer does not run away */
	bool over;
};

static unsigned long load(unsigned long *number)
{
	return __atomic_load_n(number, __ATOMIC_SEQ_CST);
}

static void store(unsigned long *number, unsigned long value)
{
	__atomic_store_n(number, value, __ATOMIC_SEQ_CST);
}

/* Reaches state @number natively; false if that failed. */
typedef bool (*change_t)(unsigned long number);

/* What the mount answers: the number of a state, at least its low bits. */
typedef unsigned long (*question_t)(int fd);

/* Any answer that is no state: an error, which the test reports. */
#define NO_STATE (~0UL)

static bool change_size(unsigned long number)
{
	return truncate(NATIVE_DIR "/a", (off_t)number) == 0;
}

static bool change_mode(unsigned long number)
{
	return chmod(NATIVE_DIR "/a", (mode_t)(number % 512)) == 0;
}

static bool change_times(unsigned long number)
{
	const struct timespec times[2] = { { (time_t)number, 0 }, { (time_t)number, 0 } };

	return utimensat(AT_FDCWD, NATIVE_DIR "/a", times, 0) == 0;
}

/* A new object with that size comes to the name. */
static bool replace(unsigned long number)
{
	int fd = open(NATIVE_DIR "/new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool done = fd >= 0 && ftruncate(fd, (off_t)number) == 0 && close(fd) == 0;

	return done && rename(NATIVE_DIR "/new", NATIVE_DIR "/a") == 0;
}

/* In even states there is an object of that size, in odd ones none. */
static bool come_and_go(unsigned long number)
{
	return number % 2 ? unlink(NATIVE_DIR "/a") == 0 : replace(number);
}

static unsigned long ask_size(int fd)
{
	struct stat st;

	(void)fd;
	return stat(MOUNT_DIR "/a", &st) < 0 ? NO_STATE : (unsigned long)st.st_size;
}

static unsigned long ask_size_of_fd(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? NO_STATE : (unsigned long)st.st_size;
}

static unsigned long ask_end(int fd)
{
	return (unsigned long)lseek(fd, 0, SEEK_END);
}

static unsigned long ask_opened(int fd)
{
	struct stat st;
	unsigned long size = NO_STATE;

	fd = open(MOUNT_DIR "/a", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0)
		size = (unsigned long)st.st_size;
	close_fd(fd);
	return size;
}

static unsigned long ask_mode(int fd)
{
	struct stat st;

	(void)fd;
	return stat(MOUNT_DIR "/a", &st) < 0 ? NO_STATE : st.st_mode & 0777;
}

static unsigned long ask_times(int fd)
{
	struct stat st;

	(void)fd;
	return stat(MOUNT_DIR "/a", &st) < 0 ? NO_STATE
					     : (unsigned long)st.st_mtim.tv_sec;
}

/* The size, or where there is nothing the number of any state with nothing: odd. */
static unsigned long ask_whether(int fd)
{
	unsigned long size = ask_size(fd);

	return size == NO_STATE && errno == ENOENT ? 1 : size;
}

static unsigned long ask_whether_opened(int fd)
{
	unsigned long size = ask_opened(fd);

	return size == NO_STATE && errno == ENOENT ? 1 : size;
}

struct race {
	const char *name;
	change_t change;
	question_t ask;
	unsigned long modulus; /* of the number in the answer; 0: all of it */
	bool absent;           /* in odd states */
};

static const struct race races[] = {
	{ "size by name", change_size, ask_size, 0, false },
	{ "size by descriptor", change_size, ask_size_of_fd, 0, false },
	{ "end", change_size, ask_end, 0, false },
	{ "mode", change_mode, ask_mode, 512, false },
	{ "times", change_times, ask_times, 0, false },
	{ "size of a replaced one", replace, ask_size, 0, false },
	{ "open of a replaced one", replace, ask_opened, 0, false },
	{ "presence", come_and_go, ask_whether, 0, true },
	{ "open of what comes and goes", come_and_go, ask_whether_opened, 0, true },
};

#define RACES (sizeof(races) / sizeof(races[0]))

/* Whether one of the states from @first to @last gives that answer. */
static bool is_possible(const struct race *r, unsigned long answer, unsigned long first,
			unsigned long last)
{
	if (answer == NO_STATE)
		return false;
	if (r->absent && answer == 1)
		return first % 2 == 1 || last > first;
	if (r->modulus)
		return (answer + r->modulus - first % r->modulus) % r->modulus <=
		       last - first;
	return answer >= first && answer <= last;
}

static void check(const struct race *r, unsigned long answer, unsigned long first,
		  unsigned long last)
{
	int error = errno;

	if (is_possible(r, answer, first, last))
		return;
	if (answer == NO_STATE)
		fail_msg("%s: in state %lu to %lu: %s", r->name, first, last,
			 strerror(error));
	fail_msg("%s: in state %lu to %lu the mount answered %lu", r->name, first, last,
		 answer);
}

static void test_in_turn(void **state)
{
	unsigned long each = checks() / RACES + 1;

	(void)state;
	for (size_t i = 0; i < RACES; i++) {
		const struct race *r = &races[i];
		_cleanup_close_ int fd = -1;

		file_make(NATIVE_DIR, "a", 0600, "");
		fd = file_open(MOUNT_DIR, "a", O_RDWR);
		for (unsigned long n = 1; n <= each; n++) {
			assert_true(r->change(n));
			check(r, r->ask(fd), n, n);
		}
	}
}

/* How far the writer may be ahead of the reader: it is to race, not to run away. */
#define LEAD 8

static _Noreturn void write_states(const struct race *r, struct state *s)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned long n = 1; !__atomic_load_n(&s->over, __ATOMIC_SEQ_CST); n++) {
		store(&s->to_come, n);
		if (!r->change(n))
			_exit(1);
		store(&s->is, n);
		while (n > LEAD * (load(&s->asked) + 1) &&
		       !__atomic_load_n(&s->over, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	_exit(0);
}

static void race(const struct race *r, struct state *s, unsigned long count)
{
	_cleanup_close_ int fd = -1;
	int status = -1;
	pid_t writer;

	file_make(NATIVE_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	assert_true(r->change(0));
	memset(s, 0, sizeof(*s));
	writer = must(fork());
	if (writer == 0)
		write_states(r, s);
	for (unsigned long i = 0; i < count; i++) {
		unsigned long first = load(&s->is);
		unsigned long answer = r->ask(fd);

		check(r, answer, first, load(&s->to_come));
		store(&s->asked, i + 1);
	}
	__atomic_store_n(&s->over, true, __ATOMIC_SEQ_CST);
	assert_int_equal(must(waitpid(writer, &status, 0)), writer);
	assert_int_equal(status, 0);
	unlink(NATIVE_DIR "/a");
}

static void test_against_each_other(void **state)
{
	struct state *s =
		must((struct state *)mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	(void)state;
	for (size_t i = 0; i < RACES; i++)
		race(&races[i], s, checks() / RACES + 1);
	must(munmap(s, sizeof(*s)));
}

/* What is written natively is read at once, and what is written here is there natively.
 */
static void test_contents_in_turn(void **state)
{
	_cleanup_close_ int native = -1;
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	native = file_open(NATIVE_DIR, "a", O_RDWR);
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	for (unsigned long n = 0; n < checks() / RACES; n++) {
		int from = n % 2 ? native : fd;
		int to = n % 2 ? fd : native;
		unsigned long found = 0;

		assert_int_equal(must(pwrite(from, &n, sizeof(n), 4090)), sizeof(n));
		assert_int_equal(must(pread(to, &found, sizeof(found), 4090)), sizeof(n));
		assert_int_equal(found, n);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_in_turn),
		mount_test(test_against_each_other),
		mount_test(test_contents_in_turn),
	};

	return cmocka_run_group_tests_name("strict", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(300, run);
}
