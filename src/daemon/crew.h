/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The threads that serve requests. All of them are there from the start: later they might
 * not be had, since whoever waits for a lock takes one as well, of those that the process
 * may have.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/demand.h"

enum role {
	ROLE_IDLE,
	ROLE_LEADER,
	ROLE_HELPER,
	ROLE_LATER, /* does what others have left for later */
};

struct loop;

struct worker {
	struct crew *crew;
	struct loop *loop;
	pthread_t thread;
	pthread_cond_t called;
	enum role role;        /* protected by crew->lock */
	atomic_ulong busy;     /* the number of the request that it serves, or 0 */
	unsigned long seen;    /* that number, the monitor's last time */
	bool slow;             /* what it serves takes long; protected by crew->lock */
	uint64_t age;          /* nanoseconds that it has taken since; likewise */
	bool joined;           /* for who joins */
	atomic_bool receiving; /* it may be woken: no native call is under way */
	struct serving serving;
	struct fuse_buf buf;
	struct worker *next;      /* in crew->workers; does not change */
	struct worker *next_idle; /* in crew->idle; protected by crew->lock */
};

struct crew {
	pthread_mutex_t lock;
	struct worker *workers; /* does not change while they work */
	struct worker *idle;    /* protected by lock */
	unsigned int n;
};

/* Lets signals that crew_wake() sends interrupt a thread that reads. */
int crew_init(struct crew *c);
/* They have all ended. */
void crew_done(struct crew *c);

/* A thread of the process that signals to the process are not for. */
int crew_start_thread(pthread_t *thread, void *(*run)(void *), void *data);
/* Adds an idle one, which runs @run with itself. Called with the lock held, as all that
 * are about roles. */
int crew_add(struct crew *c, struct loop *l, void *(*run)(void *));

/* One without a role, or NULL. */
struct worker *crew_take(struct crew *c);
/* Gives it back. The last one that stopped working is the warmest. */
void crew_put(struct worker *w);
void crew_call(struct worker *w, enum role role);
/* Makes all look what there is to do. */
void crew_call_all(struct crew *c);
/* Whether any serves a request. */
bool crew_is_busy(const struct crew *c);

/* Wakes those up that wait for requests, without the lock held. A signal that comes too
 * early is lost. */
void crew_wake(struct crew *c);
/*
 * Waits for their end, which they were told of, for @patience nanoseconds at the most,
 * calling @stop for those that wait for requests all the same. Returns how many did not
 * end: those are in calls.
 */
unsigned int crew_join(struct crew *c, uint64_t patience, void (*stop)(struct loop *l));
