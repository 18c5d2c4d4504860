/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One operation as it was drawn: all that its call needs in order to be done on a mount
 * and on its model. It depends on the seed, and on which segments there are, which is the
 * same in every run of a seed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "differential/random.h"
#include "user.h"

enum { SLOTS = 6, MAPS = 3, ATTACHMENTS = 6 };

/* Two processes on the mount, and one behind its back, with native calls alone. */
enum actor { ACTOR_HERE, ACTOR_THERE, ACTOR_NATIVE };
enum { MOUNT_ACTORS = ACTOR_NATIVE };

/* What segments may have, all in all, on both sides: little, to meet the limits. */
enum { SHMMAX = 100000, SHMALL = 160, SHMMNI = 16 };

struct op {
	unsigned int call; /* index, for call_at() */
	enum actor actor;
	enum user user;
	unsigned int slot, other; /* descriptors, or attachments */
	unsigned int map;
	unsigned int name, to; /* in the pool of names */
	int id, to_id;         /* of segments, that names lead to by it */
	int64_t offset;
	size_t length; /* never more than OP_LENGTH_MAX */
	int64_t size;
	mode_t mode, umask;
	uint64_t bits; /* for choose() */
};

enum { OP_LENGTH_MAX = 1 << 15 };

/* Draws the next one; @ids are those of the segments that there are. */
void op_draw(struct random *random, const int *ids, size_t n, struct op *ret);

/* One of 0..@of-1, different for each @what, that belongs to @op. */
unsigned int choose(const struct op *op, unsigned int what, unsigned int of);

/* True in @percent of the operations. */
bool chance(const struct op *op, unsigned int what, unsigned int percent);

/* The operation's own OP_LENGTH_MAX bytes, to write. */
const void *op_bytes(const struct op *op);

/* Makes the name of @op that of segment @id by its identifier. */
void op_name_id(struct op *op, int id);

/* What a name is to lead to. */
enum meaning { BY_KEY, BY_ID, NOTHING, TOO_LONG };

struct name {
	enum meaning meaning;
	int32_t key; /* BY_KEY; 0: IPC_PRIVATE */
	int id;      /* BY_ID */
	char text[260];
};

struct name op_name(const struct op *op);
struct name op_to(const struct op *op);

/* Short enough to print. */
const char *name_label(const struct name *name);
