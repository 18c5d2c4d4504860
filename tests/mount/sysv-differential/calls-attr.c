/* SPDX-License-Identifier: MIT */
/* Attributes: IPC_SET as the user who asks, and who may do what. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static int look_by_name(struct side *side, const struct op *op, struct stat *ret)
{
	return lstat(side_path(side, op), ret);
}

static int look_by_slot(struct side *side, const struct op *op, struct stat *ret)
{
	return fstat(side->fds[op->slot], ret);
}

static long mount_stat(struct side *side, const struct op *op, struct outcome *out)
{
	return side_say_stat(side, op, out, look_by_name);
}

static long mount_fstat(struct side *side, const struct op *op, struct outcome *out)
{
	return side_say_stat(side, op, out, look_by_slot);
}

/* What the name, or the descriptor, of the operation leads to. */
static int find_named(struct model *model, const struct op *op, struct found *ret)
{
	struct name name = op_name(op);

	return model_find(model, &name, ret);
}

static int find_open(struct model *model, const struct op *op, struct found *ret)
{
	struct file *f = model_file(model, op);

	if (!f)
		return -EBADF;
	*ret = file_found(f);
	return 0;
}

static long say_found(struct model *model, int r, const struct found *found,
		      struct outcome *out)
{
	struct stat st;

	if (r < 0)
		return r;
	st = model_stat(model, found);
	say_attributes(out, &st);
	return 0;
}

static long model_stat_named(struct model *model, const struct op *op,
			     struct outcome *out)
{
	struct found found;
	int r = find_named(model, op, &found);

	return say_found(model, r, &found, out);
}

static long model_stat_open(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	int r = find_open(model, op, &found);

	return say_found(model, r, &found, out);
}

/* IPC_SET of what @ds says; a pending file has the same rule, and keeps its time. */
static long set(const struct found *found, enum user user)
{
	struct shmid_ds ds = found->ds;
	long r;

	if (found->pending) {
		if (!model_owns(&found->pending->perm, user))
			return -EPERM;
		found->pending->perm = ds.shm_perm;
		return 0;
	}
	user_become(user);
	r = errno_or(shmctl(found->id, IPC_SET, &ds));
	user_return();
	return r;
}

/* Mostly what a mode can have, and sometimes what is left out. */
static mode_t mode_to_set(const struct op *op)
{
	return chance(op, 0, 15) ? op->mode | 06000 : op->mode;
}

static void describe_chmod(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	say(out, ", %04o", mode_to_set(op));
}

static void describe_fchmod(const struct op *op, struct outcome *out)
{
	describe_slot(op, out);
	say(out, ", %04o", mode_to_set(op));
}

static long mount_chmod(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(chmod(side_path(side, op), mode_to_set(op)));
}

static long mount_fchmod(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(fchmod(side->fds[op->slot], mode_to_set(op)));
}

static long set_mode(const struct op *op, int r, struct found *found)
{
	found->ds.shm_perm.mode = mode_to_set(op) & 0777;
	return r < 0 ? r : set(found, op->user);
}

static long model_chmod(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	int r = find_named(model, op, &found);

	(void)out;
	return set_mode(op, r, &found);
}

static long model_fchmod(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	int r = find_open(model, op, &found);

	(void)out;
	return set_mode(op, r, &found);
}

static uid_t new_owner(const struct op *op)
{
	static const uid_t owners[] = { (uid_t)-1, 0, 1000, 1001, 1000 };

	return owners[choose(op, 0, 5)];
}

static gid_t new_group(const struct op *op)
{
	static const gid_t groups[] = { (gid_t)-1, 0, 1000, 1001, 2000, 2001, 2000 };

	return groups[choose(op, 1, 7)];
}

static void describe_owner(const struct op *op, struct outcome *out)
{
	say(out, ", %d, %d", (int)new_owner(op), (int)new_group(op));
}

static void describe_chown(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	describe_owner(op, out);
}

static void describe_fchown(const struct op *op, struct outcome *out)
{
	describe_slot(op, out);
	describe_owner(op, out);
}

static long mount_chown(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(lchown(side_path(side, op), new_owner(op), new_group(op)));
}

static long mount_fchown(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(fchown(side->fds[op->slot], new_owner(op), new_group(op)));
}

/* To set nothing is everybody's right. */
static long set_owner(const struct op *op, int r, struct found *found)
{
	uid_t uid = new_owner(op);
	gid_t gid = new_group(op);

	if (r < 0)
		return r;
	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		return 0;
	if (uid != (uid_t)-1)
		found->ds.shm_perm.uid = uid;
	if (gid != (gid_t)-1)
		found->ds.shm_perm.gid = gid;
	return set(found, op->user);
}

static long model_chown(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	int r = find_named(model, op, &found);

	(void)out;
	return set_owner(op, r, &found);
}

static long model_fchown(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	int r = find_open(model, op, &found);

	(void)out;
	return set_owner(op, r, &found);
}

