/* SPDX-License-Identifier: MIT */
/*
 * After each operation both sides must have the same segments, with the same owners,
 * modes, users, memory and times. The kernel does not wait for the daemon when the last
 * descriptor of a file is closed, but it counts what it has not been answered: so that is
 * awaited, and nothing has to be given time.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "actors.h"
#include "calls.h"
#include "differential.h"
#include "mount.h"
#include "record.h"
#include "util/cleanup.h"

#define CONNECTIONS "/sys/fs/fuse/connections"

enum {
	CHECK_INTERVAL = 500,
	AGE_INTERVAL = 8000,
	AGE = 3,
	DOUBT_INTERVAL = 4000,
	COMPLETE_FROM = 20000
};

struct run {
	const struct differential *what;
	struct actors actors;
	struct record record;
	struct table tables[SIDES];
	char waiting[80]; /* the file that says how many requests the daemon has */
	uint64_t number;
	int64_t slowest; /* seconds that an operation took */
	bool doubt;      /* something was the same but for its memory */
	uint64_t doubts; /* how often */
	bool (*tamper)(bool subject);
};

/* How far two times may be apart that are of one operation. */
static int64_t tolerance(const struct run *run)
{
	return 1 + run->slowest;
}

static void find_waiting(struct run *run)
{
	struct stat st = { 0 };

	stat(MOUNT_DIR, &st);
	snprintf(run->waiting, sizeof(run->waiting), CONNECTIONS "/%u/waiting",
		 minor(st.st_dev));
	if (access(run->waiting, F_OK) < 0)
		mount("fusectl", CONNECTIONS, "fusectl", 0, NULL);
}

/* The kernel gives each that opens it the number of that moment. */
static bool is_idle(const struct run *run)
{
	_cleanup_close_ int fd = open(run->waiting, O_RDONLY | O_CLOEXEC);
	char first = 0;

	if (fd >= 0 && read(fd, &first, 1) == 1)
		return first == '0';
	perror(run->waiting);
	exit(1);
}

/* What differs in memory alone is in doubt. */
static bool is_same(struct run *run, const char *a, const char *b)
{
	if (words_equal(a, b, tolerance(run), true))
		return true;
	run->doubt = true;
	return words_equal(a, b, tolerance(run), false);
}

static bool is_same_table(struct run *run)
{
	const struct table *a = &run->tables[SUBJECT], *b = &run->tables[REFERENCE];

	for (unsigned int i = 0; i < SIDES; i++)
		table_read(run->actors.tables[i], &run->actors.people[i],
			   &run->tables[i]);
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (!is_same(run, a->rows[i].words.text, b->rows[i].words.text))
			return false;
	return a->n == b->n;
}

static void print_row(const struct run *run, unsigned int side, size_t i)
{
	const struct table *t = &run->tables[side];

	fprintf(run->what->log, "%s: %s\n", side == SUBJECT ? "mount" : "model",
		i < t->n ? t->rows[i].words.text : "nothing");
}

static bool settle(struct run *run)
{
	while (!is_idle(run))
		sched_yield();
	if (is_same_table(run))
		return true;
	fprintf(run->what->log, "different segments:\n");
	for (size_t i = 0; i < run->tables[SUBJECT].n || i < run->tables[REFERENCE].n;
	     i++)
		for (unsigned int side = 0; side < SIDES; side++)
			print_row(run, side, i);
	return false;
}

/* Does one operation. Return: whether it was the same on both sides, but for memory. */
static bool do_one(struct run *run, const struct op *op)
{
	struct outcome outcomes[SIDES];
	time_t begin = time(NULL), took;

	actors_do(&run->actors, op, outcomes);
	record_add(&run->record, run->number, op, outcomes);
	took = time(NULL) - begin;
	if (took > run->slowest)
		run->slowest = took;
	return outcomes[SUBJECT].result == outcomes[REFERENCE].result &&
	       is_same(run, outcomes[SUBJECT].text, outcomes[REFERENCE].text) &&
	       settle(run);
}

static struct op make_op(const char *call, enum actor actor, int id)
{
	struct op op = { .call = call_find(call), .actor = actor };

	op_name_id(&op, id);
	return op;
}

