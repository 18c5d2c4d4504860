/* SPDX-License-Identifier: MIT */
/*
 * Each op_* translates its arguments, calls src/fs, and replies exactly once: reply_*()
 * below are where the sign of an errno flips. A reply that finds its caller gone
 * (-ENOENT) gives back what the kernel then does not know of. The request goes with its
 * reply: what is needed behind it is taken from it before.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>

#include "daemon/buffer.h"
#include "daemon/demand.h"
#include "daemon/dispatch.h"
#include "daemon/groups.h"
#include "daemon/notify.h"
#include "config.h"
#include "daemon/ops-internal.h"
#include "daemon/passthrough.h"
#include "daemon/requests.h"
#include "daemon/wait-open.h"
#include "util/cleanup.h"

static struct ops_context *context_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

const struct tree *tree_of(fuse_req_t req)
{
	return &context_of(req)->tree;
}

struct fs *fs_of(fuse_req_t req, fuse_ino_t *node)
{
	return tree_find(tree_of(req), node);
}

struct caller caller_of(fuse_req_t req)
{
	const struct fuse_ctx *c = fuse_req_ctx(req);

	return (struct caller){
		.uid = c->uid,
		.gid = c->gid,
		.thread = c->pid,
		.umask = c->umask,
		.groups = groups_read,
		.context = req,
		.journal = requests_mine(),
		.before = requests_before(),
		.hasty = demand_is_hasty(),
		.given_up = demand_given_up(),
	};
}

static void reply_status(fuse_req_t req, int r)
{
	fuse_reply_err(req, r < 0 ? -r : 0);
}

static struct fuse_entry_param param_of(fuse_req_t req, const struct fs_entry *e)
{
	const struct ops_context *c = context_of(req);

	return (struct fuse_entry_param){
		.ino = e->node,
		.generation = e->generation,
		.attr = e->attr,
		.attr_timeout = e->keep_attr && c->keeps_entry_attr ? NOTIFY_KEEP : 0,
		.entry_timeout = e->keep_name ? c->name_timeout : 0,
	};
}

/*
 * @made is the name that @caller's request has made, or NULL. It is taken back where the
 * request was given up.
 */
static void reply_entry(fuse_req_t req, const struct caller *caller, const char *made,
			int r, const struct fs_entry *e)
{
	const struct tree *tree = tree_of(req);
	struct fuse_entry_param param;

	if (r < 0) {
		reply_status(req, r);
		return;
	}
	param = param_of(req, e);
	if (fuse_reply_entry(req, &param) != -ENOENT)
		return;
	if (made)
		tree_unmake(tree, caller, made, e);
	tree_forget(tree, e->node, 1);
}

static void reply_attr(fuse_req_t req, int r, const struct stat *st, bool keep)
{
	if (r < 0)
		reply_status(req, r);
	else
		fuse_reply_attr(req, st, keep ? NOTIFY_KEEP : 0);
}

static void reply_count(fuse_req_t req, ssize_t r)
{
	if (r < 0)
		reply_status(req, (int)r);
	else
		fuse_reply_write(req, (size_t)r);
}

/* Files that are closed, before more of them wait in the kernel than come to us. */
#define BACKGROUND 1024

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct ops_context *c = userdata;

	c->initialized = true;
	conn->max_read = c->max_read;
	conn->max_background = BACKGROUND;
	passthrough_negotiate(conn, c->passthrough);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct caller caller = caller_of(req);
	struct fs_entry e = { .node = 0 };
	int r = tree_lookup(tree_of(req), &caller, parent, name, &e);

	if (r == -EAGAIN && caller.hasty) {
		demand_would_wait();
		fuse_reply_none(req);
		return;
	}
	/* Nothing there, for the kernel to keep, is an entry without a node. */
	if (r == -ENOENT && e.keep_name)
		r = 0;
	reply_entry(req, &caller, NULL, r, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t lookups)
{
	dispatch_arrived();
	tree_forget(tree_of(req), node, lookups);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
	dispatch_arrived();
	for (size_t i = 0; i < n; i++)
		tree_forget(tree_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct caller caller = caller_of(req);
	struct stat st;
	int r = tree_getattr(tree_of(req), &caller, node, &st);
	struct fs *fs = fs_of(req, &node);

	(void)fi;
	reply_attr(req, r, &st, r == 0 && fs_keeps(fs, node, &st));
}

static void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int set,
		       struct fuse_file_info *fi)
{
	struct caller caller = caller_of(req);
	struct stat st;
	int r = tree_setattr(tree_of(req), &caller, node, fi ? fi->fh : 0, attr,
			     (unsigned int)set, &st);

