/* SPDX-License-Identifier: MIT */
/*
 * The daemon is killed again and again while programs make segments, use and remove them
 * as fast as they can, and none of them notices.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "segments.h"

#define APART_MS 140 /* more than four within half a second are too many */
#define KILLS    (mount_passthrough() ? 25 : 8)
#define WORKERS  4

static struct {
	atomic_bool stop;
	atomic_ulong done[WORKERS];
	char failure[WORKERS][128]; /* "": none */
} * said;

/* A step of worker @i that was to succeed and did not. */
#define check(i, expr)                                                                 \
	do {                                                                           \
		errno = 0;                                                             \
		if (!(expr)) {                                                         \
			snprintf(said->failure[i], sizeof(said->failure[i]),           \
				 "line %d: %s: %s", __LINE__, #expr, strerror(errno)); \
			return false;                                                  \
		}                                                                      \
	} while (0)

/* Each of which can be done only once. */
static bool life(int i, unsigned long round)
{
	char path[64], text[32], back[32] = "";
	struct stat st;
	int fd, n;

	snprintf(path, sizeof(path), MOUNT_DIR "/0x%08x", i + 1);
	n = snprintf(text, sizeof(text), "%d %lu", i, round);
	check(i, (fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
	check(i, ftruncate(fd, PAGE) == 0);
	check(i, pwrite(fd, text, (size_t)n, 0) == n);
	check(i, stat(path, &st) == 0 && st.st_size == PAGE);
	check(i, chmod(path, 0640) == 0);
	check(i, unlink(path) == 0);
	check(i, pread(fd, back, (size_t)n, 0) == n);
	check(i, strcmp(back, text) == 0);
	check(i, fstat(fd, &st) == 0 && st.st_size == PAGE);
	check(i, close(fd) == 0);
	return true;
}

/* What is written is collected, until all of it is made a segment. */
static bool private(int i, unsigned long round)
{
	char text[32], back[32] = "";
	int fd, copy, n;
	struct stat st;

	n = snprintf(text, sizeof(text), "%d %lu", i, round);
	check(i, (fd = open(MOUNT_DIR "/0x00000000", O_RDWR | O_CREAT, 0600)) >= 0);
	check(i, pwrite(fd, text, (size_t)n, 0) == n);
	check(i, pwrite(fd, text, (size_t)n, PAGE) == n);
	check(i, fstat(fd, &st) == 0 && st.st_size == PAGE + n);
	check(i, pread(fd, back, (size_t)n, 0) == n);
	check(i, strcmp(back, text) == 0);
	check(i, (copy = dup(fd)) >= 0 && close(copy) == 0);
	memset(back, 0, sizeof(back));
	check(i, pread(fd, back, sizeof(back), PAGE) == n);
	check(i, strcmp(back, text) == 0);
	check(i, flock(fd, LOCK_EX) == 0);
	check(i, shmctl((int)fd_stat(fd).st_ino, IPC_RMID, NULL) == 0);
	check(i, close(fd) == 0);
	return true;
}

static void start_workers(pid_t pids[WORKERS])
{
	memset(said, 0, sizeof(*said));
	for (int i = 0; i < WORKERS; i++) {
		unsigned long round = 0;

		pids[i] = must(fork());
		if (pids[i] != 0)
			continue;
		while (!atomic_load(&said->stop) &&
		       (i % 2 || !mount_passthrough() ? life : private)(i, round))
			atomic_store(&said->done[i], ++round);
		_exit(0);
	}
}

static bool has_failed(void)
{
	for (int i = 0; i < WORKERS; i++)
		if (said->failure[i][0])
			return true;
	return false;
}

static void test_nobody_notices(void **state)
{
	pid_t pids[WORKERS];
	unsigned long done = 0;
	int kills = 0;

	(void)state;
	start_workers(pids);
	for (; kills < KILLS && !has_failed(); kills++) {
		poll(NULL, 0, APART_MS);
		mount_replace(SIGKILL);
	}
	atomic_store(&said->stop, true);
	for (int i = 0; i < WORKERS; i++) {
		must(waitpid(pids[i], NULL, 0));
		done += said->done[i];
	}
	for (int i = 0; i < WORKERS; i++)
		if (said->failure[i][0])
			fail_msg("after %d kills: %s", kills, said->failure[i]);
	print_message("%d kills, %lu rounds\n", kills, done);
	/* Not one segment more than there was use for. */
	await_that(segments_count() == 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_nobody_notices),
	};

	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return said == MAP_FAILED ||
	       cmocka_run_group_tests_name("sysv-kill", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
