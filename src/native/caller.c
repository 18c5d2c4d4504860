/* SPDX-License-Identifier: MIT */
/*
 * Credentials are a thread's own in the kernel; it is glibc that spreads set*id() to all
 * threads of the process. So the raw system calls are used. Only the effective ids
 * change: with the real and saved ids left alone, the caller can neither signal nor trace
 * the thread that works for it, and the permitted capabilities survive to be effective
 * again.
 *
 * Root may have given capabilities up, or been started without, as in most containers.
 * Its request waits while we act, so what the kernel says of the thread that made it
 * holds as long; and nothing is done any more for a request that was given up. It costs
 * one system call, and nothing of it can be out of date.
 *
 * The umask decides only where the directory has no default access control list, which
 * only the kernel knows without a race. So a thread that creates has its caller's umask.
 * Threads share one until they unshare it, at their first creation; after that a creation
 * costs a system call only where the umask is not that of the one before.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native/caller.h"
#include "native/proc.h"

/* Most callers are in a few groups; the kernel's limit is 65536. */
#define GROUPS_USUAL 64

/* Where there are two, the other one takes numbers of 16 bits. */
#ifndef SYS_setgroups32
#define SYS_setgroups32 SYS_setgroups
#define SYS_getgroups32 SYS_getgroups
#define SYS_setresuid32 SYS_setresuid
#define SYS_setresgid32 SYS_setresgid
#define SYS_geteuid32   SYS_geteuid
#define SYS_getegid32   SYS_getegid
#endif

static struct {
	uid_t uid;
	gid_t gid;
	bool privileged; /* it can become its callers */
	bool hides;      /* there may be users and groups without a number, shown as: */
	uid_t no_uid;
	gid_t no_gid;
} self = { .privileged = false }; /* written by caller_init() alone */

bool caller_serves_all(void)
{
	return self.privileged;
}

/* What root as a caller may need of the process's. */
#define LENT                                                           \
	(1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | \
	 1u << CAP_IPC_OWNER | 1u << CAP_SYS_ADMIN)

/* The sets of version 3: those above are in the first of two. */
struct capabilities {
	struct __user_cap_data_struct of[2];
};

/* Those of @thread, 0: of this one. */
static int get_capabilities(pid_t thread, struct capabilities *ret)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, thread };

	*ret = (struct capabilities){ 0 };
	return syscall(SYS_capget, &header, ret->of) < 0 ? -errno : 0;
}

/* Makes those effective that are permitted, but for @less. */
static int set_capabilities(uint32_t less)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct capabilities own;
	int r = get_capabilities(0, &own);

	if (r < 0)
		return r;
	own.of[0].effective = own.of[0].permitted & ~less;
	own.of[1].effective = own.of[1].permitted;
	return syscall(SYS_capset, &header, own.of) < 0 ? -errno : 0;
}

/* Of what is lent, what root as a caller does not have itself. */
static uint32_t lacks(const struct caller *caller)
{
	struct capabilities its;

	if (caller->thread <= 0 || get_capabilities(caller->thread, &its) < 0)
		return LENT;
	return LENT & ~(caller->permitted ? its.of[0].permitted : its.of[0].effective);
}

bool caller_has(const struct caller *caller, unsigned int capability)
{
	if (!caller || self.uid != 0)
		return true;
	return caller->uid == 0 && !(lacks(caller) & 1u << capability);
}

static int set_groups(size_t n, const gid_t *groups)
{
	return syscall(SYS_setgroups32, n, groups) < 0 ? -errno : 0;
}

static int set_gid(gid_t gid)
{
	return syscall(SYS_setresgid32, -1, gid, -1) < 0 ? -errno : 0;
}

static int set_uid(uid_t uid)
{
	return syscall(SYS_setresuid32, -1, uid, -1) < 0 ? -errno : 0;
}

bool caller_hides(void)
{
	return self.hides;
}

bool caller_group_hides(gid_t group)
{
	return self.hides && group == self.no_gid;
}

bool caller_owns(const struct caller *caller, uid_t owner)
{
	return caller->uid == owner && !(self.hides && owner == self.no_uid);
}

/* Takes those without a number out of the @n groups in @list; returns how many are left.
 */
static int drop_hidden(gid_t *list, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++)
		if (!caller_group_hides(list[i]))
			list[left++] = list[i];
	return left;
}

/* The supplementary groups of a caller. */
struct groups {
	gid_t usual[GROUPS_USUAL];
	gid_t *many; /* where they are more, else NULL */
	int n;
	bool hidden; /* there are others, without a number */
};

static gid_t *list_of(struct groups *g)
{
	return g->many ? g->many : g->usual;
}

static void cleanup_groups(struct groups *g)
{
	free(g->many);
}