/* A dump leaves no page that was not written. */
static bool equalise(struct run *run)
{
	const struct table now = run->tables[SUBJECT];

	for (size_t i = 0; i < now.n; i++) {
		struct op op = make_op("shm_dump", ACTOR_NATIVE, now.ids[i]);

		if (!do_one(run, &op))
			return false;
	}
	run->doubt = false;
	return settle(run) && !run->doubt;
}

/*
 * The kernel may take back pages that were only read, as those of a hole, at any time and
 * without saying so. It does so now and then, and a mount that takes memory for what it
 * should not, or not for what it should, does it all the time.
 */
static bool is_forgiven(struct run *run)
{
	if (!run->doubt)
		return true;
	if (++run->doubts <= 2 + run->what->operations / DOUBT_INTERVAL)
		return equalise(run);
	fprintf(run->what->log, "the memory is different too often\n");
	return false;
}

static bool step(struct run *run, const struct op *op)
{
	run->doubt = false;
	return do_one(run, op) && is_forgiven(run);
}

static bool check(struct run *run, const char *call, enum actor actor, int id)
{
	struct op op = make_op(call, actor, id);

	return step(run, &op);
}

/* All bytes, through the mount and natively. */
static bool check_all(struct run *run)
{
	const struct table now = run->tables[SUBJECT];
	bool equal = check(run, "readdir", ACTOR_HERE, 0);

	for (size_t i = 0; i < now.n && equal; i++)
		equal = check(run, "cat", ACTOR_THERE, now.ids[i]) &&
			check(run, "shm_dump", ACTOR_NATIVE, now.ids[i]);
	return equal;
}

/* So long that what is told of before cannot be of after. */
static void let_time_pass(void)
{
	const struct timespec moment = { .tv_nsec = 50000000 };
	time_t end = time(NULL) + AGE;

	while (time(NULL) < end)
		nanosleep(&moment, NULL);
}

/* A lie is soon overwritten or removed, so it is looked for at once. */
static bool survives_lie(struct run *run)
{
	if (!run->tamper || !actors_both(&run->actors, run->tamper))
		return true;
	run->tamper = NULL;
	return check_all(run);
}

static bool next(struct run *run, struct random *random)
{
	const struct differential *what = run->what;
	struct op op;

	if (run->number == what->operations / 2)
		run->tamper = what->tamper;
	if (!survives_lie(run))
		return false;
	if (run->number % AGE_INTERVAL == 0)
		let_time_pass();
	op_draw(random, run->tables[SUBJECT].ids, run->tables[SUBJECT].n, &op);
	if (!step(run, &op))
		return false;
	return run->number % CHECK_INTERVAL || check_all(run);
}

static bool run_all(struct run *run)
{
	struct random random = { run->what->seed };
	bool equal = settle(run);

	while (equal && run->number < run->what->operations) {
		run->number++;
		equal = next(run, &random);
	}
	return equal && check_all(run);
}

static void report(const struct run *run)
{
	FILE *log = run->what->log;

	fprintf(log, "a difference: SHMFS_SEED=%llu SHMFS_OPS=%llu, operation %llu\n",
		(unsigned long long)run->what->seed,
		(unsigned long long)run->what->operations,
		(unsigned long long)run->number);
	record_print_last(&run->record, log);
}

static bool is_complete(const struct run *run)
{
	const struct differential *what = run->what;

	record_print_counts(&run->record, what->log);
	return what->operations < COMPLETE_FROM ||
	       record_complete(&run->record, what->shares, what->log);
}

/* With nobody left nothing is attached, and what was removed is gone. */
static bool check_end(struct run *run)
{
	actors_stop(&run->actors);
	return settle(run);
}

bool differential_run(const struct differential *differential)
{
	struct run *run = calloc(1, sizeof(*run));
	bool ok;

	if (!run)
		abort();
	run->what = differential;
	find_waiting(run);
	actors_start(&run->actors, differential);
	ok = run_all(run);
	if (!ok)
		report(run);
	ok = check_end(run) && ok && is_complete(run);
	for (int i = 0; i < SIDES; i++)
		close(run->actors.tables[i]);
	free(run);
	return ok;
}
