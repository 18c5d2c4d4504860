/* SPDX-License-Identifier: MIT */
#pragma once
/* Watching a directory of POSIX objects: what kind_watch() tells of. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

#include "native/kind.h"

struct posix_watch {
	int fd; /* -1: none */
	/* Events that were read and not given out yet; used by the one thread that
	 * watches. */
	char events[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	size_t at, end;
};

/*
 * Begins to watch directory @path for removals, or for all @changes; @w needs
 * posix_watch_done() also after an error.
 */
int posix_watch_init(struct posix_watch *w, const char *path, bool changes);
void posix_watch_done(struct posix_watch *w);
/* One event, as kind_event(). */
int posix_watch_next(struct posix_watch *w, struct kind_event *ret);