	reply_attr(req, r, &st, false);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t device)
{
	struct caller caller = caller_of(req);
	struct fs_entry e;
	int r = tree_mknod(tree_of(req), &caller, parent, name, mode, &e);

	(void)device;
	reply_entry(req, &caller, name, r, &e);
}

/* Shared memory knows neither directories nor symbolic links. */
static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent;
	(void)name;
	(void)mode;
	reply_status(req, -EPERM);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_status(req, tree_rmdir(tree_of(req), parent, name));
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	reply_status(req, -EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
	struct caller caller = caller_of(req);
	struct fs_entry e;
	int r = tree_link(tree_of(req), &caller, node, parent, name, &e);

	reply_entry(req, &caller, name, r, &e);
}

static void unref(void *file)
{
	native_file_unref(file);
}

/*
 * The last reference to a large object takes its memory with it, which takes long. The
 * kernel holds the directory until it has the answer, so that comes first.
 */
static void let_go(struct native_file *last)
{
	if (last)
		demand_afterwards(unref, last);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct caller caller = caller_of(req);
	struct native_file *last = NULL;

	caller.last = &last;
	reply_status(req, tree_unlink(tree_of(req), &caller, parent, name));
	let_go(last);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *from,
		      fuse_ino_t new_parent, const char *to, unsigned int flags)
{
	struct caller caller = caller_of(req);
	struct native_file *last = NULL;

	caller.last = &last;
	reply_status(req, tree_rename(tree_of(req), &caller, parent, from, new_parent, to,
				      flags));
	let_go(last);
}

static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	struct fs_open_file file;
	int r = fs_open(fs, &caller, node, fi->flags, &file);

	/* Somebody has a lease on it, and is told to give it up. */
	if (r == -EAGAIN && !(fi->flags & O_NONBLOCK))
		wait_for_open(req, &caller, fs, node, fi->flags);
	else if (r < 0)
		reply_status(req, r);
	else if (passthrough_reply_open(req, &file) == -ENOENT)
		fs_release(fs, file.number);
}

/* Also TMPFILE, see dispatch.c. */
static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	const struct tree *tree = tree_of(req);
	struct caller caller = caller_of(req);
	struct fuse_entry_param param;
	struct fs_open_file file;
	struct fs_entry e;
	int r;

	if (strcmp(name, DISPATCH_NO_NAME) == 0)
		name = NULL;
	r = tree_create(tree, &caller, parent, name, fi->flags, mode, &e, &file);
	/* What was just made natively has a lease already. The kernel holds the
	 * directory, so nobody must wait here: it looks the name up again, and opens what
	 * it finds. */
	if (r == -EAGAIN)
		r = -ESTALE;
	if (r < 0) {
		reply_status(req, r);
		return;
	}
	param = param_of(req, &e);
	if (passthrough_reply_create(req, &param, &file) == -ENOENT) {
		tree_unmake(tree, &caller, name, &e);
		fs_release(tree_find(tree, &parent), file.number);
		tree_forget(tree, e.node, 1);
	}
}

static void op_read(fuse_req_t req, fuse_ino_t node, size_t n, off_t offset,
		    struct fuse_file_info *fi)
{
	char *buf = thread_buffer(n);
	ssize_t r = -ENOMEM;

	if (buf)
		r = fs_read(fs_of(req, &node), fi->fh, buf, n, (uint64_t)offset);
	if (r < 0)
		reply_status(req, (int)r);
	else
		fuse_reply_buf(req, buf, (size_t)r);
}

static void op_write(fuse_req_t req, fuse_ino_t node, const char *buf, size_t n,
		     off_t offset, struct fuse_file_info *fi)
{
	bool append = fi->flags & O_APPEND;

	reply_count(req, fs_write(fs_of(req, &node), fi->fh, buf, n, (uint64_t)offset,
				  append));
}

static void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	int closed, r;

	dispatch_arrived();
	closed = fs_closed(fs, &caller, fi->fh);
	r = fs_flush(fs, fi->fh, fi->lock_owner);
	reply_status(req, closed < 0 ? closed : r);
}

static void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	dispatch_arrived();
	fs_release(fs_of(req, &node), fi->fh);
	reply_status(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t node, int data_only,
		     struct fuse_file_info *fi)
{
	reply_status(req, fs_fsync(fs_of(req, &node), fi->fh, data_only));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset,
			 off_t length, struct fuse_file_info *fi)
{
	reply_status(req, fs_fallocate(fs_of(req, &node), fi->fh, mode, (uint64_t)offset,
				       (uint64_t)length));
}

