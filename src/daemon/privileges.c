/* SPDX-License-Identifier: MIT */
/*
 * The capabilities, with libcap-ng, which is made for exactly this. Threads that act as a
 * caller keep them permitted, as they keep root's real user id, but none is effective
 * then: the kernel gives and takes that with the effective user id.
 */
#include <cap-ng.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/privileges.h"

/*
 * Needed by ourselves, or by root as a caller of native calls that we make for it. The
 * list is that of SECURITY.md.
 */
static const struct {
	unsigned int capability;
	const struct kind_ops *kind; /* NULL: any */
} kept[] = {
	{ CAP_CHOWN, &kind_posix },        /* root's chown */
	{ CAP_DAC_OVERRIDE, &kind_posix }, /* root's access */
	{ CAP_FOWNER, &kind_posix },       /* root's chmod and utimes, and what root
					      removes from a sticky directory */
	{ CAP_IPC_OWNER, &kind_sysv },     /* root's access to segments */
	{ CAP_SETGID, NULL },              /* to become the caller */
	{ CAP_SETUID, NULL },              /* likewise */
	{ CAP_SYS_ADMIN, NULL },           /* backing files, the files behind segments,
					      root's IPC_SET and IPC_RMID, its trusted.*
					      attributes, and to unmount */
};

#define KEPT (sizeof(kept) / sizeof(kept[0]))

static bool is_kept(size_t i, const struct kind_ops *kind)
{
	return capng_have_capability(CAPNG_PERMITTED, kept[i].capability) &&
	       (!kept[i].kind || kind_has(kind, kept[i].kind));
}

/* What there is of @kind's in the process becomes all there is in it. */
static void choose(const struct kind_ops *kind)
{
	bool keep[KEPT];

	for (size_t i = 0; i < KEPT; i++)
		keep[i] = is_kept(i, kind);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < KEPT; i++)
		if (keep[i])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED |
					     CAPNG_BOUNDING_SET,
				     kept[i].capability);
}

int privileges_drop(const struct kind_ops *kind)
{
	bool bounds;

	if (capng_get_caps_process() < 0)
		return -errno;
	bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	choose(kind);
	/* Who cannot lower them has nothing that he could raise within them. */
	if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return -EPERM;
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/*
 * Limits on files hold for the caller, in whose process the kernel has looked at them; a
 * limit that the daemon was started with would be everybody's, and its end.
 */
static int unlimit_files(void)
{
	struct rlimit limit;

	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return -errno;
	limit.rlim_cur = RLIM_INFINITY;
	if (limit.rlim_max == RLIM_INFINITY)
		return setrlimit(RLIMIT_FSIZE, &limit) < 0 ? -errno : 0;
	limit.rlim_max = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) == 0)
		return 0;
	/* Without root it is the user's own wish. */
	return errno == EPERM ? 0 : -errno;
}

/*
 * To be dumpable comes back when a thread changes its ids, where fs.suid_dumpable says
 * so, hence the limit. Of 0 the kernel takes no notice where cores go to a program, but
 * of 1 it does, and no core is as small as that.
 */
static int hide_memory(void)
{
	const struct rlimit no_core = { .rlim_cur = 1, .rlim_max = 1 };
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };

	if (setrlimit(RLIMIT_CORE, &no_core) < 0 && setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

/*
 * A user may start it with capabilities. It would lend them to all processes of that
 * user, for whom it acts without becoming anybody. fusermount3 has rights of its own.
 */
static int drop_users_own(void)
{
	if (geteuid() == 0)
		return 0;
	capng_clear(CAPNG_SELECT_CAPS);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int privileges_prepare(void)
{
	int r = unlimit_files();

	umask(0);
	if (r == 0)
		r = drop_users_own();
	return r < 0 ? r : hide_memory();
}
