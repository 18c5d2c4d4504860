/* SPDX-License-Identifier: MIT */
#pragma once
/* Watching a directory of POSIX objects for names that go: what kind_watch() tells of. */
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

struct posix_watch {
	int fd; /* -1: none */
	/* Events that were read and not given out yet; used by the one thread that
	 * watches. */
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	size_t at, end;
};

/* Begins to watch directory @path; @w needs posix_watch_done() also after an error. */
int posix_watch_init(struct posix_watch *w, const char *path);
void posix_watch_done(struct posix_watch *w);
/* One name that went: 1, or 0 when there is none for now, -EOVERFLOW when some were lost.
 */
int posix_watch_next(struct posix_watch *w, char name[256]);
