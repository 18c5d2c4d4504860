/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Handles of the objects that were looked up last. A path walk is two requests, LOOKUP
 * and then what is to be done; native users may take the name away in between. With the
 * handle the second request is about the very object that the first one found, as it is
 * natively.
 *
 * The handles are few and short-lived, since each keeps a removed object's memory.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "native/kind.h"

#define RECENT_MAX         128
#define RECENT_LIFETIME_MS 50

struct recent_entry {
	uint64_t number;
	uint64_t since; /* milliseconds of CLOCK_MONOTONIC */
	uint32_t name_hash;
	struct object_id id;
	struct native_file *handle; /* NULL: empty */
};

struct recent {
	pthread_mutex_t lock;
	int timer;
	unsigned int places;                     /* of entries that are used */
	bool armed;                              /* protected by lock */
	struct recent_entry entries[RECENT_MAX]; /* protected by lock */
};

int recent_init(struct recent *r);
void recent_done(struct recent *r);
/* Remembers @handle, with a reference of its own, for node @number. */
void recent_put(struct recent *r, uint64_t number, const char *name,
		const struct object_id *id, struct native_file *handle);
/* The handle for node @number with a reference for the caller, or NULL. */
struct native_file *recent_get(struct recent *r, uint64_t number);
/* A handle for what was looked up as @name, most likely, and its identity, to be compared
 * with that of what has the name now; likewise. */
struct native_file *recent_find(struct recent *r, const char *name,
				struct object_id *ret_id);
/* Lets go of what was looked up as @name; NULL: of everything. */
void recent_drop(struct recent *r, const char *name);
/* Lets go of what has served long enough; to be called when @timer is readable. */
void recent_expire(struct recent *r);
