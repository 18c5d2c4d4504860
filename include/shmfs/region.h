/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_REGION_H
#define SHMFS_REGION_H
/**
 * DOC: mapped regions
 *
 * A region is memory of a shared-memory object (or of a System V segment, or of any file
 * that can be mapped) in the address space of the process. It lies wholly within the
 * object when it is mapped, so
 * that no load or store in it is SIGBUS; that is refused at shmfs_region_map() and not
 * found out later. (See <shmfs/shmfs.h> for what remains.)
 *
 * The same object can be mapped many times. All regions that are not private see the same
 * memory, at different addresses.
 *
 * After fork(2) the child has the regions too. execve(2) unmaps them.
 *
 * Threads: all functions that take a pointer to const may be called by several threads at
 * once, also on the same region. shmfs_region_shrink_front(), shmfs_region_shrink_back()
 * and shmfs_region_unmap() need it for themselves.
 *
 * Since: 0.1
 */
#include <stdint.h>

#include <shmfs/object.h>
#include <shmfs/sysv.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shmfs_region;

/* Flag: at exactly the address that is given, or not at all. Since: 0.1 */
#define SHMFS_REGION_FIXED 1u

/**
 * shmfs_region_map() - map a shared-memory object
 * @object:  an open object
 * @mode:    what is done with the memory. SHMFS_READ_WRITE needs an object that is open
 *           SHMFS_READ_WRITE too; all other modes go with any
 * @offset:  where in the object the region begins, in bytes. It need not be a multiple of
 *           the page size
 * @size:    the size of the region in bytes, or 0: up to the end of the object
 * @address: NULL, or where the region should begin. As a hint it is taken as far as that
 *           is possible; with SHMFS_REGION_FIXED it is where the region begins
 * @flags:   0 or SHMFS_REGION_FIXED
 * @ret:     the region
 *
 * A fixed address must agree with @offset modulo the page size. What is already mapped at
 * that address is never touched.
 *
 * The region does not need @object any more, and does not grow with it.
 *
 * Ownership: *@ret is the caller's, to be given back with shmfs_region_unmap(). Threads:
 * any.
 *
 * Return: 0, or a negative errno, and then nothing is mapped:
 * -ENXIO      the object is empty, @offset is not before its end, or @offset + @size is
 *             behind it (POSIX has this errno for it; mmap() of Linux lets it pass, and
 *             SIGBUS follows)
 * -EOVERFLOW  @offset + @size is more than a file can have (POSIX)
 * -EACCES     SHMFS_READ_WRITE, and the object is open SHMFS_READ_ONLY (POSIX)
 * -EEXIST     SHMFS_REGION_FIXED, and something is mapped there (the kernel)
 * -EPERM      a seal forbids it (fcntl(2)), or the fixed address is below what the kernel
 *             lets users map
 * -ENOMEM     no room in the address space, or too many mappings
 * -EINVAL     @mode or @flags is none of the above; or SHMFS_REGION_FIXED with NULL, or
 *             with an address that does not agree with @offset
 *
 * Since: 0.1
 */
int shmfs_region_map(const struct shmfs_object *object, enum shmfs_mode mode,
		     uint64_t offset, uint64_t size, void *address, unsigned int flags,
		     struct shmfs_region **ret);

/**
 * shmfs_region_map_fd() - map any other file
 * @fd:      a file descriptor: of a file, a memfd, a block device, a device that can be
 *           mapped. It stays the caller's and can be closed at once
 * @mode:    as for shmfs_region_map(): SHMFS_READ_WRITE needs O_RDWR, all others reading
 * @offset:  as for shmfs_region_map()
 * @size:    as for shmfs_region_map(); but what has no size of its own, as character
 *           devices, needs one here: its driver decides whether it can be had
 * @address: as for shmfs_region_map()
 * @flags:   as for shmfs_region_map()
 * @ret:     the region
 *
 * Ownership and threads as for shmfs_region_map().
 *
 * Return: 0, or a negative errno, as shmfs_region_map(), and:
 * -ENXIO   @size is 0, and the file has no size of its own
 * -EBADF   @fd is not open
 * -EACCES  @fd is not open for reading; or not for writing, and @mode is SHMFS_READ_WRITE
 * -ENODEV  what @fd is cannot be mapped: a pipe, a socket, a directory (POSIX)
 *
 * Since: 0.1
 */