static void op_lseek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence,
		     struct fuse_file_info *fi)
{
	int64_t r = fs_seek(fs_of(req, &node), fi->fh, offset, whence);

	if (r < 0)
		reply_status(req, (int)r);
	else
		fuse_reply_lseek(req, r);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_offset,
			       struct fuse_file_info *in_fi, fuse_ino_t out,
			       off_t out_offset, struct fuse_file_info *out_fi, size_t n,
			       int flags)
{
	struct fs *from = fs_of(req, &in);
	ssize_t r = -EXDEV;

	(void)flags;
	if (from == fs_of(req, &out))
		r = fs_copy(from, in_fi->fh, (uint64_t)in_offset, out_fi->fh,
			    (uint64_t)out_offset, n);
	reply_count(req, r);
}

static void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);
	int r = node == FS_ROOT ? fs_opendir(fs, &caller, &fi->fh) : -ENOTDIR;

	/* Listings are kept like names: changes of names are told with those of the root.
	 */
	fi->cache_readdir = fi->keep_cache = context_of(req)->keeps;
	if (r < 0)
		reply_status(req, r);
	else if (fuse_reply_open(req, fi) == -ENOENT)
		fs_releasedir(fs, fi->fh);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	dispatch_arrived();
	fs_releasedir(fs_of(req, &node), fi->fh);
	reply_status(req, 0);
}

/* A reply to READDIR that is being filled. */
struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	bool plus;
};

static bool fill(void *context, const char *name, const struct fs_entry *entry,
		 int64_t next)
{
	struct listing *l = context;
	struct fuse_entry_param param = param_of(l->req, entry);
	char *at = l->buf + l->used;
	size_t left = l->size - l->used;
	size_t n;

	if (l->plus)
		n = fuse_add_direntry_plus(l->req, at, left, name, &param, next);
	else
		n = fuse_add_direntry(l->req, at, left, name, &entry->attr, next);
	if (n > left)
		return false;
	l->used += n;
	return true;
}

/* The lookups that came with the entries of a listing which nobody has taken. */
static void forget_listed(const struct tree *tree, const char *buf, size_t n)
{
	const struct fuse_direntplus *e;

	for (size_t at = 0; at < n; at += FUSE_DIRENTPLUS_SIZE(e)) {
		e = (const void *)(buf + at);
		if (e->entry_out.nodeid)
			tree_forget(tree, e->entry_out.nodeid, 1);
	}
}

static void readdir_into(fuse_req_t req, fuse_ino_t node, size_t n, off_t position,
			 const struct fuse_file_info *fi, bool plus)
{
	struct listing l = {
		.req = req, .buf = thread_buffer(n), .size = n, .plus = plus
	};
	const struct tree *tree = tree_of(req);
	struct caller caller = caller_of(req);
	int r = -ENOMEM;

	if (l.buf)
		r = tree_readdir(tree, &caller, node, fi->fh, position, plus, fill, &l);
	if (r < 0)
		reply_status(req, r);
	else if (fuse_reply_buf(req, l.buf, l.used) == -ENOENT && plus)
		forget_listed(tree, l.buf, l.used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t node, size_t n, off_t position,
		       struct fuse_file_info *fi)
{
	readdir_into(req, node, n, position, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t n, off_t position,
			   struct fuse_file_info *fi)
{
	readdir_into(req, node, n, position, fi, true);
}

/* The directory is in memory as the objects are: there is nothing to wait for. */
static void op_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only,
			struct fuse_file_info *fi)
{
	(void)node;
	(void)data_only;
	(void)fi;
	reply_status(req, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct statvfs st;
	int r = fs_statfs(fs_of(req, &node), &st);

	if (r < 0)
		reply_status(req, r);
	else
		fuse_reply_statfs(req, &st);
}

/*
 * The kernel asks as the real user and group, with root's permitted capabilities, but
 * what it says of the thread are the effective ones. That it asks for chdir(2), too, with
 * others, does not matter: each lookup in the directory is checked.
 */
static void op_access(fuse_req_t req, fuse_ino_t node, int mask)
{
	struct caller caller = caller_of(req);
	struct fs *fs = fs_of(req, &node);

	caller.permitted = true;
	reply_status(req, fs_access(fs, &caller, node, mask));
}

const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.getlk = op_getlk,
	.setlk = op_setlk,
	.flock = op_flock,
	.opendir = op_opendir,
	.releasedir = op_releasedir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.access = op_access,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
	.ioctl = op_ioctl,
#if HAVE_FUSE_STATX
	.statx = op_statx,
#endif
};
