/* SPDX-License-Identifier: MIT */
/*
 * Credentials are a thread's own in the kernel; it is glibc that spreads set*id() to all
 * threads of the process. So the raw system calls are used. Only the effective ids
 * change: with the real and saved ids left alone, the caller can neither signal nor trace
 * the thread that works for it, and the permitted capabilities survive to be effective
 * again.
 */
#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native/caller.h"

/* Most callers are in a few groups; the kernel's limit is 65536. */
#define GROUPS_USUAL 64

static struct {
	uid_t uid;
	gid_t gid;
	bool privileged;
} self = { 0, 0, false }; /* written by caller_init() alone */

int caller_init(void)
{
	self.uid = geteuid();
	self.gid = getegid();
	self.privileged = self.uid == 0;
	if (!self.privileged || setgroups(0, NULL) == 0)
		return 0;
	/* Root of a user namespace that may not set groups cannot become anybody else. */
	self.privileged = false;
	return errno == EPERM ? 0 : -errno;
}

bool caller_serves_all(void)
{
	return self.privileged;
}

static int set_groups(size_t n, const gid_t *groups)
{
	return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
}

static int set_gid(gid_t gid)
{
	return syscall(SYS_setresgid, -1, gid, -1) < 0 ? -errno : 0;
}

static int set_uid(uid_t uid)
{
	return syscall(SYS_setresuid, -1, uid, -1) < 0 ? -errno : 0;
}

/* The groups of @caller: in @usual where they fit, or in *@ret_many, to be freed. */
static int read_groups(const struct caller *caller, gid_t usual[GROUPS_USUAL],
		       gid_t **ret_many)
{
	int n, space;

	n = caller->groups ? caller->groups(caller->context, GROUPS_USUAL, usual)
			   : -ENOSYS;
	if (n <= GROUPS_USUAL)
		return n;
	space = n;
	*ret_many = calloc((size_t)space, sizeof(**ret_many));
	if (!*ret_many)
		return -ENOMEM;
	n = caller->groups(caller->context, (size_t)space, *ret_many);
	return n > space ? space : n;
}

static int enter_groups(const struct caller *caller)
{
	_cleanup_free_ gid_t *many = NULL;
	gid_t usual[GROUPS_USUAL];
	int n = read_groups(caller, usual, &many);

	if (n == -ENOMEM)
		return n;
	/* Without the groups that decide nobody can say yes. */
	return n < 0 ? -EACCES : set_groups((size_t)n, many ? many : usual);
}

bool caller_is_in(const struct caller *caller, gid_t group)
{
	_cleanup_free_ gid_t *many = NULL;
	gid_t usual[GROUPS_USUAL];
	int n;

	/* The process has only those of its own user, if it is not root. */
	if (!caller || !self.privileged)
		return group == getegid() || group_member(group);
	if (caller->gid == group)
		return true;
	n = read_groups(caller, usual, &many);
	for (int i = 0; i < n; i++)
		if ((many ? many : usual)[i] == group)
			return true;
	return false;
}

int caller_enter(const struct caller *caller, bool groups, struct caller_guard *guard)
{
	int r;

	*guard = (struct caller_guard){ false, false };
	if (!caller)
		return 0;
	/* Who cannot become the caller must not lend his own rights to others. */
	if (!self.privileged)
		return caller->uid == self.uid || caller->uid == 0 ? 0 : -EACCES;
	/* Root's rights come from its capabilities, not from groups. */
	if (caller->uid == self.uid && caller->gid == self.gid)
		return 0;
	if (groups && caller->uid != 0) {
		r = enter_groups(caller);
		if (r < 0)
			return r;
		guard->groups = true;
	}
	guard->ids = true;
	r = set_gid(caller->gid);
	if (r == 0)
		r = set_uid(caller->uid);
	if (r < 0)
		caller_leave(guard);
	return r;
}

void caller_leave(struct caller_guard *guard)
{
	int saved = errno;

	/* To go on with somebody else's identity is the one thing that must never happen.
	 */
	if (guard->ids && (set_uid(self.uid) < 0 || set_gid(self.gid) < 0))
		abort();
	if (guard->groups && set_groups(0, NULL) < 0)
		abort();
	*guard = (struct caller_guard){ false, false };
	errno = saved;
}
