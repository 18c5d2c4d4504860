/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a request finds before it changes what cannot be changed twice, in memory that
 * outlives the process. When that dies the kernel asks again for what was not answered,
 * and whoever is asked (with caller->before) can tell what is done already.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "native/caller.h"
#include "native/kind.h"

#define JOURNAL_OBJECT  (1u << 0) /* @object is known */
#define JOURNAL_SINCE   (1u << 1) /* @since is */
#define JOURNAL_DONE    (1u << 2) /* @result is: all that is left is to answer */
#define JOURNAL_GOES_ON (1u << 3) /* a dead process may still be in the middle of it */

struct journal {
	uint64_t request; /* by its number; 0: none */
	unsigned int what;
	unsigned int deaths;     /* of daemons that were serving it, by their own fault */
	struct object_id object; /* that had the name */
	int64_t since;           /* nanoseconds since the epoch, by the clock of births */
	int result;
};

/* The request of @caller by its number, or 0. */
uint64_t journal_request(const struct caller *caller);
/* Whether the request was served before, and what it was answered then. */
bool journal_is_done(const struct caller *caller, int *ret_result);
/* Notes that. Returns @result. */
int journal_done(const struct caller *caller, int result);

struct fs;

/* Notes which object is called @name, before that is taken away from it. */
void journal_name(struct fs *fs, const struct caller *caller, const char *name);
/* Notes that it is to be object @id, before that gets @name, unless it has it already. */
void journal_link(struct fs *fs, const struct caller *caller, const char *name,
		  const struct object_id *id);
/* Whether the request was served before, and @name is no longer that object's. */
bool journal_has_lost(struct fs *fs, const struct caller *caller, const char *name);
/* Likewise, and @name is that object's by now. */
bool journal_has_got(struct fs *fs, const struct caller *caller, const char *name);

/* Notes when the caller's object is not there yet. */
void journal_begin(const struct caller *caller);
/*
 * Whether the request was served before, and what is called @name is of the caller's
 * making since then: a handle of that.
 */
bool journal_has_made(struct fs *fs, const struct caller *caller, const char *name,
		      struct native_file **ret, struct object_info *ret_info);
