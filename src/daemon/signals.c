/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/signals.h"
#include "util/cleanup.h"

/* Milliseconds between two requests to the loop to end. */
#define AGAIN_MS 1

static void those_that_end(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
}

int signals_block(void)
{
	sigset_t ending;

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
	do
		loop_stop(s->loop);
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

int signals_start(struct signals *s, struct loop *loop)
{
	sigset_t ending;
	int r;

	those_that_end(&ending);
	*s = (struct signals){
		.loop = loop,
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
