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
 *
 * A System V segment is mapped by shmat(), and only as a whole. After that it is mapped
 * as any other file, and counts as an attachment until its last page is unmapped.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
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
	size_t attached; /* the length that shmat() mapped; 0: it was mmap() */
	bool comes_back; /* what is dropped is read again, from a file or from swap */
	enum shmfs_mode mode;
};

/* What is to be mapped, and where. */
struct request {
	int fd;       /* -1: anonymous memory, or a segment */
	size_t page;  /* its unit */
	bool regular; /* a file with pages of its own, or anonymous memory */
	uint64_t offset;
	uint64_t size;
	uintptr_t address; /* 0: anywhere */
	unsigned int flags;
	enum shmfs_mode mode;
	const struct shmfs_sysv *sysv; /* or NULL */
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
	/* It has a sign where words have 32 bits. */
	if ((uint32_t)fs.f_type == HUGETLBFS_MAGIC)
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

/* The identifier may have been used again. The kernel takes thousands of others first. */
static int check_size(int id, uint64_t size)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	return ds.shm_segsz == size ? 0 : -EIDRM;
}

/* -EEXIST if something is mapped there. */
static int check_free(void *address, size_t length)
{
	void *there = mmap(address, length, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (there == MAP_FAILED)
		return -errno;
	munmap(there, length);
	/* Linux before 4.17, as below. */
	return there == address ? 0 : -EEXIST;
}

/*
 * shmat() never takes an address for a hint, and says EINVAL where something is mapped.
 * So the place is looked at before; not only for the sake of the errno: a shmat() that
 * fails there counts as a detachment, and could be the end of the segment
 * (kernel.shm_rmid_forced).
 */
static int attach_at(void *wanted, size_t length, int id, int flags, void **ret)
{
	int r;

	r = check_free(wanted, length);
	if (r < 0)
		return r;
	*ret = shmat(id, wanted, flags);
	if (*ret != MAP_FAILED)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* Taken in between; or no place for huge pages. */
	r = check_free(wanted, length);
	return r < 0 ? r : -EINVAL;
}

static int attach(struct shmfs_region *region, const struct request *rq, void *wanted)
{
	int flags = rq->mode == SHMFS_READ_ONLY ? SHM_RDONLY : 0;
	int id = shmfs_sysv_id(rq->sysv);
	void *base = NULL;
	int r = 0;

	if (wanted)
		r = attach_at(wanted, region->length, id, flags, &base);
	if (r < 0 && rq->flags & SHMFS_REGION_FIXED)
		return r;
	if (r < 0 || !wanted)
		base = shmat(id, NULL, flags);
	if (base == MAP_FAILED)
		return -errno;
	region->base = base;
	region->attached = region->length;
	return 0;
}

DEFINE_CLEANUP(FILE, file, fclose);

/* The page size of the mapping at @base; 0 where the kernel does not tell. */
static int read_page_size(const char *base, size_t *ret)
{
	_cleanup_(cleanup_file) FILE *smaps = NULL;
	_cleanup_free_ char *line = NULL;
	uintptr_t begin, end;
	bool here = false;
	size_t n = 0, kib;

	*ret = 0;
	/* thread-self: the first thread of the process may have ended. */
	smaps = fopen("/proc/thread-self/smaps", "re");
	if (!smaps)
		return errno == ENOENT ? 0 : -errno;
	while (*ret == 0 && getline(&line, &n, smaps) >= 0) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2)
			here = begin == (uintptr_t)base;
		else if (here && sscanf(line, "KernelPageSize: %zu kB", &kib) == 1)
			*ret = kib * 1024;
	}
	return 0;
}

/*
 * Nothing but the mapping itself tells that a segment is of huge pages, and the file that
 * tells it is as long as the process has mappings. But such pages cannot be put back, and
 * the kernel says so; where that is possible nothing happens, as there are none yet. (It
 * also says so of mappings that are locked, and before Linux 5.4 of all.)
 */
static int find_page_size(struct shmfs_region *region)
{
	size_t page;
	int r;

	if (madvise(region->base, region->page, MADV_COLD) == 0)
		return 0;
	r = read_page_size(region->base, &page);
	if (r < 0 || page == 0)
		return r;
	region->page = page;
	region->length = region->attached = round_up(region->size, page);
	return 0;
}

static int attach_pages(struct shmfs_region *region, const struct request *rq,
			void *wanted)
{
	int r;

	r = check_size(shmfs_sysv_id(rq->sysv), rq->size);
	if (r < 0)
		return r;
	r = attach(region, rq, wanted);
	if (r < 0)
		return r;
	return find_page_size(region);
}

static int map_pages(struct shmfs_region *region, const struct request *rq)
{
	void *wanted, *base;
	int r;

	r = wanted_base(rq, region->lead, &wanted);
	if (r < 0)
		return r;
	if (rq->sysv)
		return attach_pages(region, rq, wanted);
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

_public_ int shmfs_region_map_sysv(const struct shmfs_sysv *sysv, enum shmfs_mode mode,
				   void *address, unsigned int flags,
				   struct shmfs_region **ret)
{
	struct request rq = {
		.fd = -1,
		.page = system_page(),
		.regular = true,
		.size = shmfs_sysv_size(sysv),
		.address = (uintptr_t)address,
		.flags = flags,
		.mode = mode,
		.sysv = sysv,
	};
	int r;

	r = check_request(&rq);
	if (r < 0)
		return r;
	if (is_private(mode))
		return -EINVAL;
	return region_new(&rq, ret);
}

/*
 * shmdt() takes the address that an attachment began at, and what is there now: where the
 * front was given back that can be another attachment by somebody else. So it is for
 * those that are whole, of which it knows the length better than we do where their page
 * size could not be found out.
 */
static int unmap(const struct shmfs_region *region)
{
	if (region->attached == region->length)
		return errno_or(shmdt(region->base));
	return errno_or(munmap(region->base, region->length));
}

_public_ struct shmfs_region *shmfs_region_unmap(struct shmfs_region *region)
{
	if (!region)
		return NULL;
	if (region->base)
		unmap(region);
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
	int r;

	r = unmap(region);
	if (r < 0)
		return r;
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
