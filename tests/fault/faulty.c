/* SPDX-License-Identifier: MIT */
/*
 * What a request leaves behind shows as memory or descriptors that the daemon has more
 * than before. Some of it may stay with the first request of a thread, and tables grow;
 * but what stays each time that the same call fails is lost.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faulty.h"
#include "files.h"
#include "patience.h"
#include "util/cleanup.h"
#include "weigh.h"

#define SHARED_FILE SCRATCH_DIR "/inject"

/* How long the daemon may take to let go of what it needs no more, and how long it takes;
 * how often it may keep something. */
#define SETTLE_SECONDS 1
#define FIRST_SECONDS  0.15
#define TRIES          4

struct inject *faults;

static const struct scene *played;
static unsigned long turn;
static int error_now;

void faulty_init(void)
{
	_cleanup_close_ int fd =
		open(SHARED_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*faults)) < 0) {
		perror(SHARED_FILE);
		exit(1);
	}
	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (faults == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

void faulty_begin(void)
{
	memset(faults, 0, sizeof(*faults));
	must(setenv("LD_PRELOAD", getenv(INJECT_LIBRARY_VARIABLE), 1));
	must(setenv(INJECT_VARIABLE, SHARED_FILE, 1));
}

void faulty_end(void)
{
	must(unsetenv("LD_PRELOAD"));
	must(unsetenv(INJECT_VARIABLE));
}

void faulty_start(const char *options)
{
	faulty_begin();
	mount_start(options);
	faulty_end();
	mount_may_say("libfuse: failed to allocate ");
	/* Or nothing here tests anything. */
	assert_true(atomic_load(&faults->memory.calls) > 0);
}

void fail_calls(struct inject_calls *calls, unsigned long from, unsigned long times,
		int error)
{
	atomic_store(&calls->from, 0);
	atomic_store(&calls->failed, 0);
	atomic_store(&calls->times, times);
	atomic_store(&calls->error, error);
	atomic_store(&calls->calls, 0);
	atomic_store(&calls->from, from);
}

unsigned long fail_none(struct inject_calls *calls)
{
	atomic_store(&calls->from, 0);
	return atomic_load(&calls->failed);
}

void tried_check(long r, const char *what)
{
	if (r >= 0 || errno == error_now || (played->locks && errno == ENOLCK))
		return;
	fail_msg("%s, call %lu failing: %s: %s", played->name, turn, what,
		 strerror(errno));
}

/* What the daemon has. */
struct holding {
	long blocks;
	unsigned int fds;
};

static struct holding holding(void)
{
	return (struct holding){ atomic_load(&faults->blocks), daemon_fds() };
}

static bool is_more(struct holding a, struct holding b)
{
	return a.blocks > b.blocks || a.fds > b.fds;
}

/* What the daemon holds when it has let go of what it will, or has come down to @least.
 */
static struct holding settle(struct holding least, double seconds)
{
	struct patience patience = patience_of(seconds);
	struct holding h = holding();

	while (is_more(h, least) && !patience_over(&patience)) {
		(void)poll(NULL, 0, 1);
		h = holding();
	}
	return h;
}

static unsigned long play_once(struct inject_calls *calls, unsigned long from,
			       void (*clean)(void))
{
	unsigned long failed;

	turn = from;
	if (played->prepare)
		played->prepare();
	fail_calls(calls, from, from ? 1 : 0, error_now);
	played->act();
	failed = fail_none(calls);
	clean();
	return failed;
}

/* With the first call failing, then the second, until none is left to fail. */
static unsigned long play_turns(struct inject_calls *calls, void (*clean)(void))
{
	unsigned int step = played->step ? played->step : 1;
	unsigned long failed, all = 0;

	for (unsigned long from = 1; (failed = play_once(calls, from, clean));
	     from += step)
		all += failed;
	return all;
}

static void play_with(struct inject_calls *calls, int error, void (*clean)(void),
		      unsigned long *all)
{
	unsigned long failed;

	error_now = error;
	failed = play_turns(calls, clean);
	/* Every request takes memory. */
	assert_true(failed > 0 || calls != &faults->memory);
	*all += failed;
}

/* Returns whether more is held than before. */
static bool holds_more(struct holding *held)
{
	struct holding now = settle(*held, SETTLE_SECONDS);

	if (!is_more(now, *held))
		return false;
	print_message("%s: %ld blocks, %u descriptors, not %ld and %u\n", played->name,
		      now.blocks, now.fds, held->blocks, held->fds);
	*held = now;
	return true;
}

/* Until nothing more is held than before, or it was too often. */
void play_all(const struct scene *scenes, size_t n, void (*clean)(void))
{
	unsigned long allocations = 0, files = 0;
	struct holding held;
	bool more = true;

	for (size_t i = 0; i < n; i++) {
		played = &scenes[i];
		play_once(&faults->memory, 0, clean);
	}
	held = settle((struct holding){ 0, 0 }, FIRST_SECONDS);
	for (int i = 0; i < TRIES && more; i++) {
		more = false;
		for (played = scenes; played < scenes + n; played++) {
			play_with(&faults->memory, ENOMEM, clean, &allocations);
			play_with(&faults->files, ENFILE, clean, &files);
			/* Which it is matters only when there is something. */
			if (i > 0 || played == scenes + n - 1)
				more |= holds_more(&held);
		}
	}
	assert_false(more);
	assert_true(files > 0);
	print_message("%lu allocations and %lu openings failed\n", allocations, files);
}

#define HOUR 3600

void play_back_in_time(const struct scene *scenes, size_t n, void (*clean)(void))
{
	error_now = 0;
	for (played = scenes; played < scenes + n; played++) {
		play_once(&faults->memory, 0, clean);
		atomic_fetch_sub(&faults->clock, HOUR);
		play_once(&faults->memory, 0, clean);
	}
}
