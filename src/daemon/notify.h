/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The thread that does what no request asks for: it tells the kernel which names native
 * users have taken away, so that neither the kernel nor we remember the dead, or where
 * the kernel keeps names and attributes all that they changed; and lets go of handles
 * that have served.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "fs/tree.h"

/*
 * For how many seconds the kernel keeps what it is told the end of. Long enough to cost
 * nothing, and an end to what should slip through, of whatever fault.
 */
#define NOTIFY_KEEP 10.0

/* The name of its thread. */
#define NOTIFY_THREAD "shmfs-notify"

struct notify {
	struct fuse_session *session; /* borrowed */
	const struct tree *tree;      /* borrowed */
	bool keeps;                   /* as of fs_config */
	bool lost;                    /* changes went unnoticed: all is told as changed */
	pthread_t thread;
	int stop;  /* an eventfd */
	int error; /* of the watch: for the thread, until it has ended */
};

/*
 * The most seconds that the kernel may keep a name; @waits: kernel_waits_for_answers().
 * Called before requests are served.
 */
/*
 * The kernel hands out again what was read and not answered: what for, and whether it can
 * do that at all (Linux 6.9): 0, or -EINVAL.
 */
int notify_resend(struct fuse_session *session);
/* Looks for a name that cannot be: for that the kernel waits for the lock of the
 * directory, which it holds while others wait for answers about names. */
void notify_look(struct fuse_session *session, uint64_t directory);
double notify_name_timeout(struct fuse_session *session, bool waits);
int notify_start(struct notify *n, struct fuse_session *session, const struct tree *tree,
		 bool keeps, bool lost);
/*
 * Ends the thread; requests that it waits for are answered meanwhile. Returns the error
 * that the thread has ended the session for, or 0; -ETIMEDOUT where the thread is in a
 * call that does not return.
 */
int notify_stop(struct notify *n);
