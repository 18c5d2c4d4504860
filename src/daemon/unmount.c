/* SPDX-License-Identifier: MIT */
/*
 * fuse_session_unmount() runs programs: umount(8) for root, where there is
 * /run/mount/utab, and fusermount3 for others, which gets no power from its set-user-ID
 * bit once that is given up. And it goes by the path, which may lead elsewhere by now:
 * users can rename directories of theirs that a mount point of root's lies in. So this is
 * done here, and to fuse_session_unmount() it looks as if somebody else had.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/unmount.h"
#include "util/cleanup.h"

/*
 * The helper
 */

/* What it would keep open others may wait for the end of. */
static void let_go(int order)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			_exit(1);
	if (dup2(order, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0)
		_exit(1);
	close_range(4, ~0U, 0);
	if (chdir("/") < 0)
		_exit(1);
}

static _Noreturn void help(const char *mountpoint, int order)
{
	ssize_t n;
	char byte;

	let_go(order);
	prctl(PR_SET_NAME, "shmfs-unmount");
	do
		n = read(3, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		execlp("fusermount3", "fusermount3", "-u", "-q", "-z", "--", mountpoint,
		       NULL);
	_exit(n == 0 ? 0 : 1);
}

/*
 * Forks with all signals blocked, from the first moment on: the helper ends with the
 * daemon, and by nothing that is meant for that.
 */
static pid_t fork_deaf(void)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int start_helper(struct unmount *u)
{
	_cleanup_close_ int read_end = -1;
	_cleanup_close_ int write_end = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1];
	u->helper = fork_deaf();
	if (u->helper < 0) {
		u->helper = 0;
		return -errno;
	}
	if (u->helper == 0)
		help(u->mountpoint, read_end);
	u->order = take_fd(&write_end);
	return 0;
}

/* Orders the helper to unmount, or without an order lets it end. */
static int end_helper(struct unmount *u, bool order)
{
	int status = 0;

	if (!u->helper)
		return -EPERM;
	if (order && write(u->order, "", 1) != 1)
		order = false;
	u->order = close_fd(u->order);
	while (waitpid(u->helper, &status, 0) < 0 && errno == EINTR)
		;
	u->helper = 0;
	return order && status == 0 ? 0 : -EPERM;
}

int unmount_init(struct unmount *u, const char *mountpoint)
{
	*u = (struct unmount){ .mountpoint = mountpoint, .order = -1 };
	return geteuid() == 0 ? 0 : start_helper(u);
}

void unmount_done(struct unmount *u)
{
	end_helper(u, false);
}

/*
 * The mount
 */

/* How often to try to have a descriptor, and the time between. */
#define DESCRIPTOR_TRIES 100
#define DESCRIPTOR_NS    10000000

/* What is on the mount point now, opened. The machine may be short of open files. */
static int open_mountpoint(const struct unmount *u)
{
	const struct timespec moment = { .tv_nsec = DESCRIPTOR_NS };
	int fd = -ENFILE;

	for (int i = 0; i < DESCRIPTOR_TRIES && fd == -ENFILE; i++) {
		if (i > 0)
			nanosleep(&moment, NULL);
		fd = errno_or(open(u->mountpoint,
				   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	}
	return fd;
}

/* Likewise, and which it is. That is not asked for, who would answer it? */
static int look(const struct unmount *u, struct statx *ret)
{
	_cleanup_close_ int fd = open_mountpoint(u);

	if (fd < 0)
		return fd;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, ret) < 0)
		return -errno;
	return take_fd(&fd);
}

int unmount_mounted(struct unmount *u, const struct place *place, char **path)
{
	int r = mountpoint_device(place, path, &u->major, &u->minor);

	u->mountpoint = *path;
	u->mounted = true;
	return r;
}

/*
 * Unmounts what is on the mount point, if it is ours. Force aborts the connection: a
 * thread that tells the kernel of a change keeps the device open while it waits for the
 * directory, which somebody holds whose request we do not answer any more.
 */
static int unmount_own(struct unmount *u)
{
	struct statx x;
	_cleanup_close_ int fd = look(u, &x);
	char path[32];
	int r;

	if (fd < 0)
		return fd;
	if (x.stx_dev_major != u->major || x.stx_dev_minor != u->minor)
		return -ESTALE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = errno_or(umount2(path, MNT_FORCE | MNT_DETACH));
	/* Root of a user namespace may not force. */
	return r == -EPERM ? errno_or(umount2(path, MNT_DETACH)) : r;
}

void unmount_abort(const struct unmount *u)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", u->minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : write(fd, "1", 1);
	(void)n; /* where it is not to be had, requests fail with the last descriptor */
}

/* Somebody has unmounted it. */
static bool is_gone(int fd)
{
	struct pollfd device = { .fd = fd };

	return poll(&device, 1, 0) == 1 && device.revents & POLLERR;
}

/* In its place comes what looks like the device of a file system that is gone. */
static int close_device(int fd)
{
	_cleanup_close_ int write_end = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	write_end = ends[1];
	close(ends[0]);
	return dup3(write_end, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

void unmount_session(struct unmount *u, struct fuse_session *session)
{
	int fd = fuse_session_fd(session);
	bool gone = is_gone(fd);
	int r;

	if (!u->mounted)
		return;
	/* Requests that nobody will answer fail now, so that nothing waits for them. */
	r = close_device(fd);
	if (r == 0 && !gone) {
		r = unmount_own(u);
		if (r == -EPERM) {
			unmount_abort(u);
			r = end_helper(u, true);
		}
	}
	if (r < 0)
		log_error("'%s' is not unmounted: %s", u->mountpoint, strerror(-r));
	fuse_session_unmount(session);
	u->mounted = false;
}
