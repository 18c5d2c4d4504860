/* SPDX-License-Identifier: MIT */
/* The native calls, which are made on both sides, and what they leave for files to see.
 */
#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

#define NOWHERE ((void *)-1)

static key_t key_of(const struct op *op)
{
	struct name name = op_name(op);

	return name.meaning == BY_KEY ? name.key : 1;
}

static int get_flags(const struct op *op)
{
	int flags = (int)op->mode;

	if (chance(op, 0, 85))
		flags |= IPC_CREAT;
	return chance(op, 1, 10) ? flags | IPC_EXCL : flags;
}

static void describe_shmget(const struct op *op, struct outcome *out)
{
	say(out, "%#x, %lld, %#o", (unsigned int)key_of(op), (long long)op->size,
	    get_flags(op));
}

static long run_shmget(struct natives *natives, const struct op *op, struct outcome *out)
{
	(void)natives;
	(void)out;
	return errno_or(shmget(key_of(op), (size_t)op->size, get_flags(op)));
}

static void describe_id(const struct op *op, struct outcome *out)
{
	say(out, "%d", op->id);
}

static struct attachment *place_of(struct natives *natives, const struct op *op)
{
	return &natives->attachments[op->slot % ATTACHMENTS];
}

static int attach_flags(const struct op *op)
{
	return chance(op, 0, 40) ? SHM_RDONLY : 0;
}

static void describe_shmat(const struct op *op, struct outcome *out)
{
	say(out, "%d, %#x, as attachment %u", op->id, attach_flags(op),
	    op->slot % ATTACHMENTS);
}

static size_t whole_pages(int id)
{
	struct shmid_ds ds;

	if (shmctl(id, SHM_STAT_ANY, &ds) != id)
		return 0;
	return (ds.shm_segsz + 4095) / 4096 * 4096;
}

static long detach(struct attachment *a)
{
	void *at = take_ptr(a->at);

	return at ? errno_or(shmdt(at)) : -EINVAL;
}

static long run_shmat(struct natives *natives, const struct op *op, struct outcome *out)
{
	struct attachment *a = place_of(natives, op);
	void *at;

	(void)out;
	detach(a);
	at = shmat(op->id, NULL, attach_flags(op));
	if (at == NOWHERE)
		return -errno;
	*a = (struct attachment){ at, whole_pages(op->id), !attach_flags(op) };
	return 0;
}

static void describe_attachment(const struct op *op, struct outcome *out)
{
	say(out, "attachment %u", op->slot % ATTACHMENTS);
}

static long run_shmdt(struct natives *natives, const struct op *op, struct outcome *out)
{
	(void)out;
	return detach(place_of(natives, op));
}

/* A part of what is attached, at least one byte, or NULL. */
static unsigned char *part(const struct attachment *a, const struct op *op,
			   struct outcome *out, size_t *ret_length)
{
	size_t start, most;

	if (!a->at)
		return NULL;
	start = choose(op, 5, (unsigned int)a->length);
	most = a->length - start;
	*ret_length = 1 + choose(op, 6, most < 9000 ? (unsigned int)most : 9000);
	say(out, " %zu bytes at %zu", *ret_length, start);
	return a->at + start;
}

static long run_load(struct natives *natives, const struct op *op, struct outcome *out)
{
	size_t length;
	unsigned char *at = part(place_of(natives, op), op, out, &length);

	if (!at)
		return -EINVAL;
	say_bytes(out, at, length);
	return 0;
}

static long run_store(struct natives *natives, const struct op *op, struct outcome *out)
{
	struct attachment *a = place_of(natives, op);
	size_t length;
	unsigned char *at = part(a, op, out, &length);

	if (!at)
		return -EINVAL;
	if (!a->writable)
		return -EACCES;
	memcpy(at, op_bytes(op), length);
	return 0;
}

/* A child inherits what is attached, and detaches it by its end. */
static long run_fork(struct natives *natives, const struct op *op, struct outcome *out)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run_store(natives, op, out) < 0);
	return pid < 0 ? -errno : errno_or(waitpid(pid, NULL, 0)) < 0;
}

static long run_rmid(struct natives *natives, const struct op *op, struct outcome *out)
{
	(void)natives;
	(void)out;
	return errno_or(shmctl(op->id, IPC_RMID, NULL));
}

static struct ipc_perm perm_of(const struct op *op)
{
	static const uid_t owners[] = { 0, 1000, 1001, 1000 };
	static const gid_t groups[] = { 0, 1000, 1001, 2000, 2001 };

	return (struct ipc_perm){
		.uid = owners[choose(op, 0, 4)],
		.gid = groups[choose(op, 1, 5)],
		.mode = op->mode,
	};
}

static void describe_set(const struct op *op, struct outcome *out)
{
	struct ipc_perm perm = perm_of(op);

	say(out, "%d, %u:%u %04o", op->id, perm.uid, perm.gid, perm.mode);
}

static long run_set(struct natives *natives, const struct op *op, struct outcome *out)
{
	struct shmid_ds ds = { .shm_perm = perm_of(op) };

	(void)natives;
	(void)out;
	return errno_or(shmctl(op->id, IPC_SET, &ds));
}

static int lock_command(const struct op *op)
{
	return chance(op, 0, 50) ? SHM_LOCK : SHM_UNLOCK;
}

static void describe_lock(const struct op *op, struct outcome *out)
{
	say(out, "%d, %d", op->id, lock_command(op));
}

/* How much others may lock is one sum over both sides; so they lock nothing. */
static long run_lock(struct natives *natives, const struct op *op, struct outcome *out)
{
	(void)natives;
	(void)out;
	if (op->user != USER_ROOT)
		return -EPERM;
	return errno_or(shmctl(op->id, lock_command(op), NULL));
}

/* Reading alone would leave pages of zeros that the kernel can take back. */
static void touch_all(volatile unsigned char *at, size_t length)
{
	for (size_t i = 0; i < length; i += 4096)
		at[i] = at[i];
}

/* All bytes, those behind the end in the last page too. */
static long run_dump(struct natives *natives, const struct op *op, struct outcome *out)
{
	void *at = shmat(op->id, NULL, 0);

	(void)natives;
	if (at == NOWHERE)
		return -errno;
	touch_all(at, whole_pages(op->id));
	say_bytes(out, at, whole_pages(op->id));
	return errno_or(shmdt(at));
}

const struct call native_calls[] = {
	{ "shmget", 70, MAY_BOTH, describe_shmget, NULL, NULL, run_shmget },
	{ "shmat", 50, MAY_BOTH, describe_shmat, NULL, NULL, run_shmat },
	{ "shmdt", 15, MAY_BOTH, describe_attachment, NULL, NULL, run_shmdt },
	{ "shm_load", 25, MAY_BOTH, describe_attachment, NULL, NULL, run_load },
	{ "shm_store", 40, MAY_BOTH, describe_attachment, NULL, NULL, run_store },
	{ "shm_fork", 4, MAY_SUCCEED, describe_attachment, NULL, NULL, run_fork },
	{ "shm_remove", 20, MAY_BOTH, describe_id, NULL, NULL, run_rmid },
	{ "shm_set", 25, MAY_BOTH, describe_set, NULL, NULL, run_set },
	{ "shm_lock", 6, MAY_BOTH, describe_lock, NULL, NULL, run_lock },
	{ "shm_dump", 15, MAY_BOTH, describe_id, NULL, NULL, run_dump },
	{ 0 },
};
