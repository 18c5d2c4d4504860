/* SPDX-License-Identifier: MIT */
/*
 * Names leave by unlink, by being renamed away, and by another object renamed over them.
 *
 * Attributes change by calls, each of which is an event of the directory under the name
 * by which the object was opened: IN_MODIFY for data and size, IN_ATTRIB for the rest.
 * Two things are left out on purpose. IN_ACCESS would be an event for every read, only
 * for the time of access. And stores to a mapping are no events at all.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "native/posix-watch.h"
#include "util/cleanup.h"

#define REMOVALS (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define CHANGES  (REMOVALS | IN_CREATE | IN_MODIFY | IN_ATTRIB)

int posix_watch_init(struct posix_watch *w, const char *path, bool changes)
{
	uint32_t mask = (changes ? CHANGES : REMOVALS) | IN_ONLYDIR;

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

static unsigned int what_of(uint32_t mask)
{
	unsigned int what = 0;

	if (mask & (IN_DELETE | IN_MOVED_FROM))
		what |= KIND_GONE;
	if (mask & (IN_CREATE | IN_MOVED_TO))
		what |= KIND_COME;
	if (mask & (IN_MODIFY | IN_ATTRIB))
		what |= KIND_CHANGED;
	return what;
}

int posix_watch_next(struct posix_watch *w, struct kind_event *ret)
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
		ret->what = what_of(event->mask);
		if (!ret->what)
			continue;
		snprintf(ret->name, sizeof(ret->name), "%s",
			 event->len ? event->name : "");
		return 1;
	}
}
