/* SPDX-License-Identifier: MIT */
#pragma once
/* The end of a mount by its own daemon. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon/mountpoint.h"

struct unmount {
	const char *mountpoint; /* borrowed */
	bool mounted;
	unsigned int major, minor; /* the device of what is mounted */
	pid_t helper;              /* 0: none */
	int order;                 /* the helper waits for it at the other end */
};

/*
 * To be called before anything is mounted or opened, and before privileges are given up:
 * without root only fusermount3, which is set-user-ID, can unmount, so a process is made
 * that runs it in the end. Returns 0 or a negative errno.
 */
int unmount_init(struct unmount *u, const char *mountpoint);

/*
 * To be called when it is mounted on @place, whose path *@path becomes, to be borrowed in
 * place of the one before: 0 or a negative errno.
 */
int unmount_mounted(struct unmount *u, const struct place *place, char **path);

/* Unmounts what was mounted, if it still is, whatever is in use of it. */
void unmount_session(struct unmount *u, struct fuse_session *session);

/*
 * Fails all requests, and those to come, where fusectl is mounted. Threads that wait in
 * the kernel for others' requests go on then.
 */
void unmount_abort(const struct unmount *u);

void unmount_done(struct unmount *u);