static int read_groups(const struct caller *caller, struct groups *ret)
{
	int n, space = GROUPS_USUAL;

	ret->many = NULL;
	n = caller->groups ? caller->groups(caller->context, GROUPS_USUAL, ret->usual)
			   : -ENOSYS;
	if (n > GROUPS_USUAL) {
		space = n;
		ret->many = calloc((size_t)space, sizeof(*ret->many));
		if (!ret->many)
			return -ENOMEM;
		n = caller->groups(caller->context, (size_t)space, ret->many);
	}
	if (n < 0)
		return n;
	n = n > space ? space : n;
	ret->n = self.hides ? drop_hidden(list_of(ret), n) : n;
	ret->hidden = ret->n < n;
	return 0;
}

static int enter_groups(const struct caller *caller, enum caller_groups which)
{
	_cleanup_(cleanup_groups) struct groups g;
	int r = read_groups(caller, &g);

	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	/* Without the groups that decide nobody can say yes. */
	if (r < 0 || (g.hidden && which == GROUPS_ALL))
		return -EACCES;
	return set_groups((size_t)g.n, list_of(&g));
}

bool caller_is_in(const struct caller *caller, gid_t group)
{
	_cleanup_(cleanup_groups) struct groups g = { .many = NULL };

	/* The process has only those of its own user, if it is not root. */
	if (!caller || !self.privileged)
		return group == getegid() || group_member(group);
	if (caller->gid == group)
		return true;
	if (read_groups(caller, &g) < 0)
		return false;
	for (int i = 0; i < g.n; i++)
		if (list_of(&g)[i] == group)
			return true;
	return false;
}

/* What /proc tells of @thread in @file: how many bytes, without an end mark, or -errno.
 */
static ssize_t read_proc(pid_t thread, const char *file, char *ret, size_t size)
{
	_cleanup_close_ int fd = proc_open(thread, file);

	return fd < 0 ? fd : errno_or(read(fd, ret, size));
}

/* A set of signals of /proc/PID/status. */
static uint64_t signals(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

/* Signals stay pending when a process dies of them, but those that dump core. */
static bool is_dying(const char *status)
{
	uint64_t pending = signals(status, "\nSigPnd:") | signals(status, "\nShdPnd:");
	/* What is ignored by default, or stops a process, does not kill it. */
	uint64_t harmless = 1u << (SIGCHLD - 1) | 1u << (SIGCONT - 1) |
			    1u << (SIGURG - 1) | 1u << (SIGWINCH - 1) |
			    1u << (SIGSTOP - 1) | 1u << (SIGTSTP - 1) |
			    1u << (SIGTTIN - 1) | 1u << (SIGTTOU - 1);

	return pending & ~harmless & ~signals(status, "\nSigBlk:") &
	       ~signals(status, "\nSigIgn:") & ~signals(status, "\nSigCgt:");
}

/*
 * The kernel shows how a thread ends, in the last word of its status, to those who may
 * trace it. The daemon may not, but its user may; of root nobody may who has less
 * capabilities, and then the signals have to do.
 */
bool caller_is_killed(const struct caller *caller)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	char text[4096] = "";
	const char *last;

	if (!caller || caller->thread <= 0)
		return false;
	if (read_proc(caller->thread, "status", text, sizeof(text) - 1) > 0 &&
	    is_dying(text))
		return true;
	memset(text, 0, sizeof(text));
	if (caller_enter(caller, GROUPS_NONE, &guard) < 0 ||
	    read_proc(caller->thread, "stat", text, sizeof(text) - 1) <= 0)
		return false;
	last = strrchr(text, ' ');
	return last && WTERMSIG(atoi(last)) != 0;
}

/* Whether @caller has no rights but by capabilities that are the process's own, too. */
static bool is_self(const struct caller *caller, uint32_t less)
{
	return caller->uid == self.uid && caller->gid == self.gid && !less;
}

static int enter(const struct caller *caller, enum caller_groups groups, uint32_t less,
		 struct caller_guard *guard)
{
	int r = 0;

	if (groups != GROUPS_NONE)
		r = enter_groups(caller, groups);
	if (r < 0)
		return r;
	guard->groups = groups != GROUPS_NONE;
	guard->ids = self.privileged;
	if (guard->ids)
		r = set_gid(caller->gid);
	if (guard->ids && r == 0)
		r = set_uid(caller->uid);
	if (r < 0 || !less)
		return r;
	guard->less = true;
	return set_capabilities(less);
}

int caller_enter(const struct caller *caller, enum caller_groups groups,
		 struct caller_guard *guard)
{
	uint32_t less;
	int r;

	*guard = (struct caller_guard){ .ids = false };
	if (!caller)
		return 0;
	/* Who cannot become the caller must not lend his own rights to others. */
	if (!self.privileged && caller->uid != self.uid && caller->uid != 0)
		return -EACCES;
	less = self.uid == 0 && caller->uid == 0 ? lacks(caller) : 0;
	if (is_self(caller, less) || (!self.privileged && !less))
		return 0;
	/* Root's rights come from its capabilities, not from groups, while it has them.
	 */
	if (caller->uid == 0 && !(less && caller->groups && self.privileged))
		groups = GROUPS_NONE;
	else if (caller->uid == 0 && !self.hides)
		groups = GROUPS_NUMBERED;
	r = enter(caller, groups, less, guard);
	/* Once the request is answered its caller may be gone, and what was just read of
	 * it that of somebody else. */
	if (r == 0 && caller_has_given_up(caller))
		r = -EBUSY;
	if (r < 0)
		caller_leave(guard);
	return r;
}

