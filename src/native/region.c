/* SPDX-License-Identifier: MIT */
/*
 * Mapped regions.
 *
 * The kernel maps whole pages; a region is any run of bytes. So a region knows the
 * mapping that it lies in, and how far behind its beginning:
 *
 *	base            base + lead                 + size          base + length
 *	|-- lead -------|=========== region ========|---------------|
 *
 * mmap() maps beyond the end of a file without a word, and the touch of such a page is
 * SIGBUS. So what is asked for is held against the size of the file before.
 */
#include <errno.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <shmfs/region.h>

#include "native/public.h"
#include "util/cleanup.h"

struct shmfs_region {
	char *base;      /* a page boundary, or NULL: shrunk to nothing */
	size_t length;   /* of the mapping: whole pages */
	size_t lead;     /* less than a page */
	size_t size;     /* what the user has */
	size_t page;     /* the unit of the mapping */
	bool comes_back; /* what is dropped is read again, from a file or from swap */
	enum shmfs_mode mode;
};

/* What is to be mapped, and where. */
struct request {
	int fd;       /* -1: anonymous memory */
	size_t page;  /* its unit */
	bool regular; /* a file with pages of its own, or anonymous memory */
	uint64_t offset;
	uint64_t size;
	uintptr_t address; /* 0: anywhere */
	unsigned int flags;
	enum shmfs_mode mode;
};

/* The size that @fd has by itself; 0 if it has none. */
struct extent {
	uint64_t size;
	bool bounded;
};

static size_t system_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_down(size_t n, size_t page)
{
	return n - n % page;
}

static size_t round_up(size_t n, size_t page)
{
	return round_down(n + page - 1, page);
}

static bool is_private(enum shmfs_mode mode)
{
	return mode == SHMFS_COPY_ON_WRITE || mode == SHMFS_READ_PRIVATE;
}

static int protection(enum shmfs_mode mode)
{
	if (mode == SHMFS_READ_WRITE || mode == SHMFS_COPY_ON_WRITE)
		return PROT_READ | PROT_WRITE;
	return PROT_READ;
}

static int check_request(const struct request *rq)
{
	if ((unsigned int)rq->mode > SHMFS_READ_PRIVATE ||
	    rq->flags & ~SHMFS_REGION_FIXED)
		return -EINVAL;
	if (rq->flags & SHMFS_REGION_FIXED && !rq->address)
		return -EINVAL;
	if (rq->offset > INT64_MAX || rq->size > INT64_MAX - rq->offset)
		return -EOVERFLOW;
	return 0;
}

/*
 * Devices have no size in stat(). That of a block device can be had otherwise, and its
 * driver maps beyond it; those of all others (character devices and the like) only their
 * drivers know, and these refuse to map what they do not have.
 */
