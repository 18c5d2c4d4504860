/* SPDX-License-Identifier: MIT */
#include <sys/file.h>

#include "scenario.h"

static int first_error(int64_t r)
{
	return r < 0 ? (int)r : 0;
}

static int run_lookup(struct story *s)
{
	struct fs_entry e;
	int r = fs_lookup(s->room->fs, &somebody, "a", &e);

	if (r == 0)
		s->node = e.node;
	return r;
}

/* A stale node is looked up again, as the kernel does by itself. */
static int run_getattr(struct story *s)
{
	struct stat st;
	int r = fs_getattr(s->room->fs, &somebody, s->node, &st);

	if (r == -ESTALE)
		r = run_lookup(s);
	return r < 0 ? r : fs_getattr(s->room->fs, &somebody, s->node, &st);
}

static int run_open(struct story *s)
{
	return fs_open(s->room->fs, &somebody, s->node, O_RDWR, &s->file);
}

static int run_open_second(struct story *s)
{
	int r = fs_open(s->room->fs, &somebody, s->node, O_RDWR, &s->second);

	if (r == 0)
		assert_int_equal(s->second.backing_id, s->file.backing_id);
	return r;
}

static int run_write(struct story *s)
{
	return first_error(fs_write(s->room->fs, s->file.number, "abc", 3, 0, false));
}

static int run_read(struct story *s)
{
	char buf[3];

	return first_error(fs_read(s->room->fs, s->second.number, buf, 3, 0));
}

static int run_fallocate(struct story *s)
{
	return fs_fallocate(s->room->fs, s->file.number, 0, 0, 9);
}

static int run_seek(struct story *s)
{
	return first_error(fs_seek(s->room->fs, s->file.number, 0, SEEK_HOLE));
}

static int run_copy(struct story *s)
{
	return first_error(
		fs_copy(s->room->fs, s->file.number, 0, s->second.number, 3, 3));
}

static int run_fsync(struct story *s)
{
	return fs_fsync(s->room->fs, s->file.number, false);
}

static int run_setattr(struct story *s)
{
	const struct stat attr = { .st_mode = 0600, .st_size = 5 };
	struct stat st;

	return fs_setattr(s->room->fs, &somebody, s->node, s->file.number, &attr,
			  FS_SET_MODE | FS_SET_UID | FS_SET_SIZE | FS_SET_ATIME, &st);
}

static int run_truncate(struct story *s)
{
	const struct stat attr = { .st_size = 7 };
	struct stat st;

	return fs_setattr(s->room->fs, &somebody, s->node, 0, &attr, FS_SET_SIZE, &st);
}

static int run_drop_privileges(struct story *s)
{
	const struct stat attr = { .st_size = 0 };
	struct stat st;
	int r;

	fake_find(&s->room->fake, "a")->info.stat.st_mode = S_IFREG | 06755;
	r = fs_setattr(s->room->fs, &somebody, s->node, 0, &attr, 0, &st);
	if (r == 0)
		assert_int_equal(st.st_mode, S_IFREG | 0755);
	return r;
}

static int run_setxattr(struct story *s)
{
	return fs_setxattr(s->room->fs, &somebody, s->node, "user.x", "1", 1, 0);
}

static int run_getxattr(struct story *s)
{
	return first_error(
		fs_getxattr(s->room->fs, &somebody, s->node, "user.x", NULL, 0));
}

static int run_listxattr(struct story *s)
{
	return first_error(fs_listxattr(s->room->fs, &somebody, s->node, NULL, 0));
}

static int run_removexattr(struct story *s)
{
	return fs_removexattr(s->room->fs, &somebody, s->node, "user.x");
}

static int run_setlk(struct story *s)
{
	struct flock lock = { .l_type = F_WRLCK };
	struct fs_busy busy;

	return fs_setlk(s->room->fs, &somebody, s->file.number, 1, 1, &lock, &busy);
}

