/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The other side of a session: what a kernel remembers of its requests and of the
 * answers, and whether it could take them. It aborts at the first answer that a kernel
 * would refuse, or that it would take to our harm.
 *
 * Answers come by writev(), which is this program's own for the session's descriptor:
 * that is where each of them leaves libfuse, whatever the version.
 */
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_ASKED 4096
#define KERNEL_MAX   512 /* of each other thing there is */

/* What the headers at hand may not know of. */
#define KERNEL_OPEN_PARALLEL_DIRECT_WRITES (1u << 6)
#define KERNEL_OPEN_PASSTHROUGH            (1u << 7)
#define KERNEL_INIT_PASSTHROUGH            (UINT64_C(1) << 37)

struct asked {
	uint64_t unique;
	uint64_t node;
	uint32_t opcode;
	uint32_t size; /* the most that the answer may carry, where the request says */
	unsigned int answers;  /* protected by kernel->lock */
	unsigned int attempts; /* kernel->attempts before it */
};

struct kernel_node {
	uint64_t number;
	uint64_t lookups;
};

struct kernel_file {
	uint64_t number;
	uint64_t node;
	bool open;
	uint32_t flags;
	int32_t backing_id;
};

struct kernel {
	int fd;           /* the session's */
	bool keeps;       /* names and attributes may be kept */
	uint64_t offered; /* the flags of INIT */
	uint64_t taken;   /* likewise, of the answer */
	/* File systems there are: the highest byte of a node says to which it belongs. */
	unsigned int n_fs;
	/* Whether @id is registered as a backing file in file system @i. */
	bool (*has_backing)(unsigned int i, int id);

	pthread_mutex_t lock;  /* locks that were waited for are answered by any thread */
	pthread_cond_t moved;  /* signalled with each answer and each attempt */
	unsigned int attempts; /* of waiters to get their lock; protected by lock */
	struct asked asked[KERNEL_ASKED];
	unsigned int n_asked;
	bool gone; /* who asked: the next answer is not taken; protected by lock */

	/* All that were ever told of, by requests that are answered at once. */
	struct kernel_node nodes[KERNEL_MAX];
	struct kernel_file files[KERNEL_MAX], dirs[KERNEL_MAX];
	unsigned int n_nodes, n_files, n_dirs;
};

/* From now on answers on descriptor @fd go to @k. */
void kernel_begin(struct kernel *k, int fd);
/* There must be no request without an answer any more. */
void kernel_end(struct kernel *k);

/*
 * Sends a request: to be called before it is processed, and kernel_asked() behind it,
 * when it must be answered, unless it may wait. What it takes back, a file or lookups,
 * is no longer known then.
 */
struct asked *kernel_ask(struct kernel *k, const struct fuse_in_header *request);
void kernel_asked(struct kernel *k, const struct asked *a);

/* The file system that serves requests about @node. */
unsigned int kernel_fs_of(const struct kernel *k, uint64_t node);

/* To be called when a waiter asks natively: one that has begun to wait is let do that. */
void kernel_attempt(struct kernel *k);
