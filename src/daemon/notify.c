/* SPDX-License-Identifier: MIT */
/*
 * A notification takes kernel locks that are held while requests wait for us, so it is
 * never sent by a thread that serves requests, and no lock of ours is held.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "daemon/notify.h"
#include "util/cleanup.h"
#include "util/clock.h"

static void forget_name(void *context, const char *name)
{
	struct notify *n = context;

	/* -ENOENT: the kernel did not know the name. Other errors end the session
	 * elsewhere. */
	fuse_lowlevel_notify_inval_entry(n->session, FUSE_ROOT_ID, name, strlen(name));
}

static void forget_removed(struct notify *n)
{
	char name[256];
	int r;

	while ((r = fs_removed(n->fs, name)) > 0)
		forget_name(n, name);
	if (r == -EOVERFLOW)
		fs_sweep(n->fs, forget_name, n);
}

static void *run(void *data)
{
	struct notify *n = data;
	struct pollfd fds[] = {
		{ .fd = n->stop, .events = POLLIN },
		{ .fd = fs_timer(n->fs), .events = POLLIN },
		{ .fd = fs_watch(n->fs), .events = POLLIN },
	};

	/* poll() leaves out what has no descriptor. */
	while (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			fs_expire(n->fs);
		if (fds[2].revents)
			forget_removed(n);
	}
	return NULL;
}

int notify_start(struct notify *n, struct fuse_session *session, struct fs *fs)
{
	sigset_t all, before;
	int r;

	*n = (struct notify){ .session = session, .fs = fs };
	n->stop = eventfd(0, EFD_CLOEXEC);
	if (n->stop < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&n->thread, NULL, run, n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		n->stop = close_fd(n->stop);
	return -r;
}

/* Serves what is there of requests, without waiting for more. */
static void serve_pending(struct fuse_session *session)
{
	struct fuse_buf buf = { .mem = NULL };

	while (fuse_session_receive_buf(session, &buf) > 0)
		fuse_session_process_buf(session, &buf);
	free(buf.mem);
}

void notify_stop(struct notify *n, const char *mountpoint)
{
	int fd = fuse_session_fd(n->session);
	uint64_t one = 1;
	int tries = 0;

	while (write(n->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fuse_session_reset(n->session);
	for (;;) {
		struct timespec until = clock_in(CLOCK_REALTIME, 10 * 1000 * 1000);

		if (pthread_timedjoin_np(n->thread, NULL, &until) == 0)
			break;
		serve_pending(n->session);
		/* libfuse's loop may drop a request as it ends: somebody waits forever
		 * then. */
		if (++tries == 100)
			umount2(mountpoint, MNT_FORCE);
	}
	n->stop = close_fd(n->stop);
}
