/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One operation as it was drawn: everything that its call needs in order to do exactly
 * the same on both sides. Nothing in it depends on how an earlier operation went, so that
 * a seed gives the same sequence on every run and on every machine.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "random.h"

enum { SLOTS = 16, MAPS = 3 };

/* Who does it: two processes on the mount, and one natively, behind the mount's back. */
enum actor { ACTOR_HERE, ACTOR_OTHER, ACTOR_NATIVE, ACTORS };

/* As whom. ROOT is 0, so that the first phase draws nothing else. */
enum user { USER_ROOT, USER_ALICE, USER_BOB, USERS };

struct op {
	unsigned int call; /* index, for call_at() */
	enum actor actor;
	enum user user;
	unsigned int slot, other; /* descriptors */
	unsigned int map;
	unsigned int name, to; /* for name_text() */
	int64_t offset, other_offset;
	size_t length; /* never more than OP_LENGTH_MAX */
	mode_t mode, umask;
	uint64_t bits;      /* for choose() */
	bool subject_alone; /* asked again, without its reference */
};

enum { OP_LENGTH_MAX = 1 << 16 };

/* Draws the next operation; @users: also as others than root. */
void op_draw(struct random *random, bool users, struct op *ret);

/* One of 0..@of-1, different for each @what, that belongs to @op. */
unsigned int choose(const struct op *op, unsigned int what, unsigned int of);

/* True in @percent of the operations. */
bool chance(const struct op *op, unsigned int what, unsigned int percent);

/* The operation's own OP_LENGTH_MAX bytes, to write. */
const void *op_bytes(const struct op *op);

/* The pool of names, valid ones first: NAMES_VALID of them. */
enum { NAMES_VALID = 9, NAMES = 13 };
const char *name_text(unsigned int name);

/* The same, short enough to print. */
const char *name_label(unsigned int name);

/* The number of the name @text, or NAMES. */
unsigned int name_find(const char *text);
