/* SPDX-License-Identifier: MIT */
/*
 * Names. What the mount refuses although tmpfs does it (a directory, a device) is done on
 * the reference, undone, and then taken for refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static long run_rename(struct side *side, const struct op *op, struct outcome *out)
{
	static const unsigned int flags[] = { 0,
					      0,
					      0,
					      RENAME_NOREPLACE,
					      RENAME_EXCHANGE,
					      RENAME_NOREPLACE | RENAME_EXCHANGE,
					      1u << 20 };
	unsigned int flag = flags[choose(op, 0, 7)];

	say(out, "renameat2(%s, %s, %#x)", name_label(op->name), name_label(op->to),
	    flag);
	return errno_or(renameat2(AT_FDCWD, side_path(side, op->name), AT_FDCWD,
				  side_other_path(side, op->to), flag));
}

static long run_unlink(struct side *side, const struct op *op, struct outcome *out)
{
	/* Of others' files the mount says that they are no directories, tmpfs that they
	 * stick. (difference: rmdir) */
	int flags = op->user == USER_ROOT && chance(op, 0, 5) ? AT_REMOVEDIR : 0;

	say(out, "unlinkat(%s, %#x)", name_label(op->name), flags);
	return errno_or(unlinkat(AT_FDCWD, side_path(side, op->name), flags));
}

static long run_link(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "link(%s, %s)", name_label(op->name), name_label(op->to));
	return errno_or(link(side_path(side, op->name), side_other_path(side, op->to)));
}

/*
 * Of what is open, whether or not it has a name. That it was removed the kernel sees on
 * the mount before it has the rights looked at. (difference: link-removed)
 */
static long run_link_slot(struct side *side, const struct op *op, struct outcome *out)
{
	int fd = side_fd(side, op->slot);
	struct stat st = { 0 };
	char path[32];
	long r;

	say(out, "linkat(slot %u, %s)", op->slot, name_label(op->to));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = errno_or(linkat(AT_FDCWD, path, AT_FDCWD, side_other_path(side, op->to),
			    AT_SYMLINK_FOLLOW));
	return r == -EPERM && fstat(fd, &st) == 0 && st.st_nlink == 0 ? -ENOENT : r;
}

static long run_symlink(struct side *side, const struct op *op, struct outcome *out)
{
	long r;

	say(out, "symlink(x, %s)", name_label(op->name));
	r = errno_or(symlink("x", side_path(side, op->name)));
	if (r == 0)
		unlink(side_path(side, op->name));
	return side_refused(side, r, EPERM, "kinds");
}

static long run_mkdir(struct side *side, const struct op *op, struct outcome *out)
{
	long r;

	say(out, "mkdir(%s, %04o)", name_label(op->name), op->mode);
	r = errno_or(mkdir(side_path(side, op->name), op->mode));
	if (r == 0)
		rmdir(side_path(side, op->name));
	return side_refused(side, r, EPERM, "kinds");
}

static long run_mknod(struct side *side, const struct op *op, struct outcome *out)
{
	static const mode_t types[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR };
	mode_t type = types[choose(op, 0, 5)];
	long r;

	say(out, "mknod(%s, %06o)", name_label(op->name), type | op->mode);
	r = errno_or(mknod(side_path(side, op->name), type | op->mode, 0));
	if (r == 0)
		unlink(side_path(side, op->name));
	return side_refused(side, r, EPERM, "kinds");
}

static long run_mknod_file(struct side *side, const struct op *op, struct outcome *out)
{
	long r;

	say(out, "mknod(%s, S_IFREG|%04o) with umask %03o", name_label(op->name),
	    op->mode, op->umask);
	umask(op->umask);
	r = errno_or(mknod(side_path(side, op->name), S_IFREG | op->mode, 0));
	umask(0);
	return r;
}

static long run_access(struct side *side, const struct op *op, struct outcome *out)
{
	static const int flags[] = { 0, AT_EACCESS, AT_SYMLINK_NOFOLLOW };
	int mode = (int)choose(op, 0, 9); /* 8 is no mode */
	int flag = flags[choose(op, 1, 3)];

	say(out, "faccessat(%s, %d, %#x)", name_label(op->name), mode, flag);
	return errno_or(faccessat(AT_FDCWD, side_path(side, op->name), mode, flag));
}

/* Says one entry by its number in the pool, and what it says of itself. */
static void see_entry(const struct side *side, const struct dirent *entry,
		      unsigned int seen[NAMES + 1])
{
	unsigned int name = name_find(entry->d_name);
	struct stat st = { 0 };
	char path[600];

	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return;
	snprintf(path, sizeof(path), "%s/%s", side->dir, entry->d_name);
	if (lstat(path, &st) < 0 || st.st_ino != entry->d_ino)
		seen[name] += 1000;
	seen[name] += 1 + 10 * (unsigned int)entry->d_type;
}

static long run_readdir(struct side *side, const struct op *op, struct outcome *out)
{
	unsigned int seen[NAMES + 1] = { 0 };
	struct dirent *entry;
	DIR *dir;
	long r;

	(void)op;
	say(out, "readdir()");
	dir = opendir(side->dir);
	if (!dir)
		return -errno;
	while (errno = 0, (entry = readdir(dir)))
		see_entry(side, entry, seen);
	r = -errno;
	closedir(dir);
	for (unsigned int i = 0; i <= NAMES; i++)
		say(out, " %u", seen[i]);
	return r;
}

/* The directory itself: other attributes of it change at their own times. */
static long run_stat_root(struct side *side, const struct op *op, struct outcome *out)
{
	struct stat st = { 0 };
	long r;

	(void)op;
	say(out, "stat(.)");
	r = errno_or(stat(side->dir, &st));
	say(out, " %06o %u:%u", st.st_mode, st.st_uid, st.st_gid);
	return r;
}

const struct call name_calls[] = {
	{ "rename", 30, MAY_BOTH, false, run_rename },
	{ "unlink", 20, MAY_BOTH, false, run_unlink },
	{ "link", 12, MAY_BOTH, false, run_link },
	{ "link_slot", 8, MAY_BOTH, false, run_link_slot },
	{ "symlink", 3, MAY_FAIL, false, run_symlink },
	{ "mkdir", 3, MAY_FAIL, false, run_mkdir },
	{ "mknod", 4, MAY_FAIL, false, run_mknod },
	{ "mknod_file", 5, MAY_BOTH, false, run_mknod_file },
	{ "access", 15, MAY_BOTH, false, run_access },
	{ "readdir", 8, MAY_SUCCEED, false, run_readdir },
	{ "stat_root", 3, MAY_SUCCEED, false, run_stat_root },
	{ 0 },
};
