/* SPDX-License-Identifier: MIT */
/*
 * Attaching is the check of who may open a segment: the inode behind it has mode 0777. So
 * it is done as the caller, every time, though one attachment is kept; and only then is
 * anything done with the process's own power.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "native/sysv-segment.h"
#include "native/sysv-status.h"
#include "util/hash.h"

#define NOWHERE ((void *)-1)

/*
 * How much of our address space an open segment may take, in bytes: segments that nobody
 * ever touches may be of any size at no cost, and a few would be all that there is.
 */
#define ROOM_MOST (UINT64_C(1) << 34)

/* The largest pages that any processor has. */
#define HUGE_MOST (UINT64_C(1) << 34)

void sysv_segments_init(struct sysv_segments *s)
{
	*s = (struct sysv_segments){ .by_id = { .n = 0 } };
	pthread_mutex_init(&s->lock, NULL);
}

void sysv_segments_done(struct sysv_segments *s)
{
	table_done(&s->by_id);
	pthread_mutex_destroy(&s->lock);
}

static uint32_t hash_id(int id)
{
	return hash_bytes(&id, sizeof(id));
}

/* Called with the lock held. */
static struct sysv_segment *find(struct sysv_segments *s, int id)
{
	struct link *l = table_first(&s->by_id, hash_id(id));
	struct sysv_segment *segment;

	for (; l; l = table_next(l)) {
		segment = (void *)((char *)l - offsetof(struct sysv_segment, link));
		if (segment->id == id)
			return segment;
	}
	return NULL;
}

/* The segment with one more user, if it is open. */
static struct sysv_segment *get(struct sysv_segments *s, int id)
{
	struct sysv_segment *segment;

	pthread_mutex_lock(&s->lock);
	segment = find(s, id);
	if (segment)
		segment->users++;
	pthread_mutex_unlock(&s->lock);
	return segment;
}

bool sysv_segments_know(struct sysv_segments *s, int id, int64_t *ret_birth)
{
	struct sysv_segment *segment;

	pthread_mutex_lock(&s->lock);
	segment = find(s, id);
	if (segment)
		*ret_birth = segment->birth;
	pthread_mutex_unlock(&s->lock);
	return segment;
}

bool sysv_segments_is_huge(struct sysv_segments *s, int id)
{
	struct sysv_segment *segment;
	bool huge;

	pthread_mutex_lock(&s->lock);
	segment = find(s, id);
	huge = segment && segment->huge;
	pthread_mutex_unlock(&s->lock);
	return huge;
}

static void detach(void *address)
{
	if (address != NOWHERE)
		shmdt(address);
}

static void cleanup_attached(void **address)
{
	detach(*address);
}

static void segment_free(struct sysv_segment *segment)
{
	close_fd(segment->fd);
	detach(segment->address);
	pthread_rwlock_destroy(&segment->attachment);
	free(segment);
}

struct sysv_segment *sysv_segment_ref(struct sysv_segment *segment)
{
	pthread_mutex_lock(&segment->segments->lock);
	segment->users++;
	pthread_mutex_unlock(&segment->segments->lock);
	return segment;
}

bool sysv_segment_is_alone(struct sysv_segment *segment)
{
	bool alone;

	pthread_mutex_lock(&segment->segments->lock);
	alone = segment->users == 1;
	pthread_mutex_unlock(&segment->segments->lock);
	return alone;
}

struct sysv_segment *sysv_segment_unref(struct sysv_segment *segment)
{
	struct sysv_segments *s = segment ? segment->segments : NULL;
	bool last;

	if (!segment)
		return NULL;
	pthread_mutex_lock(&s->lock);
	last = --segment->users == 0;
	if (last && !segment->lost)
		table_remove(&s->by_id, &segment->link);
	pthread_mutex_unlock(&s->lock);
	if (last)
		segment_free(segment);
	return NULL;
}

