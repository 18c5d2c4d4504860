/* SPDX-License-Identifier: MIT */
/* Names leave by unlink, by being renamed away, and by another object renamed over them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "native/posix-watch.h"
#include "util/cleanup.h"

int posix_watch_init(struct posix_watch *w, const char *path)
{
	uint32_t mask = IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;

	w->at = w->end = 0;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0 || inotify_add_watch(w->fd, path, mask) < 0)
		return -errno;
	return 0;
}

void posix_watch_done(struct posix_watch *w)
{
	w->fd = close_fd(w->fd);
}

/* Reads what the kernel has to tell. Returns 1, or 0 when that is nothing for now. */
static int read_events(struct posix_watch *w)
{
	ssize_t n = read(w->fd, w->events, sizeof(w->events));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	w->at = 0;
	w->end = (size_t)n;
	return n > 0;
}

int posix_watch_next(struct posix_watch *w, char name[256])
{
	const struct inotify_event *event;
	int r;

	for (;;) {
		if (w->at >= w->end) {
			r = read_events(w);
			if (r <= 0)
				return r;
		}
		event = (const void *)(w->events + w->at);
		w->at += sizeof(*event) + event->len;
		if (event->mask & IN_Q_OVERFLOW)
			return -EOVERFLOW;
		if (event->len == 0)
			continue;
		snprintf(name, NAME_MAX + 1, "%s", event->name);
		return 1;
	}
}
