/* SPDX-License-Identifier: MIT */
/*
 * After each operation both file systems must hold the same memory: an object that the
 * mount keeps alive too long is a difference like any other. It may be given back a
 * moment later, since the kernel does not wait for the daemon when the last descriptor is
 * closed, so that is awaited. (difference: release)
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>

#include "actors.h"
#include "calls.h"
#include "differential.h"
#include "record.h"

enum { CHECK_INTERVAL = 1000, COMPLETE_FROM = 20000 };

struct run {
	const struct differential *what;
	struct actors actors;
	struct record record;
	uint64_t number;
	bool (*tamper)(const char *native); /* what is still to be done */
};

static bool is_over(const struct run *run, time_t *start)
{
	time_t now = time(NULL);

	if (!*start)
		*start = now;
	sched_yield();
	return now - *start > run->what->patience;
}

/* Does one operation. Return: whether it was the same on both sides. */
static bool step(struct run *run, const struct op *op)
{
	struct outcome outcomes[SIDES];
	struct op again = *op;
	time_t start = 0;
	bool equal;

	actors_do(&run->actors, op, outcomes);
	again.subject_alone = true;
	while (!(equal = outcome_equal(&outcomes[SUBJECT], &outcomes[REFERENCE])) &&
	       call_at(op->call)->may_lag && !is_over(run, &start))
		actors_do(&run->actors, &again, outcomes);
	record_add(&run->record, run->number, op, outcomes);
	return equal;
}

static bool same_room(const struct run *run, struct statvfs room[SIDES])
{
	if (statvfs(run->what->native, &room[SUBJECT]) < 0 ||
	    statvfs(run->what->reference, &room[REFERENCE]) < 0)
		return false;
	return room[SUBJECT].f_bfree == room[REFERENCE].f_bfree &&
	       room[SUBJECT].f_ffree == room[REFERENCE].f_ffree;
}

static bool settle(const struct run *run)
{
	struct statvfs room[SIDES] = { 0 };
	time_t start = 0;

	while (!same_room(run, room)) {
		if (!is_over(run, &start))
			continue;
		fprintf(run->what->log,
			"free: %lu blocks and %lu files, on tmpfs %lu and %lu\n",
			room[SUBJECT].f_bfree, room[SUBJECT].f_ffree,
			room[REFERENCE].f_bfree, room[REFERENCE].f_ffree);
		return false;
	}
	return true;
}

/* All files, through the mount and natively. */
static bool check_all(struct run *run)
{
	struct op op = { 0 };
	bool equal = true;

	for (op.actor = ACTOR_HERE; op.actor <= ACTOR_NATIVE && equal; op.actor++) {
		op.call = call_find("readdir");
		equal = step(run, &op);
		op.call = call_find("cat");
		for (op.name = 0; op.name < NAMES_VALID && equal; op.name++)
			equal = step(run, &op);
	}
	return equal;
}

static void draw(const struct run *run, struct random *random, struct op *ret)
{
	const struct differential *what = run->what;
	bool users = what->users && run->number > what->operations / 2;

	do
		op_draw(random, users, ret);
	while (what->caches &&
	       (ret->actor == ACTOR_NATIVE || call_at(ret->call)->may & NEEDS_SHARING));
}

static bool next(struct run *run, struct random *random)
{
	const struct differential *what = run->what;
	struct op op;

	if (run->number == what->operations / 2)
		run->tamper = what->tamper;
	if (run->tamper && run->tamper(what->native))
		run->tamper = NULL;
	draw(run, random, &op);
	if (!step(run, &op) || !settle(run))
		return false;
	return run->number % CHECK_INTERVAL || check_all(run);
}

static bool run_all(struct run *run)
{
	struct random random = { run->what->seed };
	bool equal = true;

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

bool differential_run(const struct differential *differential)
{
	const char *const dirs[SIDES] = { differential->subject,
					  differential->reference };
	struct run *run = calloc(1, sizeof(*run));
	bool ok;

	if (!run)
		abort();
	run->what = differential;
	actors_start(&run->actors, dirs, differential->native, differential->io);
	ok = run_all(run);
	if (!ok) {
		report(run);
	} else {
		record_print_counts(&run->record, differential->log);
		/* With a part left out not all is drawn that there is. */
		ok = differential->operations < COMPLETE_FROM || differential->caches ||
		     record_complete(&run->record, differential->io, differential->log);
	}
	actors_stop(&run->actors);
	free(run);
	return ok;
}