/* What has identifier @id must be what was meant. */
static int check_birth(struct sysv_segments *s, int id, int64_t birth,
		       struct shmid_ds *ret)
{
	int64_t known;
	int r = sysv_status(id, ret);

	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	if (!sysv_segments_know(s, id, &known))
		known = sysv_birth(ret);
	return known == birth ? 0 : -ESTALE;
}

static int attach(int id, int flags, void **ret)
{
	void *address = shmat(id, NULL, flags);

	if (address == NOWHERE)
		return errno == EINVAL || errno == EIDRM ? -ESTALE : -errno;
	*ret = address;
	return 0;
}

/* The right to execute is asked for apart: nothing here shall be able to do it. */
static int attach_checked(int id, int flags, void **ret)
{
	_cleanup_(cleanup_attached) void *address = NOWHERE;
	_cleanup_(cleanup_attached) void *executable = NOWHERE;
	int r = attach(id, flags & ~SHM_EXEC, &address);

	if (r == 0 && flags & SHM_EXEC)
		r = attach(id, flags, &executable);
	if (r < 0)
		return r;
	*ret = address;
	address = NOWHERE; /* given away */
	return 0;
}

/* shmat(2), as the caller. */
static int attach_as(struct sysv_segments *s, int id, int64_t birth,
		     const struct caller *caller, int flags, void **ret)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct shmid_ds ds;
	int r = check_birth(s, id, birth, &ds);

	if (r == 0)
		r = caller_enter(caller, sysv_groups_decide(&ds, caller), &guard);
	return r < 0 ? r : attach_checked(id, flags, ret);
}

/* Where /proc has the mapping of @size bytes, in pages of @page bytes, at @address. */
struct map_path {
	char text[80];
};

static struct map_path map_path(const void *address, uint64_t size, uint64_t page)
{
	uint64_t begin = (uintptr_t)address;
	uint64_t end = begin + (size + page - 1) / page * page;
	struct map_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/map_files/%llx-%llx",
		 (unsigned long long)begin, (unsigned long long)end);
	return path;
}

static uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* How large the pages are that are attached at @address, 0 if it is no whole segment. */
static uint64_t page_size_at(const void *address, uint64_t size)
{
	struct stat st;

	for (uint64_t page = page_size(); page <= HUGE_MOST; page *= 2)
		if (lstat(map_path(address, size, page).text, &st) == 0)
			return page;
	return 0;
}

/*
 * With its file at hand only the attachment counts, not what it maps. It stays one with a
 * single page, which goes where small things are, so that nothing is left in the way. The
 * kernel takes the rest for a detachment, and notes its time.
 */
static void keep_first_page(struct sysv_segment *segment)
{
	size_t page = (size_t)page_size();
	void *place = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap((char *)segment->address + page, (size_t)segment->size - page);
	if (place != MAP_FAILED && mremap(segment->address, page, page,
					  MREMAP_MAYMOVE | MREMAP_FIXED, place) == place)
		segment->address = place;
	/* Where it fails the place may be free already, and another thread's by now. */
}

/*
 * The file behind what is attached. Where it is not permitted that is no error, and
 * neither are huge pages, which nothing can be backed by: their mapping may be longer
 * than the segment. But it must not be shorter, as it is where somebody has cut the file:
 * behind it lies what is none of the segment's.
 */
static int open_file(struct sysv_segment *segment)
{
	struct map_path path = map_path(segment->address, segment->size, page_size());
	_cleanup_close_ int fd = open(path.text, O_RDWR | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 && errno == ENOENT) {
		segment->huge = true;
		return page_size_at(segment->address, segment->size) ? 0 : -EIO;
	}
	if (fd < 0)
		return errno == EPERM || errno == EACCES ? 0 : -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	segment->huge = (uint32_t)fs.f_type == HUGETLBFS_MAGIC;
	if (segment->huge)
		return 0;
	segment->fd = take_fd(&fd);
	if (segment->size > ROOM_MOST)
		keep_first_page(segment);
	return 0;
}

