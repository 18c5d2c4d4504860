/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one who asks: native calls whose outcome depends on who makes them are made as the
 * caller, so that the native kernel decides and not we.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct journal;
struct native_file;

struct caller {
	uid_t uid; /* effective user and group of the request */
	gid_t gid;
	/*
	 * By its number here; 0: unknown. It decides which of root's capabilities it has:
	 * unknown, none.
	 */
	pid_t thread;
	mode_t umask; /* what it creates is made with, see caller_umask() */
	/*
	 * Those that it is permitted count, not those that are effective: access(2) of a
	 * process that is really root asks what that could do.
	 */
	bool permitted;
	/*
	 * Reads the caller's supplementary groups into @ret (@n places) and returns their
	 * number, also where it is more than @n, or a negative errno. It costs a walk
	 * through /proc, so it is called only where the group class can decide.
	 */
	int (*groups)(void *context, size_t n, gid_t *ret);
	void *context;
	/* What is noted of the request, and what was when it was served before; or NULL.
	 */
	struct journal *journal;
	const struct journal *before;
	/* A lookup that would wait for the directory is -EAGAIN. */
	bool hasty;
	/* Set when nobody waits for the outcome any more: what has not begun need not be
	 * done. Or NULL. */
	const atomic_bool *given_up;
	/* Takes what is to be let go of when the request is answered, since that takes
	 * long. NULL: nobody waits. */
	struct native_file **last;
};

static inline bool caller_has_given_up(const struct caller *caller)
{
	return caller && caller->given_up && atomic_load(caller->given_up);
}

/* Which of a caller's supplementary groups can decide what it may do. */
enum caller_groups {
	GROUPS_NONE,
	GROUPS_NUMBERED, /* those that have a number in the user namespace of the process
			  */
	GROUPS_ALL,      /* others as well */
};

/* Whose acts are counted as @caller's (NULL: the process itself). */
static inline uid_t caller_uid(const struct caller *caller)
{
	return caller ? caller->uid : 0;
}

/* What a thread has to take back when it leaves the caller. */
struct caller_guard {
	bool ids;    /* protected by nothing: lives on its thread's stack */
	bool groups; /* likewise */
	bool less;   /* likewise: capabilities are not all effective */
};

/*
 * To be called once, before the process has threads: as root the process gives up its own
 * supplementary groups, so that none of them can ever decide for a caller, and tries how
 * it is to act as one. Returns 0 or a negative errno: -ENOTRECOVERABLE where a thread
 * that acts as a caller would keep rights of the process.
 */
int caller_init(void);

/*
 * Whether @caller (NULL: the process itself) is root and has @capability (of those that
 * it is lent, by its number in linux/capability.h).
 */
bool caller_has(const struct caller *caller, unsigned int capability);

/* Whether callers other than the process's own user, and root, are served. */
bool caller_serves_all(void);
/* Whether there are other users than root in the user namespace of the process. */
bool caller_knows_others(void);

/*
 * Whether @caller (NULL: the process itself) is a member of @group, by its effective
 * group or a supplementary one; false where those cannot be read.
 */
bool caller_is_in(const struct caller *caller, gid_t group);

/*
 * Whether the thread that asks is at its end by a signal; false where that cannot be
 * seen.
 */
bool caller_is_killed(const struct caller *caller);

/*
 * In a user namespace the kernel shows one number for all users, and for all groups, that
 * have none there: nobody knows who they are. caller_hides() is whether there can be
 * such; caller_group_hides() whether @group is that number, and caller_owns() whether
 * @caller surely is @owner.
 */
bool caller_hides(void);
bool caller_group_hides(gid_t group);
bool caller_owns(const struct caller *caller, uid_t owner);

/*
 * caller_enter() - take the effective ids of a caller, on this thread only
 * @caller:	who asks, or NULL for the process itself: then nothing changes
 * @groups:	which of the caller's supplementary groups can decide; for root, whose
 *		capabilities are not known yet, of interest only where caller_hides()
 * @guard:	what caller_leave() needs; declare it with _as_caller_
 *
 * A process that cannot become others serves its own user, and root; others get -EACCES.
 * Root as a caller is lent the capabilities of root's process, but for those that it does
 * not have itself; then its groups decide as others' do.
 *
 * Return: 0, or a negative errno: then nothing is switched. -EACCES where the groups
 * decide and cannot be read, or have no number.
 */
int caller_enter(const struct caller *caller, enum caller_groups groups,
		 struct caller_guard *guard);

/* Takes the process's own ids back. It cannot fail: a process that could not would abort.
 */
void caller_leave(struct caller_guard *guard);

/*
 * Gives this thread the umask of @caller (NULL: none), for what it creates until the next
 * call: every creation calls it first. Returns the mode to create with: @mode, from which
 * the umask is taken already where a thread can have none of its own.
 */
mode_t caller_umask(const struct caller *caller, mode_t mode);

#define _as_caller_ _cleanup_(caller_leave)
