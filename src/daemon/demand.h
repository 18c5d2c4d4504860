/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a request demands of the thread that serves it. Any user can keep an object of
 * theirs busy for as long as they like, and with it the native directory. So a native
 * call on either may never return, and what the kernel holds on the mount until the
 * request is answered decides what may be done about that.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum demand_class {
	/*
	 * It makes no native call that waits for an object or the directory. It may be
	 * what somebody waits for who holds one of them, so it is served at once: the
	 * page fault of a native writer is a READ, and a file that somebody closes may
	 * have a lock.
	 */
	DEMAND_NOTHING,
	/* It may wait for an object. The kernel holds a file at the most, so it can be
	 * put off. */
	DEMAND_FILE,
	/* It may wait for the directory. The kernel may hold the directory of the mount,
	 * which others wait for, so it is answered in time. */
	DEMAND_DIRECTORY,
};

struct demand {
	enum demand_class class;
	uint32_t opcode;
	uint64_t unique;
	uint64_t node;
	uid_t uid;
	pid_t thread;
	bool counted; /* in the share of @uid; for slow.h */
};

/* What the request in @buf demands. What is not in memory is nobody's, and waits for
 * nothing. */
struct demand demand_of(const struct fuse_buf *buf);

/* Answers @error (0: none) for whoever serves it, or will: nobody else's answer is
 * taken after it. Returns whether the request was there. */
bool demand_answer(const struct demand *d, int fd, int error);

/* A demand on its way, of one thread. */
struct serving {
	struct demand demand;
	atomic_bool given_up; /* somebody else has answered */
	bool hasty;           /* the directory is busy: it must not be waited for */
	bool would_wait;      /* so it was not answered */
	void (*after)(void *after_context); /* to be done when it is answered; or NULL */
	void *after_context;
};

/* From now on the calling thread serves with @s, for those who ask below. */
void demand_serve_with(struct serving *s);

/* Set when somebody else has answered what the calling thread serves; or NULL. */
const atomic_bool *demand_given_up(void);

/* Whether the request must not wait for the directory. Where it would have to, it calls
 * demand_would_wait(), and does not answer. */
bool demand_is_hasty(void);
void demand_would_wait(void);

/* Lets @after be called when the request is answered and holds nobody up any more. */
void demand_afterwards(void (*after)(void *context), void *context);
