/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests that take long, such as the allocation of much memory, or whatever waits for
 * an object that is busy with that. Each holds a thread up, of which there are only so
 * many; so users share those, as quota.h says, and what one asks of files beyond his
 * share is put off until a thread that has served such a request is free.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/dispatch.h"
#include "fs/quota.h"

struct slow_request {
	uid_t uid; /* whose it counts as */
	struct slow_request *prev, *next;
	size_t size;
	char bytes[] __attribute__((aligned(8)));
};

struct slow {
	int fd;                           /* of the session */
	const struct dispatch_loss *loss; /* borrowed */
	struct quota quota;               /* of threads */
	atomic_uint n;                    /* requests that take long */
	pthread_mutex_t lock;             /* no other is taken under it but the quota's */
	struct slow_request *list;        /* put off; protected by lock */
	size_t bytes;                     /* of those; protected by lock */
	bool stopped;                     /* protected by lock */
};

/* So many threads may be held up. @fd is the session's; @loss is told of what is refused.
 */
void slow_init(struct slow *s, int fd, unsigned int threads,
	       const struct dispatch_loss *loss);
/* What is still put off is never served. */
void slow_done(struct slow *s);

/*
 * Whether the request in @buf is none to be served now: it was put off, or where too much
 * is, refused with ENOMEM.
 */
bool slow_put_off(struct slow *s, const struct fuse_buf *buf);

/* The request in @buf takes long. Returns whether it counts as @ret_uid's. */
bool slow_begin(struct slow *s, const struct fuse_buf *buf, uid_t *ret_uid);
/*
 * One of @uid's is done. Returns one that was put off, which now counts as begun, to be
 * served and freed; or NULL.
 */
struct slow_request *slow_end(struct slow *s, uid_t uid);

/* Nothing that is put off will be served any more. */
void slow_stop(struct slow *s);