static int run_setlk_waiting(struct story *s)
{
	struct flock lock = { .l_type = F_WRLCK };
	struct fs_busy busy = { .file = NULL };
	int r = fs_setlk(s->room->fs, &somebody, s->file.number, 2, 2, &lock, &busy);

	assert_int_equal(r == -EAGAIN, busy.file != NULL);
	native_file_unref(busy.file);
	return r == -EAGAIN ? 0 : r;
}

static int run_getlk(struct story *s)
{
	struct flock lock = { .l_type = F_WRLCK };

	return fs_getlk(s->room->fs, s->file.number, 3, &lock);
}

static int run_flock(struct story *s)
{
	struct fs_busy busy;

	return fs_flock(s->room->fs, &somebody, s->file.number, LOCK_EX, &busy);
}

static int run_flush(struct story *s)
{
	return fs_flush(s->room->fs, s->file.number, 1);
}

static int run_create(struct story *s)
{
	struct fs_open_file file;
	struct fs_entry e;
	int r;

	if (fake_find(&s->room->fake, "b"))
		fake_take(&s->room->fake, "b");
	r = fs_create(s->room->fs, &somebody, "b", O_RDWR | O_EXCL, 0600, &e, &file);
	if (r < 0)
		return r;
	fs_release(s->room->fs, file.number);
	fs_forget(s->room->fs, e.node, 1);
	return 0;
}

static int run_mknod(struct story *s)
{
	struct fs_entry e;
	int r;

	if (fake_find(&s->room->fake, "c"))
		fake_take(&s->room->fake, "c");
	r = fs_mknod(s->room->fs, &somebody, "c", S_IFREG | 0600, &e);
	if (r == 0)
		fs_forget(s->room->fs, e.node, 1);
	return r;
}

/* Neither name nor node is left of it. */
static int run_link(struct story *s)
{
	struct fs_entry e;
	int r = fs_link(s->room->fs, &somebody, s->node, "e", &e);

	if (r < 0)
		return r;
	fs_forget(s->room->fs, e.node, 1);
	fake_take(&s->room->fake, "e");
	return 0;
}

static int run_tmpfile(struct story *s)
{
	struct fs_open_file file;
	struct fs_entry e;
	int r = fs_create(s->room->fs, &somebody, NULL, O_RDWR, 0600, &e, &file);

	if (r < 0)
		return r;
	fs_release(s->room->fs, file.number);
	fs_forget(s->room->fs, e.node, 1);
	return 0;
}

/* There and back, so that "a" is "a" again, whose node was told or says that it is stale.
 */
static int run_rename(struct story *s)
{
	int r = 0;

	if (fake_find(&s->room->fake, "a"))
		r = fs_rename(s->room->fs, &somebody, "a", "d", 0);
	return r < 0 ? r : fs_rename(s->room->fs, &somebody, "d", "a", 0);
}

static int run_exchange(struct story *s)
{
	int r = fs_rename(s->room->fs, &somebody, "b", "c", RENAME_EXCHANGE);

	return r < 0 ? r : run_getattr(s);
}

static int run_opendir(struct story *s)
{
	return fs_opendir(s->room->fs, &somebody, &s->dir);
}

struct reply {
	struct fs *fs;
	int n, all;
	int64_t next;
};

static bool take_entry(void *context, const char *name, const struct fs_entry *entry,
		       int64_t next)
{
	struct reply *reply = context;

	(void)name;
	if (reply->n == 2)
		return false;
	if (entry->node)
		fs_forget(reply->fs, entry->node, 1);
	reply->n++;
	reply->all++;
	reply->next = next;
	return true;
}

static int read_all(struct story *s, bool plus)
{
	struct reply reply = { .fs = s->room->fs };
	int r;

	do {
		reply.n = 0;
		r = fs_readdir(reply.fs, &somebody, s->dir, reply.next, plus, take_entry,
			       &reply);
	} while (r == 0 && reply.n > 0);
	if (r == 0)
		assert_int_equal(reply.all, 5);
	return r;
}