static int stat_birth(int fd, const char *path, int flags, struct statx *ret)
{
	return errno_or(statx(fd, path, flags, STATX_BTIME, ret));
}

/* Likewise where @fd may be that file: -ESTALE where it is another. */
static int take_file(struct sysv_segment *segment, int fd)
{
	struct map_path path = map_path(segment->address, segment->size, page_size());
	struct statx mine, given;
	int r = stat_birth(AT_FDCWD, path.text, 0, &mine);

	if (r == 0)
		r = stat_birth(fd, "", AT_EMPTY_PATH, &given);
	if (r < 0)
		return r;
	/* The inode number is the identifier, which another could have by now. */
	if (mine.stx_mask & given.stx_mask & STATX_BTIME &&
	    (mine.stx_btime.tv_sec != given.stx_btime.tv_sec ||
	     mine.stx_btime.tv_nsec != given.stx_btime.tv_nsec))
		return -ESTALE;
	segment->fd = fd;
	if (segment->size > ROOM_MOST)
		keep_first_page(segment);
	return 0;
}

/* Takes over *@address, and @fd unless it is negative. */
static int segment_new(struct sysv_segments *s, int id, int64_t birth,
		       const struct shmid_ds *ds, bool writable, void **address, int fd,
		       struct sysv_segment **ret)
{
	struct sysv_segment *segment = calloc(1, sizeof(*segment));
	int r;

	if (!segment)
		return -ENOMEM;
	*segment = (struct sysv_segment){
		.segments = s,
		.id = id,
		.birth = birth,
		.size = ds->shm_segsz,
		.fd = -1,
		.users = 1,
		.address = *address,
		.writable = writable,
	};
	pthread_rwlock_init(&segment->attachment, NULL);
	r = fd < 0 ? open_file(segment) : take_file(segment, fd);
	if (r < 0)
		segment->address = NOWHERE;
	else
		*address = NOWHERE;
	if (r < 0)
		segment_free(segment);
	else
		*ret = segment;
	return r;
}

/* Where the one attachment could only be read, the new one takes its place. */
static int upgrade(struct sysv_segment *segment, void **address)
{
	void *old;

	if (!page_size_at(*address, segment->size))
		return -EIO;
	pthread_rwlock_wrlock(&segment->attachment);
	if (!segment->writable) {
		old = segment->address;
		segment->address = *address;
		segment->writable = true;
		*address = old;
	}
	pthread_rwlock_unlock(&segment->attachment);
	return 0;
}

static bool serves(struct sysv_segment *segment, bool writable)
{
	bool serves;

	if (segment->fd >= 0)
		return true;
	pthread_rwlock_rdlock(&segment->attachment);
	serves = segment->writable || !writable;
	pthread_rwlock_unlock(&segment->attachment);
	return serves;
}

/*
 * Makes @new known. Where another was faster, that is the one; but it may be readable
 * only, and then it takes over the attachment.
 */
static int publish(struct sysv_segments *s, struct sysv_segment *new,
		   struct sysv_segment **ret)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	segment = find(s, new->id);
	if (segment)
		segment->users++;
	else
		r = table_add(&s->by_id, &new->link, hash_id(new->id));
	pthread_mutex_unlock(&s->lock);
	if (!segment && r == 0) {
		*ret = new;
		return 0;
	}
	if (segment && !serves(segment, new->writable))
		r = upgrade(segment, &new->address);
	segment_free(new);
	if (r == 0)
		*ret = take_ptr(segment);
	return r;
}

