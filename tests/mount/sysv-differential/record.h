/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a run has seen: its last operations, for the report of a difference, and how often
 * each call succeeded and failed, for the proof that all of them were really tried.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "actors.h"

enum { RECORD_LAST = 40, RECORD_CALLS = 80 };

struct record {
	struct {
		uint64_t number;
		struct op op;
		struct outcome outcomes[SIDES];
	} last[RECORD_LAST];
	uint64_t count;
	struct {
		unsigned long done, failed;
	} calls[RECORD_CALLS];
};

/* Adds an operation, which belongs to step @number of the sequence. */
void record_add(struct record *record, uint64_t number, const struct op *op,
		const struct outcome outcomes[SIDES]);

/* The last operations, both outcomes where they differ. */
void record_print_last(const struct record *record, FILE *log);

/* How often what went how. */
void record_print_counts(const struct record *record, FILE *log);

/* Whether everything that may happen to each call has; says what has not. */
bool record_complete(const struct record *record, bool shares, FILE *log);
