/* SPDX-License-Identifier: MIT */
/* What is told besides: extended attributes, and about all segments together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "patience.h"
#include "util/cleanup.h"

enum { SECONDS = 5, VALUE = 64 };

#ifndef SHM_DEST
#define SHM_DEST 01000
#endif

/* How the value of an attribute is to be compared. */
enum sort { TEXT, PERSON, WHEN, MEMORY };

struct attribute {
	const char *name;
	enum sort sort;
	/* Its text on the model, or a negative errno. */
	long (*text)(const struct model *model, const struct found *found, char *text);
};

static long number(char *text, long long value)
{
	return snprintf(text, VALUE, "%lld", value);
}

static long text_key(const struct model *model, const struct found *found, char *text)
{
	(void)model;
	return snprintf(text, VALUE, "0x%08x", (unsigned int)found->ds.shm_perm.__key);
}

static long text_shmid(const struct model *model, const struct found *found, char *text)
{
	(void)model;
	return found->pending ? -ENODATA : number(text, found->id);
}

static long text_flags(const struct model *model, const struct found *found, char *text)
{
	bool dest = found->ds.shm_perm.mode & SHM_DEST;
	bool locked = found->ds.shm_perm.mode & SHM_LOCKED;

	(void)model;
	return snprintf(text, VALUE, "%s%s%s", dest ? "dest" : "",
			dest && locked ? "," : "", locked ? "locked" : "");
}

static long text_used(const struct model *model, const struct found *found, char *text)
{
	static struct table table;

	if (found->pending)
		return number(text, (long long)model_stat(model, found).st_blocks * 512);
	table_read(model->table, &model->people, &table);
	return number(text, (long long)table_used(&table, found->id));
}

static long io(bool passes, char *text)
{
	return snprintf(text, VALUE, "%s", passes ? "passthrough" : "direct");
}

static long text_io(const struct model *model, const struct found *found, char *text)
{
	return io(model->shares && !found->pending, text);
}

static long text_other(const struct model *model, const struct found *found, char *text)
{
	(void)model;
	(void)found;
	(void)text;
	return -EOPNOTSUPP;
}

static long text_none(const struct model *model, const struct found *found, char *text)
{
	(void)model;
	(void)found;
	(void)text;
	return -ENODATA;
}

#define TEXT_OF(column, member)                                                         \
	static long text_##column(const struct model *model, const struct found *found, \
				  char *text)                                           \
	{                                                                               \
		(void)model;                                                            \
		return number(text, (long long)found->ds.member);                       \
	}

TEXT_OF(cpid, shm_cpid)
TEXT_OF(lpid, shm_lpid)
TEXT_OF(nattch, shm_nattch)
TEXT_OF(cuid, shm_perm.cuid)
TEXT_OF(cgid, shm_perm.cgid)
TEXT_OF(atime, shm_atime)
TEXT_OF(dtime, shm_dtime)
TEXT_OF(ctime, shm_ctime)

static const struct attribute attributes[] = {
	{ "user.shmfs.key", TEXT, text_key },
	{ "user.shmfs.shmid", TEXT, text_shmid },
	{ "user.shmfs.cpid", PERSON, text_cpid },
	{ "user.shmfs.lpid", PERSON, text_lpid },
	{ "user.shmfs.nattch", TEXT, text_nattch },
	{ "user.shmfs.cuid", TEXT, text_cuid },
	{ "user.shmfs.cgid", TEXT, text_cgid },
	{ "user.shmfs.atime", WHEN, text_atime },
	{ "user.shmfs.dtime", WHEN, text_dtime },
	{ "user.shmfs.ctime", WHEN, text_ctime },
	{ "user.shmfs.rss", MEMORY, text_used },
	{ "user.shmfs.flags", TEXT, text_flags },
	{ "user.shmfs.io", TEXT, text_io },
	{ "user.shmfs.frob", TEXT, text_none },
	{ "user.frob", TEXT, text_other },
};

static const struct attribute *attribute_of(const struct op *op)
{
	return &attributes[choose(op, 0, sizeof(attributes) / sizeof(attributes[0]))];
}

/*
 * Enough, too little, or none: then it is the size that is asked for. Whether it is too
 * little for how much memory there is depends on that.
 */
static size_t room_of(const struct op *op)
{
	static const size_t rooms[] = { VALUE - 1, VALUE - 1, VALUE - 1, 0, 1 };

	return rooms[choose(op, 1, attribute_of(op)->sort == MEMORY ? 4 : 5)];
}

static void describe_get(const struct op *op, struct outcome *out)
{
	say(out, ", %s, %zu", attribute_of(op)->name, room_of(op));
}

static void describe_getxattr(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	describe_get(op, out);
}

static void describe_fgetxattr(const struct op *op, struct outcome *out)
{
	describe_slot(op, out);
	describe_get(op, out);
}

/* Says a value; how long it is says nothing where it differs by its nature. */
static long say_value(const struct op *op, const struct people *people, long r,
		      const char *text, struct outcome *out)
{
	enum sort sort = attribute_of(op)->sort;

	if (r < 0)
		return r;
	if (room_of(op) > 0 && sort == PERSON)
		say(out, " %s", people_name(people, (pid_t)atol(text)));
	else if (room_of(op) > 0 && sort == WHEN)
		say_when(out, "", atoll(text));
	else if (room_of(op) > 0 && sort == MEMORY)
		say_memory(out, strtoull(text, NULL, 10));
	else if (room_of(op) > 0)
		say(out, " '%s'", text);
	return sort == TEXT ? r : 0;
}

