/* SPDX-License-Identifier: MIT */
/*
 * The data of pending files. It goes to what is collected until there is a segment, and
 * to that from then on.
 */
#include <errno.h>

#include "native/sysv-make.h"

ssize_t sysv_pending_read(struct sysv_pending *p, void *buf, size_t n, uint64_t offset)
{
	ssize_t r;

	pthread_mutex_lock(&p->making);
	r = sysv_make_settle(p);
	if (r == 0 && p->id >= 0)
		r = sysv_segment_read(p->segment, buf, n, offset);
	else if (r == 0)
		r = sysv_collected_read(&p->collected, buf, n, offset);
	pthread_mutex_unlock(&p->making);
	return r;
}

static bool must_grow(const struct sysv_pending *p, size_t n, uint64_t offset)
{
	return p->id >= 0 && n > 0 && offset + n > p->segment->size;
}

static ssize_t collect(struct sysv_pending *p, const void *buf, size_t n, uint64_t offset)
{
	ssize_t r = sysv_pending_is_removed(p) ? -EIDRM : 0;

	if (r == 0)
		r = sysv_collected_write(&p->collected, buf, n, offset);
	sysv_pending_note_collected(p);
	return r;
}

ssize_t sysv_pending_write(struct sysv_pending *p, const void *buf, size_t n,
			   uint64_t offset, bool append)
{
	ssize_t r;

	pthread_mutex_lock(&p->making);
	r = sysv_make_settle(p);
	if (append)
		offset = p->id >= 0 ? p->segment->size : p->collected.size;
	/* Where it cannot, it is full. */
	if (r == 0 && must_grow(p, n, offset))
		sysv_make_again(p);
	if (r == 0 && p->id >= 0)
		r = sysv_segment_write(p->segment, buf, n, offset);
	else if (r == 0 && n > 0)
		r = collect(p, buf, n, offset);
	pthread_mutex_unlock(&p->making);
	return r;
}

int64_t sysv_pending_seek(struct sysv_pending *p, int64_t offset, int whence)
{
	int64_t r;

	pthread_mutex_lock(&p->making);
	r = sysv_collected_seek(&p->collected, offset, whence);
	pthread_mutex_unlock(&p->making);
	return r;
}

uint64_t sysv_pending_used(const struct sysv_pending *p)
{
	return atomic_load(&p->collected.used);
}

bool sysv_pending_waits(struct sysv_pending *p)
{
	bool waits;

	pthread_mutex_lock(&p->making);
	waits = p->id < 0 && (p->collected.size > 0 || p->collected.failed);
	pthread_mutex_unlock(&p->making);
	return waits;
}

int sysv_pending_size(struct sysv_pending *p, uint64_t size)
{
	int r;

	pthread_mutex_lock(&p->making);
	r = sysv_make_settle(p);
	if (r == 0 && p->id < 0 && size > 0) {
		r = sysv_make(p, size);
	} else if (r == 0 && p->id < 0) {
		sysv_collected_drop(&p->collected);
	}
	/* A size that a segment does not have is refused, and leaves it as it is. */
	if (r == 0 && (p->id < 0 || p->segment->size == size))
		p->grows = false;
	sysv_pending_note_collected(p);
	pthread_mutex_unlock(&p->making);
	return r;
}

/* What was written is not all that was to be, if some of it was refused. */
static int extend(struct sysv_pending *p, uint64_t size, bool grows)
{
	int r;

	pthread_mutex_lock(&p->making);
	r = sysv_make_settle(p);
	if (r == 0 && grows)
		r = p->collected.failed;
	if (size < p->collected.size)
		size = p->collected.size;
	if (!grows || (r == 0 && p->id < 0 && size > 0))
		p->grows = grows;
	/* Noted before there is a segment: then it has it. */
	sysv_pending_note_collected(p);
	if (r == 0 && p->id < 0 && size > 0)
		r = sysv_make(p, size);
	pthread_mutex_unlock(&p->making);
	return r;
}

int sysv_pending_extend(struct sysv_pending *p, uint64_t size)
{
	return extend(p, size, false);
}

int sysv_pending_flush(struct sysv_pending *p)
{
	return extend(p, 0, true);
}

int sysv_pending_keep(struct sysv_pending *p)
{
	int fd;

	pthread_mutex_lock(&p->making);
	fd = p->collected.fd;
	pthread_mutex_unlock(&p->making);
	return fd;
}
