/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Segments that are open. However many files are open on one, it is attached once, so
 * that the count of attachments tells the truth: one more for the mount. The last one to
 * let go detaches it, which is the end of a segment that was removed meanwhile.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "native/caller.h"
#include "util/cleanup.h"
#include "util/table.h"

/* The open segments of one kind, by identifier. */
struct sysv_segments {
	pthread_mutex_t lock; /* held for moments: over no native call that waits */
	struct table by_id;   /* protected by lock */
};

struct sysv_segment {
	struct sysv_segments *segments;
	int id;
	int64_t birth; /* as it was when it was opened, whatever is set since */
	uint64_t size; /* bytes */
	/*
	 * The file behind the segment, from /proc/self/map_files; -1 where that is not
	 * permitted, or where there are huge pages. It does not count as an attachment.
	 */
	int fd;
	bool huge; /* known only where map_files is permitted */
	bool lost; /* it cannot be attached again: nothing but @fd is left of it */

	struct link link;   /* in segments->by_id */
	unsigned int users; /* protected by segments->lock */

	pthread_rwlock_t attachment; /* held over native calls */
	void *address;               /* protected by attachment */
	bool writable;               /* likewise */
};

void sysv_segments_init(struct sysv_segments *s);
void sysv_segments_done(struct sysv_segments *s);

/*
 * sysv_segment_open() - attach a segment, as the caller
 * @s:		where it is known
 * @id:		its identifier
 * @birth:	which of those that had this identifier it is
 * @caller:	who asks
 * @flags:	as for shmat(2): SHM_RDONLY and SHM_EXEC
 * @ret:	the segment, with one more user
 *
 * Return: 0, or a negative errno: -EACCES, -ESTALE where it is gone.
 */
int sysv_segment_open(struct sysv_segments *s, int id, int64_t birth,
		      const struct caller *caller, int flags, struct sysv_segment **ret);
struct sysv_segment *sysv_segment_ref(struct sysv_segment *segment);
/* Whether it has one user. */
bool sysv_segment_is_alone(struct sysv_segment *segment);
/* Takes NULL, returns NULL. */
struct sysv_segment *sysv_segment_unref(struct sysv_segment *segment);
DEFINE_CLEANUP(struct sysv_segment, sysv_segment, sysv_segment_unref);
#define _cleanup_segment_ _cleanup_(cleanup_sysv_segment)

/*
 * sysv_segment_adopt() - attach a segment again that a process had open which died
 * @s:		where it is known
 * @id:		its identifier
 * @birth:	which segment of that identifier it was
 * @writable:	whether it is to be written to
 * @fd:		of the file behind it, or negative; it is taken over if it is what
 *		the segment has then
 * @ret:	the segment, with one more user; where it is gone, what @fd gives access
 *to
 *
 * The right to it was looked at when it was opened. To be called before there are other
 * threads.
 *
 * Return: 0, or -ENOMEM.
 */
int sysv_segment_adopt(struct sysv_segments *s, int id, int64_t birth, bool writable,
		       int fd, struct sysv_segment **ret);

/* The birth of segment @id, if it is open. */
bool sysv_segments_know(struct sysv_segments *s, int id, int64_t *ret_birth);

/* Whether segment @id is of huge pages, which is known if it is open. */
bool sysv_segments_is_huge(struct sysv_segments *s, int id);

/* How many bytes segment @id takes, if it is open: -ENODATA where that is not known. */
int sysv_segments_usage(struct sysv_segments *s, int id, uint64_t *ret);

/* Within the segment: short at its end; writing begins before it, or is -ENOSPC. */
ssize_t sysv_segment_read(struct sysv_segment *segment, void *buf, size_t n,
			  uint64_t offset);
ssize_t sysv_segment_write(struct sysv_segment *segment, const void *buf, size_t n,
			   uint64_t offset);

/* As fallocate(2) within the segment: -ENOSPC beyond it, or where there is no memory. */
int sysv_segment_allocate(struct sysv_segment *segment, int mode, uint64_t offset,
			  uint64_t length);
