/* SPDX-License-Identifier: MIT */
/*
 * The life of a heap and of an attachment to it.
 *
 * A heap gets its name when it is complete, as objects do (native/unnamed.h). So there is
 * no state in which somebody else could find it half made, and nobody waits for it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmfs/object.h>

#include "lib/heap/attachments.h"
#include "lib/heap/blocks.h"
#include "lib/heap/growth.h"
#include "lib/heap/heap.h"
#include "lib/heap/slot.h"
#include "native/name.h"
#include "native/public.h"
#include "native/unnamed.h"
#include "util/cleanup.h"

#define SIZE_MIN     UINT64_C(65536)
#define LIMIT_FACTOR 16

/* An entry of the log for so many bytes of the heap, within bounds. */
#define BYTES_PER_ENTRY 512
#define LOG_ROOM_MIN    UINT64_C(512)
#define LOG_ROOM_MAX    UINT64_C(16384)

DEFINE_CLEANUP(struct shmfs_heap, heap, shmfs_heap_close);
DEFINE_CLEANUP(struct shmfs_object, object, shmfs_object_close);

uint64_t heap_look(struct shmfs_heap *h, uint64_t size)
{
	struct stat st;

	if (size > h->span)
		size = h->span;
	if (fstat(h->fd, &st) == 0 && (uint64_t)st.st_size > h->seen)
		h->seen = (uint64_t)st.st_size;
	return size <= h->seen ? size : h->seen;
}

static uint64_t round_up(uint64_t n)
{
	return (n + FORMAT_PAGE - 1) & ~(FORMAT_PAGE - 1);
}

static uint64_t log_room(uint64_t size)
{
	uint64_t n = size / BYTES_PER_ENTRY;

	return n < LOG_ROOM_MIN ? LOG_ROOM_MIN : n > LOG_ROOM_MAX ? LOG_ROOM_MAX : n;
}

/* The part of the header that is written once. The file reads as zeros. */
static int lay_out(const struct shmfs_heap_options *o, struct format_header *ret)
{
	uint64_t size = o && o->size ? o->size : SIZE_MIN, limit;

	if (size >= FORMAT_LIMIT_MAX || (o && o->limit >= FORMAT_LIMIT_MAX))
		return -EFBIG;
	size = size < SIZE_MIN ? SIZE_MIN : round_up(size);
	limit = o && o->limit ? round_up(o->limit) : size * LIMIT_FACTOR;
	if (limit >= FORMAT_LIMIT_MAX)
		limit = FORMAT_LIMIT_MAX - FORMAT_PAGE;
	if (limit < size || size > limit)
		return -EINVAL;
	*ret = (struct format_header){
		.byte_order = FORMAT_BYTE_ORDER,
		.version = FORMAT_VERSION,
		.slots = FORMAT_SLOTS,
		.limit = limit,
		.slot_table = FORMAT_HEADER,
		.log = FORMAT_HEADER + FORMAT_SLOTS * sizeof(struct format_slot),
		.log_room = log_room(size),
		.size = size,
	};
	ret->blocks = ret->log + ret->log_room * sizeof(struct format_undo);
	memcpy(ret->magic, FORMAT_MAGIC, sizeof(ret->magic));
	if (getrandom(&ret->seed, sizeof(ret->seed), 0) != sizeof(ret->seed))
		return -EIO;
	return 0;
}

/*
 * Looking at a header. Anyone who may write to the file may have written it, so the part
 * that is written once is compared with the one layout there is. The rest changes
 * meanwhile.
 */
static int check_format(const struct format_header *header, bool writable)
{
	if (memcmp(header->magic, FORMAT_MAGIC, sizeof(header->magic)) != 0)
		return -EINVAL;
	if (header->byte_order != FORMAT_BYTE_ORDER ||
	    header->version != FORMAT_VERSION || header->incompatible)
		return -EPROTONOSUPPORT;
	return writable && header->read_only ? -EROFS : 0;
}

static int check_layout(const struct format_header *header, uint64_t file)
{
	uint64_t log = FORMAT_HEADER + FORMAT_SLOTS * sizeof(struct format_slot);

	if (header->slots != FORMAT_SLOTS || header->slot_table != FORMAT_HEADER ||
	    header->log != log || header->log_room < LOG_ROOM_MIN ||
	    header->log_room > LOG_ROOM_MAX ||
	    header->blocks != log + header->log_room * sizeof(struct format_undo))
		return -EUCLEAN;
	if (header->limit >= FORMAT_LIMIT_MAX || header->limit % FORMAT_PAGE ||
	    header->size > header->limit || header->size <= header->blocks ||
	    header->size % FORMAT_PAGE || header->size > file)
		return -EUCLEAN;
	return 0;
}

static int read_header(int fd, bool writable, struct format_header *ret)
{
	struct stat st;
	ssize_t n;
	int r;

	n = pread(fd, ret, sizeof(*ret), 0);
	if (n < 0)
		return -errno;
	if (n != sizeof(*ret))
		return -EINVAL;
	/* After it: the file grows before the heap says so. */
	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_format(ret, writable);
	return r < 0 ? r : check_layout(ret, (uint64_t)st.st_size);
}

