/* SPDX-License-Identifier: MIT */
/*
 * Whoever does not want to wait for a lock still waits for files that are being closed:
 * the kernel lets nobody wait for that.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/wait-lock.h"
#include "daemon/waiter.h"
#include "util/clock.h"

/*
 * How long a lock may stay in the way of who does not want to wait, when files of this
 * mount are open that may be closed already.
 */
#define CLOSING_NS (10 * 1000 * 1000)

struct wait_lock {
	struct wait wait;
	struct fs *fs;
	struct fs_busy busy;
	bool sleep;
};

/*
 * Gives files that are being closed the time to be released: then what is in the way is
 * somebody's lock.
 */
static int take_when_settled(struct wait_lock *l)
{
	uint64_t seen = fs_releases(l->fs);
	struct timespec until = clock_in(CLOCK_MONOTONIC, CLOSING_NS);
	int r;

	do
		r = fs_lock_again(l->fs, &l->busy, false);
	while (r == -EAGAIN && fs_await_release(l->fs, &seen, &until));
	return r == -EAGAIN ? fs_lock_again(l->fs, &l->busy, false) : r;
}

static int take(struct wait *w)
{
	struct wait_lock *l = (struct wait_lock *)w;

	return l->sleep ? fs_lock_again(l->fs, &l->busy, true) : take_when_settled(l);
}

static void answer(struct wait *w, fuse_req_t req, int r)
{
	struct wait_lock *l = (struct wait_lock *)w;

	/* Whoever is answered may find that nothing else is open any more. */
	native_file_unref(l->busy.file);
	fuse_reply_err(req, -r);
	free(l);
}

static const struct wait_ops ops = {
	.wait = take,
	.answer = answer,
	.no_room = -ENOLCK,
};

void wait_for_lock(fuse_req_t req, struct fs *fs, const struct fs_busy *busy, bool sleep)
{
	struct wait_lock *l = malloc(sizeof(*l));

	if (!l) {
		native_file_unref(busy->file);
		fuse_reply_err(req, ENOLCK);
		return;
	}
	*l = (struct wait_lock){
		.wait.ops = &ops, .fs = fs, .busy = *busy, .sleep = sleep
	};
	waiter_start(req, &l->wait);
}
