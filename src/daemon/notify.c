/* SPDX-License-Identifier: MIT */
/*
 * A notification takes kernel locks that are held while requests wait for us, so it is
 * never sent by a thread that serves requests, and no lock of ours is held.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "daemon/demand.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* Of protocol 7.40 and 7.44; the header at hand may be older. */
#define WIRE_NOTIFY_RESEND    7
#define WIRE_NOTIFY_INC_EPOCH 8

/* Longer than any name: nothing is ever called so. */
#define NO_NAME_LENGTH 256

/* Tells what has no arguments. */
static int tell(struct fuse_session *session, int what)
{
	const struct fuse_out_header out = { .len = sizeof(out), .error = what };
	ssize_t n = write(fuse_session_fd(session), &out, sizeof(out));

	return n < 0 ? -errno : 0;
}

/* Makes the kernel look up every name again. libfuse has that only since 3.18. */
static int forget_all_names(struct fuse_session *session)
{
	return tell(session, WIRE_NOTIFY_INC_EPOCH);
}

int notify_resend(struct fuse_session *session)
{
	return tell(session, WIRE_NOTIFY_RESEND);
}

/*
 * When changes were lost all names must go, those too of which only the kernel knows.
 * Where it cannot do that (before Linux 6.16) they must go by themselves; and where it
 * may take in an answer after it was told that the name changed.
 */
double notify_name_timeout(struct fuse_session *session, bool waits)
{
	return forget_all_names(session) < 0 || !waits ? 1 : NOTIFY_KEEP;
}

/* One of the file systems, for the thread. */
struct watched {
	struct notify *n;
	struct fs *fs;
	uint64_t root; /* its directory, as the kernel knows it */
	int more; /* 1: there is more to tell; a negative errno: nothing ever again */
};

static void forget_name(void *context, const char *name)
{
	const struct watched *w = context;

	/* -ENOENT: the kernel did not know the name. Other errors end the session
	 * elsewhere. */
	fuse_lowlevel_notify_inval_entry(w->n->session, w->root, name, strlen(name));
}

static int forget_removed(struct watched *w)
{
	char name[256];
	int r;

	while ((r = fs_removed(w->fs, name)) > 0)
		forget_name(w, name);
	if (r == -EOVERFLOW)
		fs_sweep(w->fs, forget_name, w);
	return 0;
}

/* The kernel keeps names and attributes only where a file system is by itself: then these
 * are its own numbers. */
static void tell_node(void *context, uint64_t node)
{
	const struct watched *w = context;

	/* The pages of the directory are its listings. */
	fuse_lowlevel_notify_inval_inode(w->n->session, node, node == FS_ROOT ? 0 : -1,
					 0);
}

static void tell_names(void *context)
{
	const struct watched *w = context;

	forget_all_names(w->n->session);
}

void notify_look(struct fuse_session *session, uint64_t directory)
{
	char no_name[NO_NAME_LENGTH + 1];

	memset(no_name, '-', NO_NAME_LENGTH);
	no_name[NO_NAME_LENGTH] = '\0';
	fuse_lowlevel_notify_inval_entry(session, directory, no_name, NO_NAME_LENGTH);
}

/* That is all of it where kernel_waits_for_answers(). */
static void settle(void *context)
{
	const struct watched *w = context;

	notify_look(w->n->session, w->root);
}

static int tell_changes(struct watched *w)
{
	const struct fs_listener listener = {
		.name = forget_name,
		.node = tell_node,
		.names = tell_names,
		.settle = settle,
		.context = w,
	};

	return fs_tell_changes(w->fs, &listener);
}

/*
 * Without the watch what is kept would be kept for long: rather end, as by a signal, but
 * not as if that had been asked for.
 */
static int see_changes(struct watched *w)
{
	int r = tell_changes(w);

	if (r < 0) {
		log_error("%s: the watch on the objects has failed", strerror(-r));
		w->n->error = r;
		kill(getpid(), SIGTERM);
	}
	return r;
}

/*
 * Whoever changes without a pause shall not keep a processor busy with us: a rest of
 * three times what the work took, and a little, lets changes of the same gather. Who
 * changes seldom does not meet it.
 */
#define REST        3
#define REST_MIN_NS (50 * 1000)
#define REST_MAX_NS (2 * 1000 * 1000)

