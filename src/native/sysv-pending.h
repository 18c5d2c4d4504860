/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Files that have a name and no size yet. A segment gets its size when it is made and
 * keeps it, so there is none before somebody has said how large: until then it is
 * pending, as long as a file is open on it.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/shm.h>

#include "native/sysv-notes.h"
#include "native/sysv-segment.h"
#include "util/slots.h"
#include "util/table.h"

/* Those of one kind that can be found, by key. */
struct sysv_pendings {
	pthread_mutex_t lock;     /* held for moments */
	struct table by_key;      /* protected by lock */
	struct slots numbers;     /* all of them; protected by lock */
	uint64_t serial;          /* of the newest; protected by lock */
	struct sysv_notes *notes; /* NULL: nobody comes after us */
};

struct sysv_pending {
	struct sysv_pendings *pendings;
	uint64_t serial;
	uint64_t number;    /* in pendings->numbers */
	int64_t made;       /* when, in seconds since the epoch */
	struct caller user; /* who made it, and makes the segment */

	struct link link;  /* in pendings->by_key; protected by pendings->lock */
	bool named;        /* it is there; likewise */
	unsigned int refs; /* likewise */

	pthread_mutex_t lock;         /* held over native calls */
	unsigned int files;           /* open on it; protected by lock */
	struct ipc_perm perm;         /* as the segment shall have it; likewise */
	struct sysv_segment *segment; /* while there is one and it is open; likewise */
	int id;                       /* of the segment, for good, or -1; likewise */
	int64_t birth;                /* likewise: which segment of that id */
	/* Who made or makes the segment, not known to have succeeded; protected by lock.
	 */
	pid_t maker;
	int64_t since; /* when it began; likewise */
	uint64_t size; /* how large; likewise */
};

void sysv_pendings_init(struct sysv_pendings *s);
void sysv_pendings_done(struct sysv_pendings *s);

/* From now on what there is is noted for who comes after this process: -ENOMEM. */
int sysv_pendings_remember(struct sysv_pendings *s);
/*
 * The one that had this number and serial in a process that died, as open as one file
 * more, with a reference: -ESTALE where there was none. There are no other threads yet.
 */
int sysv_pending_adopt(struct sysv_pendings *s, struct sysv_segments *segments,
		       uint64_t number, uint64_t serial, struct sysv_pending **ret);

/*
 * A new one, with a reference and as open as one file, to be found by @key until it is
 * not any more; with IPC_PRIVATE it never is. -EEXIST where there is one.
 */
int sysv_pending_new(struct sysv_pendings *s, key_t key, const struct caller *user,
		     mode_t mode, struct sysv_pending **ret);
/* The one of @key, with a reference, or NULL. */
struct sysv_pending *sysv_pending_find(struct sysv_pendings *s, key_t key);
struct sysv_pending *sysv_pending_ref(struct sysv_pending *p);
/* Takes NULL, returns NULL. */
struct sysv_pending *sysv_pending_unref(struct sysv_pending *p);
DEFINE_CLEANUP(struct sysv_pending, sysv_pending, sysv_pending_unref);
#define _cleanup_pending_ _cleanup_(cleanup_sysv_pending)

/*
 * One more file is open on it: -EEXIST where there is a segment, which is to be opened,
 * -ESTALE where no file is open on it any more.
 */
int sysv_pending_opened(struct sysv_pending *p);
/* One less: with the last one it is not found any more, and its segment is let go. */
void sysv_pending_closed(struct sysv_pending *p);

/* Its name is taken away, by the owner or root: -EPERM; -ENOENT where it has none. */
int sysv_pending_remove(struct sysv_pending *p, const struct caller *caller);

/* The segment, borrowed by who has it open, or NULL where there is none yet. */
struct sysv_segment *sysv_pending_segment(struct sysv_pending *p);
/* Whether there was made a segment, and which. */
bool sysv_pending_made(struct sysv_pending *p, int *ret_id, int64_t *ret_birth);

/* What the segment shall be: its owner, its mode, and no size. -ESTALE as above. */
int sysv_pending_status(struct sysv_pending *p, struct shmid_ds *ret);

/*
 * Sets what @set says, as IPC_SET does, by the owner or root: -EPERM. -EEXIST where there
 * is a segment by now.
 */
int sysv_pending_set(struct sysv_pending *p, const struct caller *caller,
		     const struct ipc_perm *set);

/*
 * Makes the segment, of @size bytes: 1, or 0 where there is one, or the errnos of
 * shmget(2), and -EIDRM if the name was taken away. @segments is where it becomes known.
 */
int sysv_pending_size(struct sysv_pending *p, struct sysv_segments *segments,
		      uint64_t size);
