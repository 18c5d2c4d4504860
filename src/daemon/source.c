/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "daemon/source.h"
#include "util/clock.h"

/* Between two attempts to have memory for requests. */
#define MEMORY_NS 1000000

void source_init(struct source *s, struct fuse_session *session, uint64_t poll_ns)
{
	*s = (struct source){
		.session = session,
		.fd = fuse_session_fd(session),
	};
	polling_init(&s->polling, poll_ns);
}

static void set_blocking(struct source *s, bool blocking)
{
	int flags = fcntl(s->fd, F_GETFL);

	fcntl(s->fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void source_start(struct source *s)
{
	set_blocking(s, false);
}

void source_stop(struct source *s)
{
	atomic_store(&s->stopped, true);
}

int source_receive(struct source *s, struct fuse_buf *buf, atomic_bool *receiving)
{
	const struct timespec moment = { .tv_nsec = MEMORY_NS };
	int r;

	if (atomic_load(&s->stopped))
		return 0;
	atomic_store(receiving, true);
	r = fuse_session_receive_buf(s->session, buf);
	atomic_store(receiving, false);
	/* Without memory for the buffer of a new thread, requests wait until there is. */
	if (r == -ENOMEM)
		nanosleep(&moment, NULL);
	/* -ECONNABORTED: a request went with the file system; the next read says so. */
	return r == -EINTR || r == -ECONNABORTED || r == -ENOMEM ? -EAGAIN : r;
}

/* Looks until a request is there or the window is over. */
static int look(struct source *s, struct fuse_buf *buf, atomic_bool *receiving,
		uint64_t begin)
{
	uint64_t end = begin + polling_window(&s->polling, begin);
	uint64_t before = begin;
	uint64_t now;
	int r;

	for (;;) {
		now = clock_ns();
		if (now >= end || !polling_goes_on(&s->polling, before, now))
			return -EAGAIN;
		before = now;
		r = source_receive(s, buf, receiving);
		if (r != -EAGAIN)
			return r;
	}
}

static int sleep_for(struct source *s, struct fuse_buf *buf, atomic_bool *receiving)
{
	int r;

	atomic_store(&s->sleeping, true);
	set_blocking(s, true);
	do
		r = source_receive(s, buf, receiving);
	while (r == -EAGAIN);
	set_blocking(s, false);
	atomic_store(&s->sleeping, false);
	return r;
}

int source_await(struct source *s, struct fuse_buf *buf, atomic_bool *receiving)
{
	uint64_t begin;
	int r = source_receive(s, buf, receiving);

	if (r != -EAGAIN) {
		s->streak++;
		return r;
	}
	s->streak = 0;
	begin = clock_ns();
	r = look(s, buf, receiving, begin);
	if (r == -EAGAIN)
		r = sleep_for(s, buf, receiving);
	polling_came(&s->polling, clock_ns() - begin);
	return r;
}
