/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Somebody who goes about his business on objects of his own, one act after the other,
 * each with a limit of time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "busy/place.h"
#include "person.h"

/*
 * How long something may take, beside fifty times what an act takes natively; and what
 * the mount's directory is asked for, for which six seconds are promised.
 */
#define BUSY_NS      UINT64_C(5000000000)
#define DIRECTORY_NS UINT64_C(8000000000)

enum act {
	ACT_STAT,
	ACT_FSTAT,
	ACT_READ,
	ACT_WRITE,
	ACT_OPEN,
	ACT_CLOSE,
	ACT_REMOVED,
	ACT_FIRST_STAT,
	ACT_MISSING,
	ACT_LIST,
	ACT_CREATE,
	ACT_UNLINK,
	ACTS,
};

extern const char *const act_names[ACTS];

/* Whether it is about names that the mount's directory is asked for. */
bool act_asks_directory(enum act act);
/* Whether, where names are cached, it takes that the kernel is told of a change. */
bool act_needs_telling(enum act act);
/* Whether natively it waits for who holds the directory. */
bool act_waits_for_directory(enum act act);

struct score {
	uint64_t ns; /* 0: it was not done */
	int result;  /* 0, a negative errno, or -ETIME: not within the limit */
};

/*
 * A bystander makes what he needs and is ready, and acts when told. In @skip are the acts
 * that he leaves out, a bit each.
 */
struct bystander *bystander_begin(const struct person *who, const struct place *place,
				  unsigned int skip);
bool bystander_is_ready(const struct bystander *b);
void bystander_go(struct bystander *b);
bool bystander_has_ended(const struct bystander *b);
const struct score *bystander_scores(const struct bystander *b);
/* The longest of all acts, natively. */
uint64_t bystander_native(const struct bystander *b);
/* How long something may take where that is @ns, and a native act takes @native. */
uint64_t bystander_limit(uint64_t ns, uint64_t native);
const char *bystander_name(const struct bystander *b);
/* Ends him, and removes what he made natively. */
void bystander_free(struct bystander *b);