/* What fits, or what there would be. */
static long fit(const struct op *op, long r)
{
	return r > (long)room_of(op) && room_of(op) > 0 ? -ERANGE : r;
}

static ssize_t get_by_name(struct side *side, const struct op *op, const char *name,
			   char *value, size_t size)
{
	return getxattr(side_path(side, op), name, value, size);
}

static ssize_t get_by_slot(struct side *side, const struct op *op, const char *name,
			   char *value, size_t size)
{
	return fgetxattr(side->fds[op->slot], name, value, size);
}

typedef ssize_t (*get_t)(struct side *, const struct op *, const char *, char *, size_t);

/* How much memory it is is that of the last moment, until it is looked at again. */
static void await_memory(struct side *side, const struct op *op, get_t get)
{
	struct patience patience = patience_of(SECONDS);
	char id[VALUE] = "", used[VALUE] = "";

	if (get(side, op, "user.shmfs.shmid", id, VALUE - 1) < 0)
		return;
	while (get(side, op, attribute_of(op)->name, used, VALUE - 1) > 0 &&
	       strtoull(used, NULL, 10) != side_used(side, atoi(id)) &&
	       !patience_over(&patience))
		memset(used, 0, sizeof(used));
}

static long mount_get(struct side *side, const struct op *op, struct outcome *out,
		      get_t get)
{
	const struct attribute *attribute = attribute_of(op);
	char value[VALUE] = "";
	long r;

	if (attribute->sort == MEMORY)
		await_memory(side, op, get);
	r = errno_or(get(side, op, attribute->name, value, room_of(op)));
	return say_value(op, &side->people, r, value, out);
}

static long mount_getxattr(struct side *side, const struct op *op, struct outcome *out)
{
	return mount_get(side, op, out, get_by_name);
}

static long mount_fgetxattr(struct side *side, const struct op *op, struct outcome *out)
{
	return mount_get(side, op, out, get_by_slot);
}

static long model_getxattr(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);
	char text[VALUE] = "";
	struct found found;
	int r = model_find(model, &name, &found);

	if (r < 0)
		return r;
	return say_value(op, &model->people,
			 fit(op, attribute_of(op)->text(model, &found, text)), text, out);
}

static long model_fgetxattr(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	char text[VALUE] = "";
	struct found found;
	long r;

	if (!f)
		return -EBADF;
	found = file_found(f);
	r = attribute_of(op)->text == text_io
		    ? io(model->shares && !f->direct, text)
		    : attribute_of(op)->text(model, &found, text);
	return say_value(op, &model->people, fit(op, r), text, out);
}

static void describe_setxattr(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	say(out, ", %s%s", attribute_of(op)->name, chance(op, 2, 50) ? " away" : "");
}

static long mount_setxattr(struct side *side, const struct op *op, struct outcome *out)
{
	const char *path = side_path(side, op), *name = attribute_of(op)->name;

	(void)out;
	if (chance(op, 2, 50))
		return errno_or(removexattr(path, name));
	return errno_or(setxattr(path, name, "x", 1, 0));
}

static long model_setxattr(struct model *model, const struct op *op, struct outcome *out)
{
	struct name name = op_name(op);
	struct found found;
	int r = model_find(model, &name, &found);

	(void)out;
	if (r < 0)
		return r;
	return attribute_of(op)->text == text_other ? -EOPNOTSUPP : -EPERM;
}

static void say_room(struct outcome *out, const struct statvfs *st)
{
	say(out, "{%lu, %lu: %lu/%lu/%lu blocks, %lu/%lu/%lu files, names of %lu}",
	    st->f_bsize, st->f_frsize, st->f_bavail, st->f_bfree, st->f_blocks,
	    st->f_favail, st->f_ffree, st->f_files, st->f_namemax);
}

static void describe_nothing(const struct op *op, struct outcome *out)
{
	(void)op;
	(void)out;
}

static long mount_statvfs(struct side *side, const struct op *op, struct outcome *out)
{
	struct statvfs st = { 0 };
	long r = errno_or(statvfs(side->dir, &st));

	(void)op;
	say_room(out, &st);
	return r;
}

static long model_statvfs(struct model *model, const struct op *op, struct outcome *out)
{
	struct statvfs st = { .f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255 };
	struct shm_info used;
	struct shminfo limits;

	(void)model;
	(void)op;
	if (shmctl(0, IPC_INFO, (void *)&limits) < 0 ||
	    shmctl(0, SHM_INFO, (void *)&used) < 0)
		return -errno;
	st.f_blocks = limits.shmall;
	st.f_bavail = st.f_bfree = limits.shmall - used.shm_tot;
	st.f_files = limits.shmmni;
	st.f_favail = st.f_ffree = limits.shmmni - (unsigned int)used.used_ids;
	say_room(out, &st);
	return 0;
}

const struct call tell_calls[] = {
	{ "getxattr", 40, MAY_BOTH, describe_getxattr, mount_getxattr, model_getxattr,
	  NULL },
	{ "fgetxattr", 25, MAY_BOTH, describe_fgetxattr, mount_fgetxattr, model_fgetxattr,
	  NULL },
	{ "setxattr", 4, MAY_FAIL, describe_setxattr, mount_setxattr, model_setxattr,
	  NULL },
	{ "statvfs", 6, MAY_SUCCEED, describe_nothing, mount_statvfs, model_statvfs,
	  NULL },
	{ 0 },
};
