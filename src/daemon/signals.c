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

static void those_that_ask(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGUSR1);
}

int signals_block(void)
{
	sigset_t all, ending;

	/* Who reads our messages may be gone. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	those_that_end(&ending);
	those_that_ask(&all);
	sigorset(&all, &all, &ending);
	return -pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* Those that came in the meantime are one. */
static void answer(struct signals *s)
{
	struct signalfd_siginfo which;

	if (read(s->asking, &which, sizeof(which)) == sizeof(which))
		s->asked(s->context);
}

static void *run(void *data)
{
	struct signals *s = data;
	struct pollfd fds[] = {
		{ .fd = s->stop, .events = POLLIN },
		{ .fd = s->ending, .events = POLLIN },
		{ .fd = s->asking, .events = POLLIN },
	};
	int n;

	do {
		n = poll(fds, 3, -1);
		if (n > 0 && fds[2].revents)
			answer(s);
	} while (n < 0 ? errno == EINTR : !fds[0].revents && !fds[1].revents);
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

static void close_descriptors(struct signals *s)
{
	close_fd(s->ending);
	close_fd(s->asking);
	close_fd(s->stop);
}

int signals_start(struct signals *s)
{
	sigset_t ending, asking;
	int r;

	those_that_end(&ending);
	those_that_ask(&asking);
	s->ending = signalfd(-1, &ending, SFD_CLOEXEC);
	s->asking = signalfd(-1, &asking, SFD_CLOEXEC);
	s->stop = eventfd(0, EFD_CLOEXEC);
	r = s->ending < 0 || s->asking < 0 || s->stop < 0 ? -errno : start_thread(s);
	if (r < 0)
		close_descriptors(s);
	return r;
}

void signals_stop(struct signals *s)
{
	uint64_t one = 1;

	while (write(s->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(s->thread, NULL);
	close_descriptors(s);
}