static int run_readdir(struct story *s)
{
	return read_all(s, false);
}

static int run_readdirplus(struct story *s)
{
	return read_all(s, true);
}

static int run_releases(struct story *s)
{
	fs_releasedir(s->room->fs, s->dir);
	fs_release(s->room->fs, s->file.number);
	fs_release(s->room->fs, s->second.number);
	assert_int_equal(s->room->fake.files, 0);
	assert_int_equal(s->room->fake.backings, 0);
	return 0;
}

static void ignore_name(void *context, const char *name)
{
	(void)context;
	(void)name;
}

static int run_sweep(struct story *s)
{
	fs_sweep(s->room->fs, ignore_name, NULL);
	return 0;
}

static int run_access(struct story *s)
{
	return fs_access(s->room->fs, &somebody, s->node, R_OK);
}

static int run_statfs(struct story *s)
{
	struct statvfs st;

	return fs_statfs(s->room->fs, &st);
}

static int run_unlink(struct story *s)
{
	return fs_unlink(s->room->fs, &somebody, "a");
}

#define BIT(op) (UINT64_C(1) << (op))

const struct step steps[] = {
	{ "lookup", run_lookup, 0 },
	{ "getattr", run_getattr, 0 },
	{ "open", run_open, 0 },
	{ "open again", run_open_second, 0 },
	{ "write", run_write, 0 },
	{ "read", run_read, 0 },
	{ "fallocate", run_fallocate, 0 },
	{ "seek", run_seek, 0 },
	{ "copy", run_copy, 0 },
	{ "fsync", run_fsync, 0 },
	{ "setattr", run_setattr, 0 },
	{ "truncate", run_truncate, 0 },
	/* Who may not write may own. */
	{ "drop privileges", run_drop_privileges, 1u << FAKE_ACCESS },
	{ "setxattr", run_setxattr, 0 },
	{ "getxattr", run_getxattr, 0 },
	{ "listxattr", run_listxattr, 0 },
	{ "removexattr", run_removexattr, 0 },
	/* A file for locks is opened in another way where one way fails. */
	{ "setlk", run_setlk, BIT(FAKE_OPEN) },
	{ "setlk waiting", run_setlk_waiting, BIT(FAKE_OPEN) },
	/* Which process it is may stay unknown. */
	{ "getlk", run_getlk, BIT(FAKE_OPEN) | BIT(FAKE_LOCK) },
	{ "flock", run_flock, BIT(FAKE_OPEN) },
	{ "create", run_create, 0 },
	{ "mknod", run_mknod, 0 },
	{ "link", run_link, 0 },
	{ "tmpfile", run_tmpfile, 0 },
	/* The rename is done by then; the node will say that it is stale. */
	{ "exchange", run_exchange, BIT(FAKE_LOOKUP) },
	{ "opendir", run_opendir, 0 },
	/* Errors behind entries come the next time, if they do. */
	{ "readdir", run_readdir, BIT(FAKE_LIST_NEXT) },
	{ "readdirplus", run_readdirplus,
	  BIT(FAKE_LIST_NEXT) | BIT(FAKE_IDENTIFY) | BIT(FAKE_LOOKUP) },
	{ "flush", run_flush, UINT64_C(1) << FAKE_LOCK },
	{ "releases", run_releases, 0 },
	{ "rename", run_rename, BIT(FAKE_LOOKUP) },
	{ "getattr by name", run_getattr, 0 },
	{ "sweep", run_sweep, BIT(FAKE_LOOKUP) },
	{ "access", run_access, 0 },
	{ "statfs", run_statfs, 0 },
	{ "rename again", run_rename, BIT(FAKE_LOOKUP) },
	{ "unlink", run_unlink, 0 },
	{ NULL, NULL, 0 },
};

void story_begin(struct story *s, struct room *room)
{
	*s = (struct story){ .room = room };
	fake_add(&room->fake, "a");
}
