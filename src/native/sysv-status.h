/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the kernel says about a System V segment, to everybody and without attaching it:
 * attaching would change its times, and may be the end of a segment that was removed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/shm.h>

#include "native/caller.h"

/* 0, or -ENOENT where there is no such segment. */
int sysv_status(int id, struct shmid_ds *ret);

/*
 * What tells a segment from a later one that was given the same identifier, as far as the
 * kernel says: who made it and when, and how large. It changes with the owner and the
 * mode, by which the kernel sets the time.
 */
int64_t sysv_birth(const struct shmid_ds *ds);

/* Whether @ds may be of the segment of that @birth, whatever was set of it since. */
bool sysv_may_be(int64_t birth, const struct shmid_ds *ds);

/* Whether somebody asked for its removal while it was attached. */
bool sysv_is_removed(const struct shmid_ds *ds);

/*
 * 0, or -EACCES if @caller (NULL: the process itself) must not do what @mask asks for, of
 * R_OK, W_OK and X_OK: by the rule of svipc(7), for answers that nothing depends on.
 */
int sysv_allows(const struct shmid_ds *ds, const struct caller *caller, int mask);

/* Whether @caller may change what is @perm, by the rule of shmctl(2) for IPC_SET. */
bool sysv_may_set(const struct ipc_perm *perm, const struct caller *caller);

/* Which of the caller's supplementary groups can make a difference to that. */
enum caller_groups sysv_groups_decide(const struct shmid_ds *ds,
				      const struct caller *caller);
