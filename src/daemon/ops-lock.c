/* SPDX-License-Identifier: MIT */
/* Locks of files: answered at once, or by whoever waits for them (wait-lock.h). */
#include <errno.h>
#include <sys/file.h>

#include "daemon/ops-internal.h"
#include "daemon/wait-lock.h"

/* Whether it starts in a file and ends behind that: the kernel sends no other. */
static bool is_range(const struct flock *lock)
{
	return lock->l_start >= 0 && lock->l_len >= 0 &&
	       lock->l_len <= INT64_MAX - lock->l_start;
}

void op_getlk(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
	      struct flock *lock)
{
	struct fs *fs = fs_of(req, &node);
	int r = is_range(lock) ? fs_getlk(fs, fi->fh, fi->lock_owner, lock) : -EINVAL;

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_lock(req, lock);
}

/* Answers a request for a lock, or lets it wait where waiting can help. */
static void reply_lock(fuse_req_t req, struct fs *fs, int r, const struct fs_busy *busy,
		       bool sleep)
{
	if (r == -EAGAIN && (sleep || busy->closing)) {
		wait_for_lock(req, fs, busy, sleep);
		return;
	}
	native_file_unref(busy->file);
	fuse_reply_err(req, -r);
}

void op_setlk(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
	      struct flock *lock, int sleep)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	struct fs_busy busy = { .file = NULL };
	int r = -EINVAL;

	if (is_range(lock))
		r = fs_setlk(fs, &caller, fi->fh, fi->lock_owner, lock->l_pid, lock,
			     &busy);
	reply_lock(req, fs, r, &busy, sleep);
}

void op_flock(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi, int operation)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	struct fs_busy busy = { .file = NULL };
	int r = fs_flock(fs, &caller, fi->fh, operation, &busy);

	reply_lock(req, fs, r, &busy, !(operation & LOCK_NB));
}
