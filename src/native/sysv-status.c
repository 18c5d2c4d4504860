/* SPDX-License-Identifier: MIT */
/*
 * SHM_STAT_ANY takes the place of a segment in the kernel's table, which is the low bits
 * of its identifier; the kernel masks them itself, so the identifier will do, and it
 * answers with that of what is in that place.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#include "native/sysv-status.h"
#include "util/hash.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15 /* Linux 4.17 */
#endif

#ifndef SHM_DEST
#define SHM_DEST 01000
#endif

int sysv_status(int id, struct shmid_ds *ret)
{
	int found;

	/* Not all tools that check memory know that this command fills it. */
	memset(ret, 0, sizeof(*ret));
	found = shmctl(id, SHM_STAT_ANY, ret);
	if (found < 0)
		return errno == EINVAL || errno == EIDRM ? -ENOENT : -errno;
	return found == id ? 0 : -ENOENT;
}

int64_t sysv_birth(const struct shmid_ds *ds)
{
	struct {
		uint64_t size;
		uint64_t cpid;
		uint64_t cuid;
		uint64_t cgid;
	} made = {
		.size = ds->shm_segsz,
		.cpid = (uint64_t)ds->shm_cpid,
		.cuid = ds->shm_perm.cuid,
		.cgid = ds->shm_perm.cgid,
	};
	uint64_t when = (uint64_t)ds->shm_ctime;

	return (int64_t)(when << 32 | hash_bytes(&made, sizeof(made)));
}

bool sysv_may_be(int64_t birth, const struct shmid_ds *ds)
{
	int64_t now = sysv_birth(ds);

	return (uint32_t)now == (uint32_t)birth && now >= birth;
}

bool sysv_is_removed(const struct shmid_ds *ds)
{
	return ds->shm_perm.mode & SHM_DEST;
}

static bool owns(const struct ipc_perm *perm, uid_t uid)
{
	return uid == perm->uid || uid == perm->cuid;
}

/* Who asks, in effect: without root nobody can be but the process's own user. */
static uid_t user_of(const struct caller *caller)
{
	uid_t self = geteuid();

	return caller && self == 0 ? caller->uid : self;
}

int sysv_allows(const struct shmid_ds *ds, const struct caller *caller, int mask)
{
	const struct ipc_perm *perm = &ds->shm_perm;
	uid_t uid = user_of(caller);
	unsigned int granted = perm->mode;

	/* CAP_IPC_OWNER, which goes for execution, too. */
	if (uid == 0 && caller_has(caller, CAP_IPC_OWNER))
		return 0;
	if (owns(perm, uid))
		granted >>= 6;
	else if (caller_is_in(caller, perm->gid) || caller_is_in(caller, perm->cgid))
		granted >>= 3;
	return (unsigned int)mask & ~granted & 7 ? -EACCES : 0;
}

bool sysv_may_set(const struct ipc_perm *perm, const struct caller *caller)
{
	return !caller || caller_owns(caller, perm->uid) ||
	       caller_owns(caller, perm->cuid) ||
	       (caller->uid == 0 && caller_has(caller, CAP_SYS_ADMIN));
}

enum caller_groups sysv_groups_decide(const struct shmid_ds *ds,
				      const struct caller *caller)
{
	const struct ipc_perm *perm = &ds->shm_perm;

	if (!caller || (caller->uid == 0 && !caller_hides()) ||
	    caller_owns(caller, perm->uid) || caller_owns(caller, perm->cuid) ||
	    ((perm->mode >> 3) & 7) == (perm->mode & 7))
		return GROUPS_NONE;
	return caller_group_hides(perm->gid) || caller_group_hides(perm->cgid)
		       ? GROUPS_ALL
		       : GROUPS_NUMBERED;
}
