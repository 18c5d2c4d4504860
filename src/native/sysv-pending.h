/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Files that have a name and no size yet. A segment gets its size when it is made and
 * keeps it, so there is none before somebody has said how large: until then it is
 * pending, as long as a file is open on it. What is written to it meanwhile is collected;
 * whoever says the size, or closes a file after writing, makes the segment of it.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/shm.h>

#include "native/sysv-budget.h"
#include "native/sysv-collected.h"
#include "native/sysv-notes.h"
#include "native/sysv-segment.h"
#include "util/slots.h"
#include "util/table.h"

/* Those of one kind that can be found, by key. */
struct sysv_pendings {
	struct sysv_segments *segments; /* where those that are made become known */
	struct sysv_budget budget;      /* of what is collected */

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

	/*
	 * Held over the making of the segment, which can take long. It is taken before
	 * @lock, and @segment, @id and @maker change only while both are held.
	 */
	pthread_mutex_t making;
	struct sysv_collected collected; /* protected by making */

	pthread_mutex_t lock;         /* held over native calls that take no long time */
	unsigned int files;           /* open on it; protected by lock */
	struct ipc_perm perm;         /* as the segment shall have it; likewise */
	struct sysv_segment *segment; /* while there is one and it is open; likewise */
	int id;                       /* of the segment, for good, or -1; likewise */
	int64_t birth;                /* likewise: which segment of that id */
	/* Who made or makes the segment, not known to have succeeded; protected by lock.
	 */
	pid_t maker;
	int64_t since;    /* when it began; likewise */
	uint64_t size;    /* how large; likewise */
	atomic_int begun; /* its identifier, where that is known; else -1 */

	bool grows;         /* nobody has said how large; protected by making */
	atomic_bool locked; /* somebody has locks of the segment */
};

/* @segments is borrowed. */
void sysv_pendings_init(struct sysv_pendings *s, struct sysv_segments *segments);
void sysv_pendings_done(struct sysv_pendings *s);

/* From now on what there is is noted for who comes after this process: -ENOMEM. */
int sysv_pendings_remember(struct sysv_pendings *s);
/*
 * The one that had this number and serial in a process that died, as open as one file
 * more, with a reference: -ESTALE where there was none. With @locked that file has locks.
 * There are no other threads yet.
 */
int sysv_pending_adopt(struct sysv_pendings *s, uint64_t number, uint64_t serial,
		       bool locked, struct sysv_pending **ret);
/* The descriptor of what was written, borrowed, which that needs; -1 where it is nothing.
 */
int sysv_pending_keep(struct sysv_pending *p);

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
/*
 * One less: with the last one it is not found any more, its segment is let go, and what
 * was written to none is lost.
 */
void sysv_pending_closed(struct sysv_pending *p);

/* Its name is taken away, by the owner or root: -EPERM; -ENOENT where it has none. */
int sysv_pending_remove(struct sysv_pending *p, const struct caller *caller);

/* The segment, with one more user, or NULL where there is none yet. */
struct sysv_segment *sysv_pending_segment(struct sysv_pending *p);
/* Whether there was made a segment, and which. */
bool sysv_pending_made(struct sysv_pending *p, int *ret_id, int64_t *ret_birth);

/* What the segment shall be: its owner, its mode, the size of what was written. -ESTALE
 * as above. */
int sysv_pending_status(struct sysv_pending *p, struct shmid_ds *ret);

/*
 * Sets what @set says, as IPC_SET does, by the owner or root: -EPERM. -EEXIST where there
 * is a segment by now.
 */
int sysv_pending_set(struct sysv_pending *p, const struct caller *caller,
		     const struct ipc_perm *set);

/*
 * The data, of the segment where there is one, else of what was written. Writing:
 * -EIDRM if the name was taken away, and errnos of sysv_collected_write().
 */
ssize_t sysv_pending_read(struct sysv_pending *p, void *buf, size_t n, uint64_t offset);
ssize_t sysv_pending_write(struct sysv_pending *p, const void *buf, size_t n,
			   uint64_t offset, bool append);
int64_t sysv_pending_seek(struct sysv_pending *p, int64_t offset, int whence);
/* How much memory that takes that is in no segment, in bytes. */
uint64_t sysv_pending_used(const struct sysv_pending *p);

/* Whether anything was written, or was to be, and there is no segment. */
bool sysv_pending_waits(struct sysv_pending *p);

/*
 * These make the segment, of what was written, where there is none: 0, or the errnos of
 * shmget(2), and -EIDRM if the name was taken away. Then there is none.
 *
 * Of @size bytes; of none: what was written is gone, and the size still open.
 */
int sysv_pending_size(struct sysv_pending *p, uint64_t size);
/* Of @size bytes, or as large as what was written. */
int sysv_pending_extend(struct sysv_pending *p, uint64_t size);
/*
 * As large as what was written, if anything was. It goes on to grow with what is written
 * to it, while nobody else has it.
 */
int sysv_pending_flush(struct sysv_pending *p);

/*
 * For sysv-make.c and sysv-written.c: called with @making held. What there is now is
 * noted for who comes after this process.
 */
void sysv_pending_note_making(const struct sysv_pending *p);
void sysv_pending_note_made(const struct sysv_pending *p);
void sysv_pending_note_collected(const struct sysv_pending *p);
/* Its segment has mode 0 for a moment, and shall have that of @ds; or it has that. */
void sysv_pending_note_shut(struct sysv_pending *p, const struct shmid_ds *ds);
void sysv_pending_note_reopened(const struct sysv_pending *p);
/* It has no segment any more, and its name, unless that is another's by now. */
void sysv_pending_note_pending(struct sysv_pending *p);
/* Whether another one than @p is known to have begun @id. */
bool sysv_pending_is_others(struct sysv_pending *p, int id);
/* Whether the name was taken away while files are open. */
bool sysv_pending_is_removed(struct sysv_pending *p);
/* It is not found by its name any more. */
void sysv_pending_give_name_up(struct sysv_pending *p);
