/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A day in the life of a file system, as steps that can each be repeated: every request
 * there is, in the order and with the persistence of a kernel. The tests let something
 * fail in it, one place after the other.
 */
#include "fixture.h"

struct story {
	struct room *room;
	uint64_t node;
	struct fs_open_file file, second;
	uint64_t dir;
};

struct step {
	const char *name;
	int (*run)(struct story *s);
	/* What may fail without failing the request, (1 << enum fake_op) each. */
	uint64_t forgives;
};

/* Ended by one without a name. */
extern const struct step steps[];

void story_begin(struct story *s, struct room *room);
