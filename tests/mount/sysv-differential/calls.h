/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The calls. One on a file is written twice: as it is made on the mount, and as what the
 * model says that it must do. A native one is written once, and made on both sides. All
 * say what they saw, and return the result or a negative errno.
 */
#include "model.h"
#include "natives.h"
#include "op.h"
#include "side.h"

/* What a run has to have seen of a call, or its generator is dead. */
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
	/* Says with which arguments. */
	void (*describe)(const struct op *op, struct outcome *out);
	long (*mount)(struct side *side, const struct op *op, struct outcome *out);
	long (*model)(struct model *model, const struct op *op, struct outcome *out);
	/* Or this alone. */
	long (*native)(struct natives *natives, const struct op *op, struct outcome *out);
};

/* Tables, each ended by an entry without a name. */
extern const struct call file_calls[], size_calls[], map_calls[], attr_calls[];
extern const struct call tell_calls[], name_calls[], native_calls[];

/* The number @index, or NULL behind the last. */
const struct call *call_at(unsigned int index);

/* The number of the call @name, which exists. */
unsigned int call_find(const char *name);

/* Draws one by its weight, with the random number @random. */
unsigned int call_draw(uint64_t random);

/* Describes a call that takes just a name, or just a descriptor. */
void describe_name(const struct op *op, struct outcome *out);
void describe_names(const struct op *op, struct outcome *out);
void describe_slot(const struct op *op, struct outcome *out);

/* read(2), for what reads among other things. */
long mount_read(struct side *side, const struct op *op, struct outcome *out);
long model_read(struct model *model, const struct op *op, struct outcome *out);