/* 8 is no mode. */
static int access_mode(const struct op *op)
{
	return (int)choose(op, 0, 9);
}

static void describe_access(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	say(out, ", %d", access_mode(op));
}

static long mount_access(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return errno_or(access(side_path(side, op), access_mode(op)));
}

/* To write is to read as well, as in opening. */
static long model_access(struct model *model, const struct op *op, struct outcome *out)
{
	int mode = access_mode(op);
	struct found found;
	int r;

	(void)out;
	if (mode > 7)
		return -EINVAL;
	r = find_named(model, op, &found);
	if (r < 0)
		return r;
	if (mode & W_OK)
		mode |= R_OK;
	return model_allows(&found.ds.shm_perm, op->user, mode) ? 0 : -EACCES;
}

static void new_times(const struct op *op, struct timespec ret[2])
{
	static const long nanoseconds[] = { 0, 5, UTIME_NOW, UTIME_OMIT, 1000000000 };

	for (unsigned int i = 0; i < 2; i++)
		ret[i] = (struct timespec){
			.tv_sec = choose(op, i, 900000000),
			.tv_nsec = nanoseconds[choose(op, i + 2, 5)],
		};
}

static bool are_now(const struct op *op)
{
	return chance(op, 7, 15);
}

static void describe_times(const struct op *op, struct outcome *out)
{
	struct timespec times[2];

	new_times(op, times);
	for (unsigned int i = 0; i < 2 && !are_now(op); i++)
		say(out, ", %lld.%09ld", (long long)times[i].tv_sec, times[i].tv_nsec);
}

static void describe_utimens(const struct op *op, struct outcome *out)
{
	describe_name(op, out);
	describe_times(op, out);
}

static void describe_futimens(const struct op *op, struct outcome *out)
{
	describe_slot(op, out);
	describe_times(op, out);
}

static long mount_utimens(struct side *side, const struct op *op, struct outcome *out)
{
	struct timespec times[2];

	(void)out;
	new_times(op, times);
	return errno_or(
		utimensat(AT_FDCWD, side_path(side, op), are_now(op) ? NULL : times, 0));
}

static long mount_futimens(struct side *side, const struct op *op, struct outcome *out)
{
	struct timespec times[2];

	(void)out;
	new_times(op, times);
	return errno_or(futimens(side->fds[op->slot], are_now(op) ? NULL : times));
}

/* Whether the kernel does not even look at the file. */
static bool sets_nothing(const struct op *op)
{
	struct timespec times[2];

	new_times(op, times);
	return !are_now(op) && times[0].tv_nsec == UTIME_OMIT &&
	       times[1].tv_nsec == UTIME_OMIT;
}

/* Nobody can set what tells when it was attached, but who may set the rest may say so. */
static long set_times(const struct op *op, const struct found *found, int r)
{
	const struct ipc_perm *perm = &found->ds.shm_perm;
	struct timespec times[2];
	bool now;

	if (sets_nothing(op) || r < 0)
		return sets_nothing(op) ? 0 : r;
	new_times(op, times);
	if (!are_now(op) &&
	    (times[0].tv_nsec == 1000000000 || times[1].tv_nsec == 1000000000))
		return -EINVAL;
	now = are_now(op) ||
	      (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	if (model_owns(perm, op->user))
		return 0;
	if (!now)
		return -EPERM;
	return model_allows(perm, op->user, R_OK | W_OK) ? 0 : -EACCES;
}

static long model_utimens(struct model *model, const struct op *op, struct outcome *out)
{
	struct found found;
	int r = find_named(model, op, &found);

	(void)out;
	return set_times(op, &found, r);
}

static long model_futimens(struct model *model, const struct op *op, struct outcome *out)
{
	struct file *f = model_file(model, op);
	struct found found;

	(void)out;
	if (!f)
		return -EBADF;
	found = file_found(f);
	return set_times(op, &found, 0);
}

const struct call attr_calls[] = {
	{ "stat", 40, MAY_BOTH, describe_name, mount_stat, model_stat_named, NULL },
	{ "fstat", 40, MAY_BOTH, describe_slot, mount_fstat, model_stat_open, NULL },
	{ "chmod", 20, MAY_BOTH, describe_chmod, mount_chmod, model_chmod, NULL },
	{ "fchmod", 15, MAY_BOTH, describe_fchmod, mount_fchmod, model_fchmod, NULL },
	{ "chown", 20, MAY_BOTH, describe_chown, mount_chown, model_chown, NULL },
	{ "fchown", 15, MAY_BOTH, describe_fchown, mount_fchown, model_fchown, NULL },
	{ "access", 25, MAY_BOTH, describe_access, mount_access, model_access, NULL },
	{ "utimens", 4, MAY_BOTH, describe_utimens, mount_utimens, model_utimens, NULL },
	{ "futimens", 4, MAY_BOTH, describe_futimens, mount_futimens, model_futimens,
	  NULL },
	{ 0 },
};
