/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The segments of an IPC namespace as /proc/sysvipc/shm tells of them: all of them, to
 * everybody, and without touching any.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

/* One segment; the names are those of the columns. */
struct sysv_row {
	key_t key;
	int shmid;
	unsigned int perms; /* the mode with its flags, SHM_DEST and SHM_LOCKED */
	uint64_t size;      /* bytes */
	pid_t cpid, lpid;
	uint64_t nattch;
	uid_t uid;
	gid_t gid;
	uid_t cuid;
	gid_t cgid;
	int64_t atime, dtime, ctime; /* seconds since the epoch, 0: never */
	uint64_t rss, swap;          /* bytes */
};

struct sysv_table {
	size_t n;
	struct sysv_row rows[]; /* by ascending shmid, each once */
};

/* Reads the namespace of the calling thread. 0 or a negative errno. */
int sysv_table_read(struct sysv_table **ret);
/*
 * What /proc/sysvipc/shm says, as text of @size bytes without an end mark: -EINVAL where
 * that is not what the kernel writes. Columns may be in any order, and more than these.
 * Of rows with the same shmid, which is one segment told of twice, the last is taken.
 */
int sysv_table_parse(const char *text, size_t size, struct sysv_table **ret);
/* Takes NULL, returns NULL. */
struct sysv_table *sysv_table_free(struct sysv_table *t);
DEFINE_CLEANUP(struct sysv_table, sysv_table, sysv_table_free);

/* The row of @shmid, or NULL. */
const struct sysv_row *sysv_table_find(const struct sysv_table *t, int shmid);