static int look_at(struct request *rq, struct extent *ret)
{
	struct statfs fs;
	struct stat st;

	*ret = (struct extent){ 0 };
	if (fstat(rq->fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		ret->bounded = true;
		return errno_or(ioctl(rq->fd, BLKGETSIZE64, &ret->size));
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	if (fstatfs(rq->fd, &fs) < 0)
		return -errno;
	if (fs.f_type == HUGETLBFS_MAGIC)
		rq->page = (size_t)fs.f_bsize;
	rq->regular = true;
	*ret = (struct extent){ .size = (uint64_t)st.st_size, .bounded = true };
	return 0;
}

/* Holds what is asked for against what there is, and resolves a size of 0. */
static int fit(struct request *rq, const struct extent *extent)
{
	if (!extent->bounded && rq->size > 0)
		return 0;
	if (rq->offset >= extent->size || rq->size > extent->size - rq->offset)
		return -ENXIO;
	if (rq->size == 0)
		rq->size = extent->size - rq->offset;
	return 0;
}

static int mapping_flags(const struct request *rq)
{
	int flags = is_private(rq->mode) ? MAP_PRIVATE : MAP_SHARED;

	if (rq->fd < 0)
		flags |= MAP_ANONYMOUS;
	if (rq->flags & SHMFS_REGION_FIXED)
		flags |= MAP_FIXED_NOREPLACE;
	return flags;
}

/* Where the mapping has to begin for the region to begin at the address asked for. */
static int wanted_base(const struct request *rq, size_t lead, void **ret)
{
	if (rq->flags & SHMFS_REGION_FIXED && rq->address % rq->page != lead)
		return -EINVAL;
	*ret = NULL;
	if (rq->address > lead)
		*ret = (void *)round_down(rq->address - lead, rq->page);
	return 0;
}

static int map_pages(struct shmfs_region *region, const struct request *rq)
{
	void *wanted, *base;
	int r;

	r = wanted_base(rq, region->lead, &wanted);
	if (r < 0)
		return r;
	base = mmap(wanted, region->length, protection(rq->mode), mapping_flags(rq),
		    rq->fd, (off_t)(rq->offset - region->lead));
	if (base == MAP_FAILED)
		return -errno;
	/* Linux before 4.17 takes MAP_FIXED_NOREPLACE for a hint. */
	if (rq->flags & SHMFS_REGION_FIXED && base != wanted) {
		munmap(base, region->length);
		return -EEXIST;
	}
	region->base = base;
	return 0;
}

DEFINE_CLEANUP(struct shmfs_region, region, shmfs_region_unmap);

static int region_new(const struct request *rq, struct shmfs_region **ret)
{
	_cleanup_(cleanup_region) struct shmfs_region *region = NULL;
	size_t lead = (size_t)(rq->offset % rq->page);
	int r;

	/* A process has no more address space than that, on 32 bits too. */
	if (rq->size > PTRDIFF_MAX - 2 * rq->page)
		return -ENOMEM;
	region = calloc(1, sizeof(*region));
	if (!region)
		return -ENOMEM;
	region->size = (size_t)rq->size;
	region->lead = lead;
	region->length = round_up(lead + region->size, rq->page);
	region->page = rq->page;
	region->mode = rq->mode;
	region->comes_back = rq->regular && !is_private(rq->mode);
	r = map_pages(region, rq);
	if (r < 0)
		return r;
	*ret = take_ptr(region);
	return 0;
}

_public_ int shmfs_region_map_fd(int fd, enum shmfs_mode mode, uint64_t offset,
				 uint64_t size, void *address, unsigned int flags,
				 struct shmfs_region **ret)
{
	struct request rq = {
		.fd = fd,
		.page = system_page(),
		.offset = offset,
		.size = size,
		.address = (uintptr_t)address,
		.flags = flags,
		.mode = mode,
	};
	struct extent extent;
	int r;

	if (fd < 0)
		return -EBADF;
	r = check_request(&rq);
	if (r < 0)
		return r;
	r = look_at(&rq, &extent);
	if (r < 0)
		return r;
	r = fit(&rq, &extent);
	if (r < 0)
		return r;
	return region_new(&rq, ret);
}

_public_ int shmfs_region_map(const struct shmfs_object *object, enum shmfs_mode mode,
			      uint64_t offset, uint64_t size, void *address,
			      unsigned int flags, struct shmfs_region **ret)
{
	return shmfs_region_map_fd(shmfs_object_fd(object), mode, offset, size, address,
				   flags, ret);
}

_public_ int shmfs_region_map_anonymous(uint64_t size, void *address, unsigned int flags,
					struct shmfs_region **ret)
{
	struct request rq = {
		.fd = -1,
		.page = system_page(),
		.regular = true,
		.size = size,
		.address = (uintptr_t)address,
		.flags = flags,
		.mode = SHMFS_READ_WRITE,
	};
	int r;

	r = check_request(&rq);
	if (r < 0)
		return r;
	if (size == 0)
		return -EINVAL;
	return region_new(&rq, ret);
}

_public_ struct shmfs_region *shmfs_region_unmap(struct shmfs_region *region)
{
	if (!region)
		return NULL;
	if (region->base)
		munmap(region->base, region->length);
	free(region);
	return NULL;
}

_public_ void *shmfs_region_address(const struct shmfs_region *region)
{
	return region->base ? region->base + region->lead : NULL;
}

_public_ uint64_t shmfs_region_size(const struct shmfs_region *region)
{
	return region->size;
}

_public_ enum shmfs_mode shmfs_region_mode(const struct shmfs_region *region)
{
	return region->mode;
}

_public_ uint64_t shmfs_region_page_size(const struct shmfs_region *region)
{
	return region ? region->page : system_page();
}

_public_ int shmfs_region_flush(const struct shmfs_region *region, uint64_t offset,
				uint64_t size, enum shmfs_flush how)
{
	size_t begin, end;

	if (how != SHMFS_FLUSH_SYNC && how != SHMFS_FLUSH_ASYNC)
		return -EINVAL;
	if (offset >= region->size || size > region->size - offset)
		return -EINVAL;
	if (size == 0)
		size = region->size - offset;
	begin = region->lead + (size_t)offset;
	end = begin + (size_t)size;
	/* msync() takes any length, but only the address of a page. */
	begin = round_down(begin, region->page);
	return errno_or(msync(region->base + begin, end - begin,
			      how == SHMFS_FLUSH_SYNC ? MS_SYNC : MS_ASYNC));
}

static int unmap_all(struct shmfs_region *region)
{
	if (munmap(region->base, region->length) < 0)
		return -errno;
	region->base = NULL;
	region->length = 0;
	region->lead = 0;
	region->size = 0;
	return 0;
}

_public_ int shmfs_region_shrink_front(struct shmfs_region *region, uint64_t bytes)
{
	size_t drop;

	if (!region->base || bytes > region->size)
		return -EINVAL;
	if (bytes == region->size)
		return unmap_all(region);
	drop = round_down(region->lead + (size_t)bytes, region->page);
	if (drop > 0 && munmap(region->base, drop) < 0)
		return -errno;
	region->base += drop;
	region->length -= drop;
	region->lead += (size_t)bytes - drop;
	region->size -= (size_t)bytes;
	return 0;
}

_public_ int shmfs_region_shrink_back(struct shmfs_region *region, uint64_t bytes)
{
	size_t keep;

	if (!region->base || bytes > region->size)
		return -EINVAL;
	if (bytes == region->size)
		return unmap_all(region);
	keep = round_up(region->lead + region->size - (size_t)bytes, region->page);
	if (keep < region->length &&
	    munmap(region->base + keep, region->length - keep) < 0)
		return -errno;
	region->length = keep;
	region->size -= (size_t)bytes;
	return 0;
}

/*
 * posix_madvise() of glibc and musl would be as safe, as it ignores POSIX_MADV_DONTNEED
 * always. Where the pages come back by themselves it is worth to let them go.
 */
_public_ int shmfs_region_advise(const struct shmfs_region *region,
				 enum shmfs_advice advice)
{
	static const int native[] = {
		[SHMFS_ADVICE_NORMAL] = MADV_NORMAL,
		[SHMFS_ADVICE_SEQUENTIAL] = MADV_SEQUENTIAL,
		[SHMFS_ADVICE_RANDOM] = MADV_RANDOM,
		[SHMFS_ADVICE_WILLNEED] = MADV_WILLNEED,
		[SHMFS_ADVICE_DONTNEED] = MADV_DONTNEED,
	};

	if (!region->base || (unsigned int)advice > SHMFS_ADVICE_DONTNEED)
		return -EINVAL;
	if (advice == SHMFS_ADVICE_DONTNEED && !region->comes_back)
		return 0;
	return errno_or(madvise(region->base, region->length, native[advice]));
}
