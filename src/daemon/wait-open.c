/* SPDX-License-Identifier: MIT */
/*
 * The request is begun anew, by a thread that may sleep. If the daemon dies the kernel
 * asks again, and the next daemon sees by the request's number whether the file is open.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/passthrough.h"
#include "daemon/wait-open.h"
#include "daemon/waiter.h"
#include "fs/journal.h"

struct wait_open {
	struct wait wait;
	struct caller caller;
	struct journal journal; /* of the caller: the request's number */
	struct fs *fs;
	uint64_t node;
	int flags;
	struct fs_open_file file;
};

static int open_node(struct wait *w)
{
	struct wait_open *o = (struct wait_open *)w;

	return fs_open(o->fs, &o->caller, o->node, o->flags | FS_OPEN_WAIT, &o->file);
}

static void answer(struct wait *w, fuse_req_t req, int r)
{
	struct wait_open *o = (struct wait_open *)w;

	if (r < 0)
		fuse_reply_err(req, -r);
	else if (passthrough_reply_open(req, &o->file) == -ENOENT)
		fs_release(o->fs, o->file.number);
	free(o);
}

static const struct wait_ops ops = {
	.wait = open_node,
	.answer = answer,
	.no_room = -EAGAIN,
};

void wait_for_open(fuse_req_t req, const struct caller *caller, struct fs *fs,
		   uint64_t node, int flags)
{
	struct wait_open *o = malloc(sizeof(*o));

	if (!o) {
		fuse_reply_err(req, EAGAIN);
		return;
	}
	*o = (struct wait_open){
		.wait.ops = &ops,
		/* The rest is of the thread that serves the request now. */
		.caller = {
			.uid = caller->uid,
			.gid = caller->gid,
			.thread = caller->thread,
			.groups = caller->groups,
			.context = caller->context,
			.journal = &o->journal,
		},
		.journal.request = journal_request(caller),
		.fs = fs,
		.node = node,
		.flags = flags,
	};
	waiter_start(req, &o->wait);
}
