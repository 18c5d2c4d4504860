/* SPDX-License-Identifier: MIT */
/* SIGUSR1: what the daemon says of its use. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define LAST " directory streams\n"

/* The lines of the answer, to be freed, or NULL as long as they are not all there. */
static char *answer_behind(size_t place)
{
	_cleanup_free_ char *log = mount_log();

	return strstr(log + place, LAST) ? strdup(log + place) : NULL;
}

static char *ask(void)
{
	_cleanup_free_ char *before = mount_log();
	char *answer;

	must(kill(mount_pid(), SIGUSR1));
	await_that((answer = answer_behind(strlen(before))));
	return answer;
}

/* The number behind the first @word, or 0. */
static unsigned long number_behind(const char *answer, const char *word)
{
	const char *at = strstr(answer, word);

	return at ? strtoul(at + strlen(word), NULL, 10) : 0;
}

/* The sum of the numbers that items have, on lines called @subject, behind @word. */
static unsigned long sum_of(const char *answer, const char *subject)
{
	_cleanup_free_ char *copy = strdup(answer);
	char *rest = NULL;
	unsigned long sum = 0;

	for (char *line = strtok_r(copy, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *item = strstr(line, subject);

		item = item ? item + strlen(subject) : NULL;
		while (item && *item) {
			sum += strtoul(item + strcspn(item, "0123456789"), NULL, 10);
			item += strcspn(item, ",");
			item += strspn(item, ", ");
		}
	}
	return sum;
}

/* A request is counted when it was answered, so a moment later than who asked knows. */
static bool counts(const char *word, unsigned long expected)
{
	_cleanup_free_ char *answer = ask();

	assert_true(number_behind(answer, word) <= expected);
	return number_behind(answer, word) == expected;
}

static bool shows(const char *text)
{
	_cleanup_free_ char *answer = ask();

	return strstr(answer, text) != NULL;
}

static void test_requests(void **state)
{
	_cleanup_free_ char *before = NULL;
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	before = ask();
	for (int i = 0; i < 100; i++)
		fd_stat(fd);
	await_that(counts("GETATTR ", number_behind(before, "GETATTR ") + 100));
	refused(mkdir(at(MOUNT_DIR, "directory"), 0700), EPERM);
	await_that(counts("MKDIR ", 1));
}

static bool adds_up(unsigned long at_least)
{
	_cleanup_free_ char *answer = ask();
	unsigned long requests = sum_of(answer, "requests: ");

	return requests >= at_least && sum_of(answer, "served: ") == requests;
}

/* Every request took some time. */
static void test_times(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	for (int i = 0; i < 100; i++)
		file_stat(MOUNT_DIR, "a");
	await_that(adds_up(100));
}

static void test_open(void **state)
{
	int fds[3];
	DIR *dir;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	await_that(shows(" 1 nodes, 0 open files, 0 directory streams"));
	for (int i = 0; i < 3; i++)
		fds[i] = file_open(MOUNT_DIR, "a", O_RDONLY);
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	assert_true(shows(" 2 nodes, 3 open files, 1 directory streams"));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	closedir(dir);
	await_that(shows(" nodes, 0 open files, 0 directory streams"));
}

static void test_mode(void **state)
{
	(void)state;
	assert_true(shows(mount_passthrough() ? "/dev/shm on /mnt/shm: passthrough, for "
					      : "/dev/shm on /mnt/shm: direct ("));
}

/* Nobody is in the way of the signals that end the daemon. */
static void test_ends_all_the_same(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		must(kill(mount_pid(), SIGUSR1));
	must(kill(mount_pid(), SIGTERM));
	mount_reap();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_requests),
		mount_test(test_times),
		mount_test(test_open),
		mount_test(test_mode),
		mount_test(test_ends_all_the_same),
	};

	return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
