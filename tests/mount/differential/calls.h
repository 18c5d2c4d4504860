/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The calls of the file system interface, each written once for both sides. A call names
 * itself with its arguments, does its work, says what it saw, and returns its result.
 */
#include <stdbool.h>
#include <stdint.h>

#include "op.h"
#include "outcome.h"
#include "side.h"

/* Each mapping has this much room. */
enum { MAP_DISTANCE = 8 << 20 };

/* What a run has to have seen of a call through the mount, or its generator is dead. */
enum may {
	MAY_SUCCEED = 1,
	MAY_FAIL = 2,
	MAY_BOTH = MAY_SUCCEED | MAY_FAIL,
	/* Needs a lasting mapping, which there is none of without passthrough. */
	NEEDS_SHARING = 4,
};

struct call {
	const char *name;
	unsigned int weight; /* how often it is drawn */
	unsigned int may;
	/*
	 * Other descriptors' locks decide. The kernel tells the daemon of a last close,
	 * which ends flock and OFD locks, but does not wait for it: an answer may come
	 * late. (difference: lock-end)
	 */
	bool may_lag;
	long (*run)(struct side *side, const struct op *op, struct outcome *out);
};

/* Tables, each ended by an entry without a name. */
extern const struct call file_calls[], space_calls[], copy_calls[], name_calls[];
extern const struct call attr_calls[], xattr_calls[], lock_calls[], map_calls[];

/* The number of calls, and each of them. */
unsigned int call_count(void);
const struct call *call_at(unsigned int index);

/* The number of the call @name, which exists. */
unsigned int call_find(const char *name);

/* Draws one by its weight, with the random number @random. */
unsigned int call_draw(uint64_t random);
