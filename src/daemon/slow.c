/* SPDX-License-Identifier: MIT */
/*
 * A request is known to take long only when it does, so nothing here costs a request that
 * does not; and who has his share of such requests is put off whatever he asks of a file,
 * since it may wait for the same object.
 *
 * Requests about names are never put off: while the kernel waits for one, others wait for
 * the directory. But for the same reason there are never many of them that change names,
 * and the others do not wait for objects.
 *
 * What is put off waits for some request that takes long to end, and there is one: else
 * nobody would have his share. Whoever ends looks for what can be served then, so the
 * last one finds all that is left.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <utlist.h>

#include "daemon/slow.h"
#include "fs/fs.h"
#include "util/slots.h"

/* The bytes of all requests that are put off: mostly data of writes. */
#define BYTES_MAX ((size_t)64 << 20)

void slow_init(struct slow *s, int fd, unsigned int threads,
	       const struct dispatch_loss *loss)
{
	*s = (struct slow){ .fd = fd, .loss = loss };
	quota_init(&s->quota, threads > 0 ? threads : 1, true);
	pthread_mutex_init(&s->lock, NULL);
}

void slow_done(struct slow *s)
{
	struct slow_request *r, *next;

	DL_FOREACH_SAFE(s->list, r, next)
	{
		DL_DELETE(s->list, r);
		free(r);
	}
	pthread_mutex_destroy(&s->lock);
	quota_done(&s->quota);
}

#define OPCODE_STATX 52 /* Linux 6.6; the header at hand may be older */

/* Whether the kernel holds nothing but the file until the request is answered. */
static bool is_of_file(const struct fuse_in_header *request)
{
	switch (request->opcode) {
	case FUSE_OPEN:
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_LSEEK:
	case FUSE_FSYNC:
	case FUSE_GETATTR:
	case FUSE_SETATTR:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_FLUSH:
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_IOCTL:
	case OPCODE_STATX:
		/* The directories of tree.h have a number in common. */
		return (request->nodeid & ((UINT64_C(1) << SLOTS_BITS) - 1)) != FS_ROOT;
	default:
		return false;
	}
}

/* Root's where it is nobody's, as the kernel's own (FORGET, INTERRUPT) are. */
static uid_t uid_of(const struct fuse_buf *buf)
{
	const struct fuse_in_header *header = buf->mem;

	if (buf->flags & FUSE_BUF_IS_FD || buf->size < sizeof(*header))
		return 0;
	return header->uid;
}

static struct slow_request *copy(const struct fuse_buf *buf)
{
	struct slow_request *r = malloc(sizeof(*r) + buf->size);

	if (!r)
		return NULL;
	r->uid = uid_of(buf);
	r->size = buf->size;
	memcpy(r->bytes, buf->mem, buf->size);
	return r;
}

/* Closing a file cannot be refused: its locks would stay. */
static int no_room(const struct fuse_buf *buf)
{
	const struct fuse_in_header *request = buf->mem;

	return request->opcode == FUSE_FLUSH ? 0 : -ENOMEM;
}

/* Called with the lock held. Returns 1, or 0 where it is to be served now. */
static int add(struct slow *s, const struct fuse_buf *buf)
{
	struct slow_request *r;

	if (s->stopped || !quota_is_full(&s->quota, uid_of(buf)))
		return 0;
	if (s->bytes + buf->size > BYTES_MAX)
		return no_room(buf);
	r = copy(buf);
	if (!r)
		return no_room(buf);
	DL_APPEND(s->list, r);
	s->bytes += r->size;
	return 1;
}

static void refuse(const struct slow *s, const struct fuse_buf *buf)
{
	const struct fuse_in_header *request = buf->mem;
	struct fuse_out_header reply = {
		.len = sizeof(reply),
		.error = -ENOMEM,
		.unique = request->unique,
	};
	const struct iovec iov = { .iov_base = &reply, .iov_len = sizeof(reply) };
	ssize_t n;

	if (s->loss->tell)
		s->loss->tell(s->loss->context, (pid_t)request->pid);
	n = writev(s->fd, &iov, 1);
	(void)n; /* who is gone need not be told */
}

bool slow_put_off(struct slow *s, const struct fuse_buf *buf)
{
	int r;

	if (atomic_load(&s->n) == 0 || uid_of(buf) == 0 || !is_of_file(buf->mem))
		return false;
	pthread_mutex_lock(&s->lock);
	r = add(s, buf);
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		refuse(s, buf);
	return r != 0;
}

static bool count(struct slow *s, uid_t uid)
{
	if (quota_force(&s->quota, uid) < 0)
		return false;
	atomic_fetch_add(&s->n, 1);
	return true;
}

bool slow_begin(struct slow *s, const struct fuse_buf *buf, uid_t *ret_uid)
{
	*ret_uid = uid_of(buf);
	return count(s, *ret_uid);
}

/* Called with the lock held. */
static struct slow_request *next(struct slow *s)
{
	struct slow_request *r;

	DL_FOREACH(s->list, r)
	{
		if (s->stopped || quota_is_full(&s->quota, r->uid) || !count(s, r->uid))
			continue;
		DL_DELETE(s->list, r);
		s->bytes -= r->size;
		return r;
	}
	return NULL;
}

struct slow_request *slow_end(struct slow *s, uid_t uid)
{
	struct slow_request *r;

	pthread_mutex_lock(&s->lock);
	quota_give(&s->quota, uid);
	atomic_fetch_sub(&s->n, 1);
	r = next(s);
	pthread_mutex_unlock(&s->lock);
	return r;
}

void slow_stop(struct slow *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_mutex_unlock(&s->lock);
}
