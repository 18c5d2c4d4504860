/* SPDX-License-Identifier: MIT */
/*
 * The kind "all": it has no objects, but a directory for each of its members, and nothing
 * in it can be changed. What is in those directories is the members' own, see fs/tree.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "native/kind.h"

/* No member's objects are counted up to here. */
#define ROOT_INODE (UINT64_C(1) << 63)

struct all_kind {
	struct kind kind;
	struct native_file root;
	struct timespec since; /* the only time that it knows */
};

/* There is nothing that would tell one listing from another. */
struct native_list {
	uint64_t inode; /* of the directory */
};

static struct native_list listing = { ROOT_INODE };

static const struct kind_ops *const members[] = { &kind_posix, &kind_sysv, NULL };

#define MEMBERS (sizeof(members) / sizeof(members[0]) - 1)

static bool is_member(const char *name)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (strcmp(members[i]->name, name) == 0)
			return true;
	return false;
}

static int all_new(const struct kind_config *config, struct kind **ret)
{
	struct all_kind *a = malloc(sizeof(*a));

	(void)config;
	if (!a)
		return -ENOMEM;
	*a = (struct all_kind){ .kind.ops = &kind_all, .root.kind = &a->kind };
	atomic_init(&a->root.refs, 1);
	clock_gettime(CLOCK_REALTIME, &a->since);
	*ret = &a->kind;
	return 0;
}

static void all_free(struct kind *k)
{
	free(k);
}

static struct native_file *all_root(struct kind *k)
{
	return &((struct all_kind *)k)->root;
}

/* The members have what can be counted. */
static int all_statfs(struct kind *k, struct statvfs *ret)
{
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);

	(void)k;
	*ret = (struct statvfs){ .f_bsize = page, .f_frsize = page, .f_namemax = 255 };
	return 0;
}

static int all_list_open(struct kind *k, const struct caller *caller,
			 struct native_list **ret)
{
	(void)k;
	(void)caller;
	*ret = &listing;
	return 0;
}

/* What inode a member's directory has, its file system knows. */
static int all_list_next(struct native_list *l, int64_t position, struct list_entry *ret)
{
	static const char *const dots[] = { ".", ".." };
	size_t at = (size_t)position;

	if (at >= 2 + MEMBERS)
		return 0;
	*ret = (struct list_entry){
		.name = at < 2 ? dots[at] : members[at - 2]->name,
		.inode = at < 2 ? l->inode : l->inode + at - 1,
		.type = S_IFDIR,
		.next = position + 1,
	};
	return 1;
}

static void all_list_close(struct native_list *l)
{
	(void)l;
}

static int all_lookup(struct kind *k, const struct caller *caller, const char *name,
		      struct native_file **ret, struct object_info *ret_info)
{
	(void)k;
	(void)caller;
	(void)name;
	(void)ret;
	(void)ret_info;
	return -ENOENT;
}

static int all_create(struct kind *k, const struct caller *caller, const char *name,
		      int flags, mode_t mode, struct native_file **ret,
		      struct object_info *ret_info)
{
	(void)k;
	(void)caller;
	(void)name;
	(void)flags;
	(void)mode;
	(void)ret;
	(void)ret_info;
	return -EPERM;
}

static int all_remove(struct kind *k, const struct caller *caller, const char *name)
{
	(void)k;
	(void)caller;
	return is_member(name) ? -EISDIR : -ENOENT;
}

static int all_open(struct native_file *f, const struct caller *caller, int flags,
		    struct native_file **ret)
{
	(void)f;
	(void)caller;
	(void)flags;
	(void)ret;
	return -EISDIR;
}

static int all_stat(struct native_file *f, struct object_info *ret)
{
	const struct all_kind *a = (const struct all_kind *)f->kind;

	*ret = (struct object_info){
		.id.inode = ROOT_INODE,
		.stat = {
			.st_ino = ROOT_INODE,
			.st_mode = S_IFDIR | 0555,
			.st_nlink = 2 + MEMBERS,
			.st_blksize = sysconf(_SC_PAGESIZE),
			.st_atim = a->since,
			.st_mtim = a->since,
			.st_ctim = a->since,
		},
	};
	return 0;
}

static int all_access(struct native_file *f, const struct caller *caller, int mask)
{
	(void)f;
	return mask & W_OK && caller && caller->uid != 0 ? -EACCES : 0;
}

static int all_truncate(struct native_file *f, const struct caller *caller, uint64_t size)
{
	(void)f;
	(void)caller;
	(void)size;
	return -EISDIR;
}

static int all_chmod(struct native_file *f, const struct caller *caller, mode_t mode)
{
	(void)f;
	(void)caller;
	(void)mode;
	return -EPERM;
}

static int all_chown(struct native_file *f, const struct caller *caller, uid_t uid,
		     gid_t gid)
{
	(void)f;
	(void)caller;
	(void)uid;
	(void)gid;
	return -EPERM;
}

/* Nothing can have been open but listings. */
static int all_adopt(struct kind *k, const struct native_remains *r,
		     struct native_file **ret)
{
	(void)k;
	(void)r;
	(void)ret;
	return -ESTALE;
}

static int all_list_adopt(int *fd, struct native_list **ret)
{
	(void)fd;
	*ret = &listing;
	return 0;
}

/* The last reference is the kind's own, which never goes by native_file_unref(). */
static void all_close(struct native_file *f)
{
	(void)f;
}

/* Nothing is ever open, so what only open files have is left out. */
const struct kind_ops kind_all = {
	.name = "all",
	.members = members,
	.new = all_new,
	.free = all_free,
	.root = all_root,
	.statfs = all_statfs,
	.list_open = all_list_open,
	.list_next = all_list_next,
	.list_close = all_list_close,
	.lookup = all_lookup,
	.create = all_create,
	.remove = all_remove,
	.open = all_open,
	.stat = all_stat,
	.access = all_access,
	.truncate = all_truncate,
	.chmod = all_chmod,
	.chown = all_chown,
	.close = all_close,
	.adopt = all_adopt,
	.list_adopt = all_list_adopt,
};