/* Waits until the time @until, or until we are to stop. */
static void rest(const struct notify *n, uint64_t until)
{
	struct pollfd stop = { .fd = n->stop, .events = POLLIN };
	uint64_t now = clock_ns();
	struct timespec timeout = { .tv_nsec = (long)(until - now) };

	if (now < until)
		(void)ppoll(&stop, 1, &timeout, NULL);
}

/* Tells what changed. Returns 1 where there is more, 0, or a negative errno. */
static int work(struct watched *w, uint64_t *rest_until)
{
	uint64_t begin, needed;
	int r;

	rest(w->n, *rest_until);
	begin = clock_ns();
	r = see_changes(w);
	needed = (clock_ns() - begin) * REST + REST_MIN_NS;
	*rest_until = clock_ns() + (needed < REST_MAX_NS ? needed : REST_MAX_NS);
	return r;
}

/* Does what @fds, its timer and its watch, ask for. Returns whether there is more. */
static bool attend(struct watched *w, struct pollfd fds[2], uint64_t *rest_until)
{
	if (fds[0].revents)
		fs_expire(w->fs);
	if (w->more > 0 || fds[1].revents)
		w->more = w->n->keeps ? work(w, rest_until) : forget_removed(w);
	if (w->more < 0)
		fds[1].fd = -1;
	return w->more > 0;
}

static void *run(void *data)
{
	struct notify *n = data;
	struct pollfd fds[1 + 2 * TREE_MAX] = { { .fd = n->stop, .events = POLLIN } };
	struct watched all[TREE_MAX];
	uint64_t rest_until = 0;
	bool more = n->lost;

	for (unsigned int i = 0; i < n->tree->n; i++) {
		struct fs *fs = n->tree->fs[i];

		all[i] = (struct watched){ n, fs, tree_root(i), n->lost };
		fds[1 + 2 * i] = (struct pollfd){ fs_timer(fs), POLLIN, 0 };
		fds[2 + 2 * i] = (struct pollfd){ fs_watch(fs), POLLIN, 0 };
	}
	/* Before anything that may hold it up: by that name the keeper knows it. */
	prctl(PR_SET_NAME, NOTIFY_THREAD);
	/* The rest is short. */
	prctl(PR_SET_TIMERSLACK, 1);
	/* poll() leaves out what has no descriptor. */
	while (poll(fds, 1 + 2 * n->tree->n, more ? 0 : -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			break;
		more = false;
		for (unsigned int i = 0; i < n->tree->n; i++)
			more |= attend(&all[i], &fds[1 + 2 * i], &rest_until);
	}
	return NULL;
}

int notify_start(struct notify *n, struct fuse_session *session, const struct tree *tree,
		 bool keeps, bool lost)
{
	sigset_t all, before;
	int r;

	*n = (struct notify){
		.session = session, .tree = tree, .keeps = keeps, .lost = lost
	};
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

/* Answers what is there of requests, as the kernel does a moment later: nobody is left to
 * serve what may wait for a user. */
static void refuse_pending(struct fuse_session *session)
{
	struct fuse_buf buf = { .mem = NULL };

	while (fuse_session_receive_buf(session, &buf) > 0) {
		const struct demand d = demand_of(&buf);

		if (d.class == DEMAND_NOTHING)
			fuse_session_process_buf(session, &buf);
		else
			demand_answer(&d, fuse_session_fd(session), -ECONNABORTED);
	}
	free(buf.mem);
}

/* For how long: it may wait natively for the directory, which a user can keep busy. */
#define STOP_NS (UINT64_C(1) * 1000 * 1000 * 1000)

int notify_stop(struct notify *n)
{
	int fd = fuse_session_fd(n->session);
	uint64_t last = clock_ns() + STOP_NS;
	uint64_t one = 1;

	while (write(n->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fuse_session_reset(n->session);
	for (;;) {
		struct timespec until = clock_in(CLOCK_REALTIME, 10 * 1000 * 1000);

		if (pthread_timedjoin_np(n->thread, NULL, &until) == 0)
			break;
		if (clock_ns() > last)
			return -ETIMEDOUT;
		refuse_pending(n->session);
	}
	n->stop = close_fd(n->stop);
	return n->error;
}
