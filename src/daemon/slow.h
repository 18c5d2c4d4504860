/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests that take long, such as the allocation of much memory, or whatever waits for
 * an object or the directory that somebody keeps busy. Each holds a thread up, of which
 * there are only so many. So users share them, as quota.h says, and what a user asks of
 * files beyond his share is put off until such a thread is free.
 *
 * Of those who wait for a directory one holds a thread up, and the others are put off.
 * None of them waits for longer than SLOW_DIRECTORY_NS: then the answer is EBUSY, and so
 * it is at once for all who come later, until the directory is free. Likewise those who
 * wait for a file, where somebody waits for that file and holds a directory meanwhile.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/demand.h"
#include "daemon/dispatch.h"
#include "fs/quota.h"

/*
 * Whoever waits for a directory holds it on the mount, and others cannot even look there
 * for what they could find natively. That is the bound of what one user may do to
 * another, so it is short. But an honest removal waits as well, while the object is being
 * allocated: two seconds are several GiB.
 */
#define SLOW_DIRECTORY_NS (UINT64_C(2) * 1000 * 1000 * 1000)

/* At once: of directories and files, more than there are threads. */
#define SLOW_NODES 128

struct slow_request {
	struct demand demand;
	uint64_t age; /* nanoseconds since it was put off */
	struct slow_request *prev, *next;
	size_t size;
	char bytes[] __attribute__((aligned(8)));
};

/* A directory that requests wait for; or a file of which one was given up. */
struct slow_node {
	uint64_t node;
	unsigned int waiting;  /* threads; 0: none is here */
	unsigned int given_up; /* those of them whose request has been answered */
};

struct slow {
	int fd;                           /* of the session */
	const struct dispatch_loss *loss; /* borrowed */
	struct quota quota;               /* of threads */
	atomic_uint n;                    /* requests that take long */
	pthread_mutex_t lock;             /* no other is taken under it but the quotas' */
	struct slow_request *list;        /* put off; protected by lock */
	struct quota memory;              /* of those, in KiB */
	bool stopped;                     /* protected by lock */
	struct slow_node nodes[SLOW_NODES]; /* protected by lock */
};

/* So many threads may be held up. @fd is the session's; @loss is told of what is refused.
 */
void slow_init(struct slow *s, int fd, unsigned int threads,
	       const struct dispatch_loss *loss);
/* What is still put off is never served. */
void slow_done(struct slow *s);

enum slow_verdict {
	SLOW_SERVE,
	SLOW_HURRY, /* serve it without waiting for the directory, or else put it off */
	SLOW_TAKEN, /* it was put off, or refused: ENOMEM, or EBUSY for a directory */
};

/* What to do with the request in @buf, which demands @d. */
enum slow_verdict slow_admit(struct slow *s, const struct demand *d,
			     const struct fuse_buf *buf);
/* It would wait for the directory. Returns false where that is free by now. */
bool slow_put_off(struct slow *s, const struct demand *d, const struct fuse_buf *buf);

/* The request that demands @d takes long. */
void slow_begin(struct slow *s, struct demand *d);
/* It waits for a directory, or a file that a directory is held for, and has waited long
 * enough: it is answered. */
void slow_give_up(struct slow *s, const struct demand *d);
/*
 * It is done. Returns one that was put off, which now counts as begun, to be served and
 * freed; or NULL.
 */
struct slow_request *slow_end(struct slow *s, const struct demand *d, bool given_up);

/*
 * @ns more have passed for what is put off. Returns whether anything is. *@ret_files is
 * set where a request has waited for a file for as long as it may while the kernel holds
 * a directory for that file.
 */
bool slow_age(struct slow *s, uint64_t ns, bool *ret_files);
/* The kernel does: those are answered. */
void slow_refuse_files(struct slow *s);

/* Nothing that is put off will be served any more. */
void slow_stop(struct slow *s);
