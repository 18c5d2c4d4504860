/* SPDX-License-Identifier: MIT */
/*
 * libfuse's loop looks whether the session is to end and then sleeps; it is woken from
 * that by a signal to its thread. A signal that comes between the two would be slept
 * over, so it is sent until the loop has ended.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/signals.h"
#include "util/cleanup.h"

/* Milliseconds between two signals to the loop. */
#define AGAIN_MS 1

static int wake_signal(void)
{
	return SIGRTMIN + 1;
}

static void on_wake(int number)
{
	(void)number;
}

static void those_that_end(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
}

int signals_block(void)
{
	struct sigaction wake = { .sa_handler = on_wake }; /* no SA_RESTART */
	sigset_t ending;

	sigemptyset(&wake.sa_mask);
	if (sigaction(wake_signal(), &wake, NULL) < 0)
		return -errno;
	/* Who reads our messages may be gone. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	those_that_end(&ending);
	return -pthread_sigmask(SIG_BLOCK, &ending, NULL);
}

static void *run(void *data)
{
	struct signals *s = data;
	struct pollfd fds[] = {
		{ .fd = s->stop, .events = POLLIN },
		{ .fd = s->ending, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[0].revents)
		return NULL;
	fuse_session_exit(s->session);
	do
		pthread_kill(s->main, wake_signal());
	while (poll(fds, 1, AGAIN_MS) == 0);
	return NULL;
}

static int start_thread(struct signals *s)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int signals_start(struct signals *s, struct fuse_session *session)
{
	sigset_t ending;
	int r;

	those_that_end(&ending);
	*s = (struct signals){
		.session = session,
		.main = pthread_self(),
		.ending = signalfd(-1, &ending, SFD_CLOEXEC),
		.stop = eventfd(0, EFD_CLOEXEC),
	};
	r = s->ending < 0 || s->stop < 0 ? -errno : start_thread(s);
	if (r < 0) {
		close_fd(s->ending);
		close_fd(s->stop);
	}
	return r;
}

void signals_stop(struct signals *s)
{
	uint64_t one = 1;

	while (write(s->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(s->thread, NULL);
	close_fd(s->ending);
	close_fd(s->stop);
}
