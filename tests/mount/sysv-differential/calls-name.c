/* SPDX-License-Identifier: MIT */
/* Names: removing is IPC_RMID; what a segment cannot have is refused. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static int unlink_flags(const struct op *op)
{
	return chance(op, 0, 5) ? AT_REMOVEDIR : 0;
}

static void describe_unlink(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	say(out, ", %#x", unlink_flags(op));
}

static long mount_unlink(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(unlinkat(AT_FDCWD, side_path(side, op), unlink_flags(op)));
}

static long remove_found(const struct found *found, enum user user)
{
	long r;

	if (found->pending) {
		if (!model_owns(&found->pending->perm, user))
			return -EPERM;
		found->pending->named = false;
		return 0;
	}
	user_become(user);
	r = errno_or(shmctl(found->id, IPC_RMID, NULL));
	user_return();
	return r;
}

static long model_unlink(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);
	struct found found;
	int r = model_find(model, &name, &found);

	(void)out;
	if (r < 0)
		return r;
	return unlink_flags(op) ? -ENOTDIR : remove_found(&found, op->user);
}

static unsigned int rename_flags(const struct op *op)
{
	static const unsigned int flags[] = {
		0,
		0,
		RENAME_NOREPLACE,
		RENAME_EXCHANGE,
		RENAME_NOREPLACE | RENAME_EXCHANGE,
	};

	return flags[choose(op, 0, 5)];
}

static void describe_rename(const struct op *op, struct outcome *out)
{
	describe_names(op, out);
	say(out, ", %#x", rename_flags(op));
}

static long mount_rename(struct side *side, const struct op *op, struct outcome *out)
{
	const char *from = side_path(side, op), *to = side_to_path(side, op);

	(void)out;
	return errno_or(renameat2(AT_FDCWD, from, AT_FDCWD, to, rename_flags(op)));
}

/* Both names of a segment are its name, and rename(2) leaves them be. */
static bool same(const struct found *a, const struct found *b)
{
	return a->id == b->id && a->pending == b->pending;
}

static long model_rename(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op), to_name = op_to(op);
	unsigned int flags = rename_flags(op);
	struct found from, to;
	int r, r_to;

	(void)out;
	if (flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = model_find(model, &name, &from);
	if (r < 0)
		return r;
	r_to = model_find(model, &to_name, &to);
	if (r_to == -ENAMETOOLONG || (r_to < 0 && flags & RENAME_EXCHANGE))
		return r_to;
	if (r_to == 0 && flags & RENAME_NOREPLACE)
		return -EEXIST;
	return r_to == 0 && same(&from, &to) ? 0 : -EPERM;
}

static long mount_link(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(link(side_path(side, op), side_to_path(side, op)));
}

/* What a name that is not there can be given is an errno. */
static long refused_name(struct model *model, const struct name *name, int error)
{
	struct found found;
	int r = model_find(model, name, &found);

	if (r == 0)
		return -EEXIST;
	return r == -ENOENT ? -error : r;
}

static long model_link(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op), to_name = op_to(op);
	struct found from;
	int r = model_find(model, &name, &from);

	(void)out;
	return r < 0 ? r : refused_name(model, &to_name, EPERM);
}

/* What else a file system can make. */
enum sort { SYMLINK, DIRECTORY, FIFO, REGULAR, SORTS };

static enum sort sort_of(const struct op *op)
{
	return choose(op, 0, SORTS);
}

static void describe_make(const struct op *op, struct outcome *out)
{
	static const char *const sorts[] = { "link", "directory", "fifo", "file" };

	describe_name(op, out);
	say(out, ", %s %04o", sorts[sort_of(op)], op->mode);
}

static long mount_make(struct side *side, const struct op *op, struct outcome *out)
{
	const char *path = side_path(side, op);
	enum sort sort = sort_of(op);

	(void)out;
	if (sort == SYMLINK)
		return errno_or(symlink("x", path));
	if (sort == DIRECTORY)
		return errno_or(mkdir(path, op->mode));
	return errno_or(mknod(path, (sort == FIFO ? S_IFIFO : S_IFREG) | op->mode, 0));
}

/* A segment cannot be made without a size. */
static long model_make(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);

	(void)out;
	return refused_name(model, &name, sort_of(op) == REGULAR ? EINVAL : EPERM);
}

static void describe_nothing(const struct op *op, struct outcome *out)
{
	(void)op;
	(void)out;
}

static void say_entry(struct outcome *out, const char *name, uint64_t inode,
		      unsigned int type)
{
	/* What the directory is in is not ours. */
	if (!strcmp(name, ".."))
		inode = 0;
	say(out, " %s %llu %u,", name, (unsigned long long)inode, type);
}

static long mount_readdir(struct side *side, const struct op *op, struct outcome *out)
{
	struct dirent *entry;
	DIR *dir = opendir(side->dir);
	long r;

	(void)op;
	if (!dir)
		return -errno;
	while (errno = 0, (entry = readdir(dir)))
		say_entry(out, entry->d_name, side_inode(side, entry->d_ino),
			  entry->d_type);
	r = -errno;
	closedir(dir);
	return r;
}

static int by_id(const void *a, const void *b)
{
	int x = ((const struct row *)a)->id, y = ((const struct row *)b)->id;

	return (x > y) - (x < y);
}

/* Entries of inode 0 readdir(3) would pass over, so that one is hidden. */
static long model_readdir(struct model *model, const struct op *op, struct outcome *out)
{
	static struct table table;
	char name[20];

	(void)op;
	table_read(model->table, &model->people, &table);
	qsort(table.rows, table.n, sizeof(table.rows[0]), by_id);
	say_entry(out, ".", ROOT_INODE, DT_DIR);
	say_entry(out, "..", ROOT_INODE, DT_DIR);
	for (const struct row *row = table.rows; row < table.rows + table.n; row++) {
		snprintf(name, sizeof(name), row->key ? "0x%08x" : "id-%d",
			 row->key ? row->key : row->id);
		say_entry(out, name, row->id ? (uint64_t)row->id : ROOT_INODE,
			  row->id ? DT_REG : DT_UNKNOWN);
	}
	return 0;
}

static long mount_stat_root(struct side *side, const struct op *op, struct outcome *out)
{
	struct stat st = { 0 };
	long r = errno_or(stat(side->dir, &st));

	(void)op;
	say(out, "%06o %u:%u %llu", st.st_mode, st.st_uid, st.st_gid,
	    (unsigned long long)side_inode(side, st.st_ino));
	return r;
}

/* Not sticky: that keeps creators from what IPC_RMID lets them do. */
static long model_stat_root(struct model *model, const struct op *op, struct outcome *out)
{
	(void)model;
	(void)op;
	say(out, "%06o 0:0 %llu", S_IFDIR | 0777, (unsigned long long)ROOT_INODE);
	return 0;
}

const struct call name_calls[] = {
	{ "unlink", 25, MAY_BOTH, describe_unlink, mount_unlink, model_unlink, NULL },
	{ "rename", 6, MAY_FAIL, describe_rename, mount_rename, model_rename, NULL },
	{ "link", 3, MAY_FAIL, describe_names, mount_link, model_link, NULL },
	{ "make", 6, MAY_FAIL, describe_make, mount_make, model_make, NULL },
	{ "readdir", 12, MAY_SUCCEED, describe_nothing, mount_readdir, model_readdir,
	  NULL },
	{ "stat_root", 2, MAY_SUCCEED, describe_nothing, mount_stat_root, model_stat_root,
	  NULL },
	{ 0 },
};