int shmfs_region_map_fd(int fd, enum shmfs_mode mode, uint64_t offset, uint64_t size,
			void *address, unsigned int flags, struct shmfs_region **ret);

/**
 * shmfs_region_map_anonymous() - shared memory without a name
 * @size:    its size in bytes, at least 1
 * @address: as for shmfs_region_map()
 * @flags:   as for shmfs_region_map()
 * @ret:     the region, SHMFS_READ_WRITE, zero-filled
 *
 * It is shared with the children that the process gets by fork(2), and with nobody else.
 *
 * Ownership and threads as for shmfs_region_map().
 *
 * Return: 0, or a negative errno, as shmfs_region_map(), and:
 * -EINVAL     @size is 0
 * -EOVERFLOW  @size is more than 2^63-1
 *
 * Since: 0.1
 */
int shmfs_region_map_anonymous(uint64_t size, void *address, unsigned int flags,
			       struct shmfs_region **ret);

/**
 * shmfs_region_map_sysv() - map a System V segment
 * @sysv:    an open segment
 * @mode:    SHMFS_READ_ONLY, which its permissions have to let the process read, or
 *           SHMFS_READ_WRITE, which needs both. There are no private attachments in
 *           System V, so that the other modes are refused, as Boost.Interprocess does
 * @address: as for shmfs_region_map()
 * @flags:   as for shmfs_region_map()
 * @ret:     the region
 *
 * A segment is mapped as a whole, whatever is needed of it; a part can be kept by
 * shmfs_region_shrink_front() and shmfs_region_shrink_back(). Each region counts as one
 * attachment (shm_nattch) in each process that has it.
 *
 * A fixed address must be a multiple of the page size, that of huge pages for a segment
 * of such. What is already mapped at that address is never touched.
 *
 * The region does not need @sysv any more, nor that the segment is not removed.
 *
 * Ownership and threads as for shmfs_region_map().
 *
 * Return: 0, or a negative errno, and then nothing is mapped:
 * -EACCES  the permissions of the segment do not allow @mode
 * -EEXIST  SHMFS_REGION_FIXED, and something is mapped there
 * -EIDRM   the segment does not exist any more: it was removed this very moment (the
 *          kernel), or one of another size has its identifier now (the library)
 * -EINVAL  the segment does not exist any more (the kernel); or @mode or @flags is none
 *          of the above; or SHMFS_REGION_FIXED with NULL, or with an address that is no
 *          multiple of the page size, or where a segment of huge pages has no room
 * -EPERM   the fixed address is below what the kernel lets users map
 * -ENOMEM  no room in the address space, or too many mappings
 * -EMFILE, -ENFILE
 *          the pages of the segment seem to be huge, and how huge they are /proc tells
 *
 * Since: 0.1
 */
int shmfs_region_map_sysv(const struct shmfs_sysv *sysv, enum shmfs_mode mode,
			  void *address, unsigned int flags, struct shmfs_region **ret);

/**
 * shmfs_region_unmap() - give a region back
 * @region: the region, or NULL
 *
 * Its addresses are not valid any more.
 *
 * Threads: no other may use @region or its memory any more.
 *
 * Return: NULL.
 *
 * Since: 0.1
 */
struct shmfs_region *shmfs_region_unmap(struct shmfs_region *region);

/**
 * shmfs_region_address() - where a region begins
 * @region: a region
 *
 * Threads: any.
 *
 * Return: the address of its first byte, which is the object's byte at the offset that
 * was mapped. Valid until shmfs_region_unmap(). NULL when it was shrunk to nothing.
 *
 * Since: 0.1
 */
void *shmfs_region_address(const struct shmfs_region *region);

/**
 * shmfs_region_size() - the size of a region
 * @region: a region
 *
 * Threads: any.
 *
 * Return: its size in bytes, as it was mapped less what it was shrunk by.
 *
 * Since: 0.1
 */
uint64_t shmfs_region_size(const struct shmfs_region *region);

/**
 * shmfs_region_mode() - what a region was mapped for
 * @region: a region
 *
 * Threads: any.
 *
 * Return: its mode.
 *
 * Since: 0.1
 */
enum shmfs_mode shmfs_region_mode(const struct shmfs_region *region);