static int map(struct shmfs_heap *h, const struct format_header *header)
{
	int protection = h->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *base;

	if (header->limit > SIZE_MAX)
		return -ENOMEM;
	base = mmap(NULL, (size_t)header->limit, protection, MAP_SHARED | MAP_NORESERVE,
		    h->fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	h->base = base;
	h->span = header->limit;
	h->seen = header->size;
	h->log = heap_at(h, header->log);
	h->log_room = header->log_room;
	return 0;
}

/* @fd is taken over also where it fails. */
static int attach(int fd, bool writable, struct shmfs_heap **ret)
{
	_cleanup_(cleanup_heap) struct shmfs_heap *h = calloc(1, sizeof(*h));
	struct format_header header;
	int r;

	if (!h) {
		close_fd(fd);
		return -ENOMEM;
	}
	h->fd = fd;
	h->writable = writable;
	r = read_header(fd, writable, &header);
	if (r == 0)
		r = map(h, &header);
	if (r == 0)
		r = attachments_add(h);
	if (r == 0 && writable)
		r = slot_take(h);
	if (r == 0)
		*ret = take_ptr(h);
	return r;
}

_public_ struct shmfs_heap *shmfs_heap_close(struct shmfs_heap *h)
{
	if (!h)
		return NULL;
	if (h->base) {
		attachments_remove(h);
		munmap(h->base, (size_t)h->span);
	}
	close_fd(h->fd);
	free(h->freed);
	free(h);
	return NULL;
}

/* Makes a heap of the whole of @fd, which nobody else uses yet. */
static int format(int fd, const struct shmfs_heap_options *options)
{
	struct shmfs_heap h = { .fd = fd, .writable = true };
	struct format_header header;
	int r = lay_out(options, &header);

	if (r < 0)
		return r;
	/* Zeros throughout, and all of it there: no store is ever SIGBUS. */
	if (ftruncate(fd, 0) < 0)
		return -errno;
	r = growth_allocate(fd, 0, header.size);
	if (r < 0)
		return r;
	r = map(&h, &header);
	if (r < 0)
		return r;
	assert(h.base);
	memcpy(h.base + sizeof(header.magic), (char *)&header + sizeof(header.magic),
	       sizeof(header) - sizeof(header.magic));
	blocks_format(&h);
	heap_order();
	memcpy(h.base, header.magic, sizeof(header.magic));
	munmap(h.base, (size_t)h.span);
	return 0;
}

static int create(const char *name, const struct shmfs_heap_options *options,
		  struct shmfs_heap **ret)
{
	_cleanup_(cleanup_heap) struct shmfs_heap *h = NULL;
	uint32_t perm = options && options->perm ? options->perm : SHMFS_PERM_DEFAULT;
	int fd, r;

	if (perm & ~0777u)
		return -EINVAL;
	/* Attaching opens it anew, which its owner may not be allowed to do later. */
	fd = unnamed_new(perm | 0600);
	if (fd < 0)
		return fd;
	r = format(fd, options);
	if (r < 0) {
		close_fd(fd);
		return r;
	}
	r = attach(fd, true, &h);
	if (r == 0)
		r = errno_or(fchmod(h->fd, perm));
	/* Last: from here on others see it. */
	if (r == 0)
		r = unnamed_publish(h->fd, name);
	if (r == 0)
		*ret = take_ptr(h);
	return r;
}

static int open_existing(const char *name, enum shmfs_mode mode, struct shmfs_heap **ret)
{
	_cleanup_(cleanup_object) struct shmfs_object *object = NULL;
	int fd, r;

	r = shmfs_object_open(name, SHMFS_OPEN_ONLY, mode, 0, &object);
	if (r < 0)
		return r;
	fd = fcntl(shmfs_object_fd(object), F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : attach(fd, mode == SHMFS_READ_WRITE, ret);
}

_public_ int shmfs_heap_open(const char *name, enum shmfs_how how,
			     const struct shmfs_heap_options *options,
			     struct shmfs_heap **ret)
{
	int r = name_normalize(name, &name);

	if (r < 0)
		return r;
	switch (how) {
	case SHMFS_CREATE_ONLY:
		return create(name, options, ret);
	case SHMFS_OPEN_ONLY:
		return open_existing(name, SHMFS_READ_WRITE, ret);
	case SHMFS_OPEN_OR_CREATE:
		break;
	default:
		return -EINVAL;
	}
	do {
		r = open_existing(name, SHMFS_READ_WRITE, ret);
		if (r == -ENOENT)
			r = create(name, options, ret);
	} while (r == -EEXIST);
	return r;
}

_public_ int shmfs_heap_open_read_only(const char *name, struct shmfs_heap **ret)
{
	int r = name_normalize(name, &name);

	return r < 0 ? r : open_existing(name, SHMFS_READ_ONLY, ret);
}

_public_ int shmfs_heap_open_fd(int fd, enum shmfs_mode mode, struct shmfs_heap **ret)
{
	int own;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	switch (mode) {
	case SHMFS_READ_WRITE:
		own = attachments_reopen(fd);
		return own < 0 ? own : attach(own, true, ret);
	case SHMFS_READ_ONLY:
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		return own < 0 ? -errno : attach(own, false, ret);
	default:
		return -EINVAL;
	}
}

_public_ int shmfs_heap_create_fd(int fd, const struct shmfs_heap_options *options,
				  struct shmfs_heap **ret)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > 0)
		return -EEXIST;
	r = format(fd, options);
	return r < 0 ? r : shmfs_heap_open_fd(fd, SHMFS_READ_WRITE, ret);
}

_public_ int shmfs_heap_remove(const char *name)
{
	return shmfs_object_remove(name);
}
