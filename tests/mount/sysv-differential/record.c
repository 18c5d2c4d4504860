/* SPDX-License-Identifier: MIT */
/*
 * What counts as success is what the model says: the mount says the same, or the run is
 * over.
 */
#include <assert.h>
#include <string.h>

#include "calls.h"
#include "record.h"

void record_add(struct record *record, uint64_t number, const struct op *op,
		const struct outcome outcomes[SIDES])
{
	unsigned int at = (unsigned int)(record->count++ % RECORD_LAST);
	bool done = outcomes[REFERENCE].result >= 0;

	assert(op->call < RECORD_CALLS);
	record->last[at].number = number;
	record->last[at].op = *op;
	memcpy(record->last[at].outcomes, outcomes, sizeof(record->last[at].outcomes));
	record->calls[op->call].done += done;
	record->calls[op->call].failed += !done;
}

static void print_result(FILE *log, const char *side, const struct outcome *outcome)
{
	fprintf(log, "%s = %ld", side, outcome->result);
	if (outcome->result < 0)
		fprintf(log, " (%s)", strerrorname_np((int)-outcome->result));
	fprintf(log, ": %s\n", outcome->text);
}

void record_print_last(const struct record *record, FILE *log)
{
	static const char *const actors[] = { "here", "there", "native" };
	uint64_t first = record->count > RECORD_LAST ? record->count - RECORD_LAST : 0;

	for (uint64_t i = first; i < record->count; i++) {
		const struct outcome *outcomes = record->last[i % RECORD_LAST].outcomes;
		const struct op *op = &record->last[i % RECORD_LAST].op;

		fprintf(log, "#%llu %s %s: %s",
			(unsigned long long)record->last[i % RECORD_LAST].number,
			actors[op->actor], user_name(op->user), call_at(op->call)->name);
		if (outcomes[SUBJECT].result == outcomes[REFERENCE].result &&
		    words_equal(outcomes[SUBJECT].text, outcomes[REFERENCE].text, 1,
				true)) {
			print_result(log, "", &outcomes[SUBJECT]);
			continue;
		}
		print_result(log, "\n\tmount", &outcomes[SUBJECT]);
		print_result(log, "\tmodel", &outcomes[REFERENCE]);
	}
}

void record_print_counts(const struct record *record, FILE *log)
{
	fprintf(log, "%-16s %8s %8s\n", "call", "done", "failed");
	for (unsigned int i = 0; call_at(i); i++)
		fprintf(log, "%-16s %8lu %8lu\n", call_at(i)->name, record->calls[i].done,
			record->calls[i].failed);
}

bool record_complete(const struct record *record, bool shares, FILE *log)
{
	bool complete = true;

	for (unsigned int i = 0; call_at(i); i++) {
		const struct call *call = call_at(i);
		bool can = shares || !(call->may & NEEDS_SHARING);

		if (call->may & MAY_SUCCEED && can && !record->calls[i].done) {
			fprintf(log, "%s never succeeded\n", call->name);
			complete = false;
		}
		if (call->may & MAY_FAIL && !record->calls[i].failed) {
			fprintf(log, "%s never failed\n", call->name);
			complete = false;
		}
	}
	return complete;
}