void caller_leave(struct caller_guard *guard)
{
	int saved = errno;

	/* To go on with somebody else's identity is the one thing that must never happen.
	 */
	if (guard->less && set_capabilities(0) < 0)
		abort();
	if (guard->ids && (set_uid(self.uid) < 0 || set_gid(self.gid) < 0))
		abort();
	if (guard->groups && set_groups(0, NULL) < 0)
		abort();
	*guard = (struct caller_guard){ .ids = false };
	errno = saved;
}

mode_t caller_umask(const struct caller *caller, mode_t mode)
{
	static _Thread_local bool own;
	static _Thread_local mode_t now;
	mode_t wanted = caller ? caller->umask : 0;

	if (own && now == wanted)
		return mode;
	/* As in a container whose filter lets nobody unshare. */
	if (!own && unshare(CLONE_FS) < 0)
		return mode & ~wanted;
	umask(wanted);
	own = true;
	now = wanted;
	return mode;
}

/*
 * The beginning
 */

/* A user or a group other than root that @map has, or 0 where it has none. */
static unsigned int anybody(const char *map)
{
	unsigned int first, count, found = 0;
	FILE *f = fopen(map, "re");

	while (f && !found && fscanf(f, "%u %*u %u", &first, &count) == 2)
		found = first > 0 ? first : count > 1 ? 1 : 0;
	if (f)
		fclose(f);
	return found;
}

bool caller_knows_others(void)
{
	return anybody("/proc/self/uid_map") != 0;
}

static int one_group(void *context, size_t n, gid_t *ret)
{
	const struct caller *caller = context;

	if (n > 0)
		*ret = caller->gid;
	return 1;
}

/* Whether this thread is what it should be, with all that is permitted but @without. */
static bool thread_is(uid_t uid, gid_t gid, int groups, uint64_t without)
{
	struct capabilities own;

	if ((uid_t)syscall(SYS_geteuid32) != uid ||
	    (gid_t)syscall(SYS_getegid32) != gid ||
	    syscall(SYS_getgroups32, 0, NULL) != groups || get_capabilities(0, &own) < 0)
		return false;
	return own.of[0].effective == (own.of[0].permitted & ~(uint32_t)without) &&
	       own.of[1].effective == (own.of[1].permitted & ~(uint32_t)(without >> 32));
}

/* Acts as @caller, who lacks the capabilities @without, and as itself again. */
static int try_caller(const struct caller *caller, uint64_t without)
{
	struct caller_guard guard;
	bool acts;
	int r = caller_enter(caller, GROUPS_NUMBERED, &guard);

	if (r < 0)
		return r;
	acts = thread_is(caller->uid, caller->gid, 1, without);
	caller_leave(&guard);
	return acts && thread_is(self.uid, self.gid, 0, 0) ? 0 : -ENOTRECOVERABLE;
}

/*
 * The kernel takes the capabilities from a thread that becomes somebody else, but it can
 * be told not to (no_setuid_fixup of the securebits), and a filter of system calls can
 * turn ours into nothing and report success. Nothing would be checked then, so this tries
 * it.
 */
static int verify(void)
{
	struct caller other = {
		.uid = anybody("/proc/self/uid_map"),
		.gid = anybody("/proc/self/gid_map"),
		.groups = one_group,
		.context = &other,
	};
	struct caller root = other;
	int r = 0;

	root.uid = 0;
	root.context = &root;
	if (other.uid != 0)
		r = try_caller(&other, UINT64_MAX);
	return r < 0 ? r : try_caller(&root, LENT);
}

/* Whether @map has a number for everybody. */
static bool is_complete(const char *map)
{
	unsigned int first, outside, count;
	FILE *f = fopen(map, "re");
	bool complete = f && fscanf(f, "%u %u %u", &first, &outside, &count) == 3 &&
			first == 0 && count == UINT32_MAX;

	if (f)
		fclose(f);
	return complete;
}

/* What is shown in place of a number that there is not, as the kernel has it set. */
static unsigned int overflow(const char *path)
{
	unsigned int number = 65534;
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%u", &number) != 1)
		number = 65534;
	if (f)
		fclose(f);
	return number;
}

int caller_init(void)
{
	int r;

	self.hides =
		!is_complete("/proc/self/uid_map") || !is_complete("/proc/self/gid_map");
	self.no_uid = overflow("/proc/sys/kernel/overflowuid");
	self.no_gid = overflow("/proc/sys/kernel/overflowgid");

	self.uid = geteuid();
	self.gid = getegid();
	self.privileged = self.uid == 0;
	if (!self.privileged)
		return 0;
	r = errno_or(setgroups(0, NULL));
	if (r == 0)
		r = verify();
	/* Root cannot become anybody else in a user namespace that may not set groups, or
	 * without the capabilities for it. */
	if (r == -EPERM)
		self.privileged = false;
	return r == -EPERM ? 0 : r;
}
