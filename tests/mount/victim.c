/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "patience.h"
#include "victim.h"

#define ROUNDS  100
#define STALLED 5e9 /* ns */

const struct person flooder = { .name = "alice", .uid = 1000, .gid = 1000 };
const struct person victim = { .name = "bob", .uid = 1001, .gid = 1001 };

enum step {
	STEP_STAT,
	STEP_OPEN,
	STEP_READ,
	STEP_WRITE,
	STEPS,
};

static const char *const step_names[STEPS] = { "stat", "open", "read", "write" };

/* Shared by the processes of the test. */
static struct page {
	uint64_t times[STEPS][ROUNDS];
	int (*flood)(struct flood *);
	int (*end)(void);
	struct flood result;
	int failed;
	sem_t full, go;
} * page;
static pid_t flooding;

static void make_page(void)
{
	if (page)
		return;
	page = must(mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	must(sem_init(&page->full, 1, 0));
	must(sem_init(&page->go, 1, 0));
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int work_once(const char *path, int round)
{
	uint64_t at[STEPS + 1];
	struct stat st;
	char c = 'x';
	int fd;

	at[0] = now();
	if (stat(path, &st) < 0)
		return -errno;
	at[1] = now();
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	at[2] = now();
	if (pread(fd, &c, 1, 0) != 1)
		return -EIO;
	at[3] = now();
	if (pwrite(fd, &c, 1, 0) != 1)
		return -EIO;
	at[4] = now();
	for (int i = 0; i < STEPS; i++)
		page->times[i][round] = at[i + 1] - at[i];
	return close(fd) < 0 ? -errno : 0;
}

static int work(const void *arg)
{
	const char *path = at(arg, "bobs");
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0 || write(fd, "text", 4) != 4 || close(fd) < 0)
		return -errno;
	for (int i = 0; i < ROUNDS && r == 0; i++)
		r = work_once(path, i);
	return unlink(path) < 0 ? -errno : r;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void victim_works(const char *dir, const char *when)
{
	char line[300] = "";
	size_t n = 0;

	double stalled = STALLED * patience_factor();

	make_page();
	assert_int_equal(person_do(&victim, work, dir), 0);
	for (int i = 0; i < STEPS; i++) {
		uint64_t *t = page->times[i];

		qsort(t, ROUNDS, sizeof(*t), compare);
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s %.0f/%.0f/%.0f",
				      step_names[i], (double)t[ROUNDS / 2] / 1e3,
				      (double)t[ROUNDS - 2] / 1e3,
				      (double)t[ROUNDS - 1] / 1e3);
		assert_true((double)t[ROUNDS - 1] < stalled);
	}
	print_message("%-12s p50/p99/max us:%s\n", when, line);
}

static int flood(const void *arg)
{
	int r = page->flood(&page->result);

	(void)arg;
	page->failed = r;
	sem_post(&page->full);
	while (sem_wait(&page->go) < 0)
		;
	return r == 0 && page->end ? page->end() : r;
}

static struct flood begin(const struct person *who, int (*run)(struct flood *result),
			  int (*end)(void))
{
	make_page();
	page->flood = run;
	page->end = end;
	page->result = (struct flood){ .taken = 0 };
	flooding = person_start(who, flood, NULL);
	while (sem_wait(&page->full) < 0)
		;
	assert_int_equal(page->failed, 0);
	return page->result;
}

struct flood flood_begin(int (*run)(struct flood *result))
{
	return begin(&flooder, run, NULL);
}

struct flood flood_begin_as_root(int (*run)(struct flood *result), int (*end)(void))
{
	return begin(NULL, run, end);
}

void flood_end(void)
{
	must(sem_post(&page->go));
	assert_int_equal(person_end(&flooder, flooding), 0);
}
