/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "attack/objects.h"
#include "attack/segments.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const mode_t modes[] = { 0600, 0644, 0666, 0640, 0 };

/* Where /proc/sys cannot be written, identifiers are used again late. */
static void choose_id(int id)
{
	_cleanup_close_ int fd =
		open("/proc/sys/kernel/shm_next_id", O_WRONLY | O_CLOEXEC);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", id);

	if (fd >= 0)
		(void)!write(fd, text, (size_t)n);
}

static int make(uid_t uid, key_t key, mode_t mode)
{
	int id;

	if (setegid(uid) < 0 || seteuid(uid) < 0)
		return -1;
	id = shmget(key, SEGMENT_SIZE, IPC_CREAT | IPC_EXCL | (int)mode);
	if (seteuid(getuid()) < 0 || setegid(getgid()) < 0)
		_exit(1);
	return id;
}

/* What is in the way goes, whosever it is, and the new one gets its identifier. */
static void remove_key(void)
{
	int id = shmget(SEGMENT_KEY, 0, 0);

	if (id >= 0 && shmctl(id, IPC_RMID, NULL) == 0)
		choose_id(id);
}

static void mark(char *memory, uid_t uid, mode_t mode)
{
	static uint32_t serial;
	const struct segment_mark m = { 0, uid, mode, ++serial };
	uint32_t magic = SEGMENT_MAGIC;

	memcpy(memory, &m, sizeof(m));
	/* Last: then all of it is there. */
	__atomic_store((uint32_t *)(void *)memory, &magic, __ATOMIC_RELEASE);
}

/* Marks the segment if it is still the one that was made: attached it stays that. */
static void mark_own(int id, char *memory, uid_t uid, mode_t mode)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_perm.uid == uid)
		mark(memory, uid, mode);
}

/* Another's segment is as it was made, but that the victim may have written to it, if
 * its mode says so. */
static void check(struct arena *arena, int id, const char *memory, uid_t uid, mode_t mode)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) < 0 || ds.shm_perm.mode & SHM_DEST)
		arena_breach(arena, "mode %o of user %u was removed", mode, uid);
	else if ((ds.shm_perm.mode & 0777) != mode || ds.shm_perm.uid != uid)
		arena_breach(arena, "mode %o of user %u has become mode %o of user %u",
			     mode, uid, ds.shm_perm.mode & 0777, ds.shm_perm.uid);
	else if ((mode & 6) != 6 && memory[SEGMENT_SCRATCH] != 0)
		arena_breach(arena, "mode %o of user %u was written to", mode, uid);
}

void segments_round(struct arena *arena, void *context)
{
	const uid_t *victim = context;
	const uid_t owners[] = { 0, MAKER_UID, OTHER_UID, VICTIM_UID };
	uid_t uid = owners[arena_random(COUNT(owners))];
	mode_t mode = modes[arena_random(COUNT(modes))];
	key_t key = arena_random(3) ? SEGMENT_KEY : IPC_PRIVATE;
	char *memory;
	int id;

	choose_id(SEGMENT_ID);
	id = make(uid, key, mode);
	if (id < 0) {
		remove_key();
		id = make(uid, key, mode);
	}
	if (id < 0)
		return;
	arena_attacked(arena);
	memory = shmat(id, NULL, 0);
	if (memory != (void *)-1) {
		mark_own(id, memory, uid, mode);
		arena_dwell();
		/* Its owner may do what he wants, and so may root. */
		if (*victim != 0 && *victim != uid)
			check(arena, id, memory, uid, mode);
		shmdt(memory);
	}
	shmctl(id, IPC_RMID, NULL);
	arena_dwell();
}

void segments_own_round(struct arena *arena, void *context)
{
	mode_t mode = modes[arena_random(COUNT(modes))];
	int id = shmget(SEGMENT_KEY, SEGMENT_SIZE, IPC_CREAT | IPC_EXCL | (int)mode);
	char *memory;

	(void)context;
	if (id < 0)
		return;
	arena_attacked(arena);
	memory = mode & 0600 ? shmat(id, NULL, 0) : (void *)-1;
	if (memory != (void *)-1) {
		mark_own(id, memory, geteuid(), mode);
		shmdt(memory);
	}
	if (arena_random(2) == 0)
		arena_dwell();
	shmctl(id, IPC_RMID, NULL);
}

void segments_clear(void)
{
	struct shm_info info;
	struct shmid_ds ds;
	int max = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);

	for (int i = 0; i <= max; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		if (id >= 0)
			shmctl(id, IPC_RMID, NULL);
	}
}