int sysv_segment_open(struct sysv_segments *s, int id, int64_t birth,
		      const struct caller *caller, int flags, struct sysv_segment **ret)
{
	_cleanup_segment_ struct sysv_segment *segment = caller ? NULL : get(s, id);
	_cleanup_(cleanup_attached) void *address = NOWHERE;
	bool writable = !(flags & SHM_RDONLY);
	struct shmid_ds ds;
	int r;

	/* The process itself has been let in already. */
	if (!caller && segment && segment->birth == birth && serves(segment, writable)) {
		*ret = take_ptr(segment);
		return 0;
	}
	r = attach_as(s, id, birth, caller, flags, &address);
	/* Attached it cannot become another any more. */
	if (r == 0)
		r = check_birth(s, id, birth, &ds);
	/* Whoever may not attach it never uses it. */
	if (r == 0 && !segment)
		segment = get(s, id);
	if (r == 0 && !segment) {
		struct sysv_segment *new;

		r = segment_new(s, id, birth, &ds, writable, &address, -1, &new);
		if (r == 0)
			r = publish(s, new, &segment);
	}
	if (r == 0 && !serves(segment, writable))
		r = upgrade(segment, &address);
	if (r == 0)
		*ret = take_ptr(segment);
	return r;
}

/* Attached, it can be no other than it is. */
static int attach_again(int id, int64_t birth, bool writable, void **ret,
			struct shmid_ds *ret_ds)
{
	int r = sysv_status(id, ret_ds);

	if (r == 0 && !sysv_may_be(birth, ret_ds))
		r = -ESTALE;
	if (r == 0)
		r = attach(id, writable ? 0 : SHM_RDONLY, ret);
	if (r == 0)
		r = sysv_status(id, ret_ds);
	return r == 0 && !sysv_may_be(birth, ret_ds) ? -ESTALE : r;
}

/*
 * What is left of a segment that is gone, or may not be attached any more. Its identifier
 * can be another's, so it is not known by that, and each file has one of its own.
 */
static int segment_lost(struct sysv_segments *s, int id, int64_t birth, int fd,
			struct sysv_segment **ret)
{
	struct sysv_segment *segment = calloc(1, sizeof(*segment));
	struct stat st = { .st_size = INT64_MAX };

	if (!segment)
		return -ENOMEM;
	if (fd >= 0)
		fstat(fd, &st);
	*segment = (struct sysv_segment){
		.segments = s,
		.id = id,
		.birth = birth,
		.size = (uint64_t)st.st_size,
		.fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0),
		.users = 1,
		.address = NOWHERE,
		.lost = true,
	};
	pthread_rwlock_init(&segment->attachment, NULL);
	*ret = segment;
	return 0;
}

int sysv_segment_adopt(struct sysv_segments *s, int id, int64_t birth, bool writable,
		       int fd, struct sysv_segment **ret)
{
	_cleanup_segment_ struct sysv_segment *segment = get(s, id);
	_cleanup_(cleanup_attached) void *address = NOWHERE;
	struct shmid_ds ds;
	int r = 0;

	if (!segment || !serves(segment, writable))
		r = attach_again(id, birth, writable, &address, &ds);
	if (r == 0 && !segment) {
		struct sysv_segment *new;

		r = segment_new(s, id, birth, &ds, writable, &address, fd, &new);
		if (r == 0)
			r = publish(s, new, &segment);
	}
	if (r == 0 && !serves(segment, writable))
		r = upgrade(segment, &address);
	if (r < 0)
		return segment_lost(s, id, birth, fd, ret);
	*ret = take_ptr(segment);
	return 0;
}

int sysv_segments_usage(struct sysv_segments *s, int id, uint64_t *ret)
{
	struct sysv_segment *segment;
	struct stat st;
	int r = -ENODATA;

	/* Whoever asks is no user: what is used by others is not made again. */
	pthread_mutex_lock(&s->lock);
	segment = find(s, id);
	if (segment && segment->fd >= 0)
		r = errno_or(fstat(segment->fd, &st));
	pthread_mutex_unlock(&s->lock);
	if (r == 0)
		*ret = (uint64_t)st.st_blocks * 512;
	return r;
}