/**
 * shmfs_region_page_size() - the unit of mapping
 * @region: a region, or NULL
 *
 * Threads: any.
 *
 * Return: the size in bytes of the pages that @region is made of: those of its file
 * system for files of hugetlbfs, those it was created with for a System V segment of huge
 * pages (SHM_HUGETLB), and otherwise the machine's, which is also the answer for NULL.
 *
 * Since: 0.1
 */
uint64_t shmfs_region_page_size(const struct shmfs_region *region);

/**
 * enum shmfs_flush - whether shmfs_region_flush() waits
 * @SHMFS_FLUSH_SYNC:  it returns when everything is written
 * @SHMFS_FLUSH_ASYNC: it only asks for that
 *
 * Since: 0.1
 */
enum shmfs_flush {
	SHMFS_FLUSH_SYNC,
	SHMFS_FLUSH_ASYNC,
};

/**
 * shmfs_region_flush() - write what was stored back to the file
 * @region: a region
 * @offset: from here in the region, in bytes. It need not be a multiple of the page size
 * @size:   so many bytes, or 0: up to the end of the region
 * @how:    wait for it, or not
 *
 * For regions of files on disks. Other regions of the same file see each store at once,
 * without this; and a shared-memory object has nothing to be written to. Stores in
 * private regions are never written.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno:
 * -EINVAL  the bytes are not within the region, or @how is none of the above
 * -EIO     the device could not write
 *
 * Since: 0.1
 */
int shmfs_region_flush(const struct shmfs_region *region, uint64_t offset, uint64_t size,
		       enum shmfs_flush how);

/**
 * shmfs_region_shrink_front() - give the beginning of a region back
 * @region: a region
 * @bytes:  so many
 *
 * The region begins @bytes later. Pages that it does not need any more are unmapped; the
 * rest stays where it is. Shrunk by its whole size it is mapped nowhere, and only good
 * for shmfs_region_unmap().
 *
 * Threads: no other may use @region meanwhile, nor the memory that is given back any
 * more.
 *
 * Return: 0, or a negative errno, and then the region is what it was:
 * -EINVAL  @bytes is more than the region has, or it has been shrunk to nothing before
 * -ENOMEM  too many mappings (the kernel)
 *
 * Since: 0.1
 */
int shmfs_region_shrink_front(struct shmfs_region *region, uint64_t bytes);

/**
 * shmfs_region_shrink_back() - give the end of a region back
 * @region: a region
 * @bytes:  so many
 *
 * The region ends @bytes earlier. All else as for shmfs_region_shrink_front().
 *
 * Return: 0, or a negative errno, as shmfs_region_shrink_front().
 *
 * Since: 0.1
 */
int shmfs_region_shrink_back(struct shmfs_region *region, uint64_t bytes);

/**
 * enum shmfs_advice - how a region is going to be used
 * @SHMFS_ADVICE_NORMAL:     nothing special
 * @SHMFS_ADVICE_SEQUENTIAL: from its beginning to its end
 * @SHMFS_ADVICE_RANDOM:     here and there: reading ahead is no use
 * @SHMFS_ADVICE_WILLNEED:   soon
 * @SHMFS_ADVICE_DONTNEED:   not soon
 *
 * Since: 0.1
 */
enum shmfs_advice {
	SHMFS_ADVICE_NORMAL,
	SHMFS_ADVICE_SEQUENTIAL,
	SHMFS_ADVICE_RANDOM,
	SHMFS_ADVICE_WILLNEED,
	SHMFS_ADVICE_DONTNEED,
};

/**
 * shmfs_region_advise() - tell the kernel how a region is going to be used
 * @region: a region
 * @advice: how
 *
 * It may make a program faster and never changes what it reads. That holds for
 * SHMFS_ADVICE_DONTNEED as well, as POSIX has it: where MADV_DONTNEED of Linux would lose
 * data (private regions) or take what does not come back (devices), nothing is done.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno:
 * -EINVAL  @advice is none of the above, or the region has been shrunk to nothing; or the
 *          kernel cannot follow it for this region, as where it is locked (mlock(2))
 *
 * Since: 0.1
 */
int shmfs_region_advise(const struct shmfs_region *region, enum shmfs_advice advice);

#ifdef __cplusplus
}
#endif

#endif
