/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_OBJECT_H
#define SHMFS_OBJECT_H
/**
 * DOC: shared-memory objects
 *
 * An object is named memory outside of any process: created by one, opened by others,
 * mapped by all of them (<shmfs/region.h>). It begins with 0 bytes, gets its size by
 * shmfs_object_truncate() or shmfs_object_reserve(), and exists until
 * shmfs_object_remove() and, after that, until the last process gave back what it had
 * opened or mapped of it.
 *
 * Names are those of shm_open(3): 1 to 255 bytes, no slash but leading ones, which do not
 * count ("example" and "/example" are the same object), and neither "." nor "..".
 *
 * On Linux the objects are the regular files of /dev/shm. What else may lie there
 * (symbolic links, directories, FIFOs) is no object: it is neither listed nor opened nor
 * removed. Named semaphores (sem_open(3)) are files there too, as "sem.NAME", and as such
 * are objects; leave their contents alone.
 *
 * Threads: a struct shmfs_object does not change while it is open. All functions may be
 * called by several threads at once, also on the same object, but shmfs_object_close().
 *
 * Since: 0.1
 */
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shmfs_object;

/**
 * enum shmfs_how - what shmfs_object_open() does with the name
 * @SHMFS_CREATE_ONLY:    a new object; fails where the name is taken
 * @SHMFS_OPEN_ONLY:      the object of that name; fails where there is none
 * @SHMFS_OPEN_OR_CREATE: the object of that name, or else a new one
 *
 * Since: 0.1
 */
enum shmfs_how {
	SHMFS_CREATE_ONLY,
	SHMFS_OPEN_ONLY,
	SHMFS_OPEN_OR_CREATE,
};

/**
 * enum shmfs_mode - what is done with the memory
 * @SHMFS_READ_ONLY:     loads. Those of a region see the stores of others
 * @SHMFS_READ_WRITE:    loads and stores. Those of a region are seen by others
 * @SHMFS_COPY_ON_WRITE: regions only: loads and stores, but a page that is stored to
 *                       becomes a copy of the region's own: neither do others see its
 *                       stores, nor does it see theirs in that page any more. It is
 *                       enough that the object is open for reading
 * @SHMFS_READ_PRIVATE:  regions only: loads from a private mapping. Whether it sees later
 *                       stores of others is unspecified by POSIX (on Linux it does)
 *
 * Since: 0.1
 */
enum shmfs_mode {
	SHMFS_READ_ONLY,
	SHMFS_READ_WRITE,
	SHMFS_COPY_ON_WRITE,
	SHMFS_READ_PRIVATE,
};

/* Permissions of a new object: its owner writes, all others read. Since: 0.1 */
#define SHMFS_PERM_DEFAULT      0644u
/* Permissions of a new object: everybody reads and writes. Since: 0.1 */
#define SHMFS_PERM_UNRESTRICTED 0666u

/**
 * shmfs_object_open() - create or open a shared-memory object
 * @name: its name, with or without its leading slash
 * @how:  create it, open it, or whichever is possible
 * @mode: SHMFS_READ_ONLY or SHMFS_READ_WRITE: what this handle can be used for
 * @perm: permissions of an object that is created, within 0777: SHMFS_PERM_DEFAULT,
 *        SHMFS_PERM_UNRESTRICTED or any other. They are what is set, exactly: the umask
 *        does not count. Not looked at with SHMFS_OPEN_ONLY
 * @ret:  the open object
 *
 * A new object belongs to the effective user of the process and is empty. Where /proc is
 * mounted (and @mode is SHMFS_READ_WRITE) it appears under its name complete, with its
 * permissions. Elsewhere it has, for a moment, fewer than @perm when the umask says so;
 * never more.
 *
 * SHMFS_OPEN_OR_CREATE has no race: when several processes ask at once one creates and
 * all get the same object, and when others remove it meanwhile it tries again.
 *
 * The descriptor behind the object is closed at execve(2).
 *
 * Ownership: *@ret is the caller's, to be given back with shmfs_object_close(). @name is
 * copied. Threads: any.
 *
 * Return: 0, or a negative errno, and then there is neither an object nor a new name:
 * -EINVAL        @name is empty, "." or "..", or has a slash inside (POSIX leaves that
 *                open, Linux refuses it); or @how, @mode or @perm is none of the above
 * -ENAMETOOLONG  @name is longer than 255 bytes (the kernel's NAME_MAX)
 * -EEXIST        SHMFS_CREATE_ONLY, and the name is taken
 * -ENOENT        SHMFS_OPEN_ONLY, and there is no such object
 * -EACCES        its permissions do not allow @mode, or none may be created
 * -ELOOP, -EISDIR, -ENXIO
 *                the name is that of a symbolic link, a directory, or something else that
 *                is not an object
 * -EMFILE, -ENFILE, -ENOSPC, -ENOMEM
 *                no more descriptors, space for names, memory
 *
 * Since: 0.1
 */
int shmfs_object_open(const char *name, enum shmfs_how how, enum shmfs_mode mode,
		      uint32_t perm, struct shmfs_object **ret);

/**
 * shmfs_object_close() - give an open object back
 * @object: the object, or NULL
 *
 * The object itself stays, and so do all regions that were mapped of it.
 *
 * Threads: no other may use @object any more.
 *
 * Return: NULL.
 *
 * Since: 0.1
 */
struct shmfs_object *shmfs_object_close(struct shmfs_object *object);

/**
 * shmfs_object_truncate() - set the size of an object
 * @object: an object opened SHMFS_READ_WRITE
 * @size:   its new size in bytes
 *
 * As often as needed, to larger and to smaller sizes. What is added reads as zeros, also
 * where the object had been larger before. What is added takes no memory yet: when that
 * cannot be had at the first store the process gets SIGBUS, so see
 * shmfs_object_reserve().
 *
 * Who shrinks an object takes the memory away below all regions of it, in all processes:
 * a load from beyond the new end is SIGBUS. Regions do not grow with their object.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno, and then the size is what it was:
 * -EBADF  @object was opened SHMFS_READ_ONLY (POSIX lets ftruncate() say this or EINVAL;
 *         as Linux says EINVAL for other reasons too, the library tells them apart)
 * -EFBIG  @size is more than the kernel's limit (2^63-1) or that of the process
 *         (RLIMIT_FSIZE; the kernel sends SIGXFSZ with it)
 *
 * Since: 0.1
 */
int shmfs_object_truncate(const struct shmfs_object *object, uint64_t size);

/**
 * shmfs_object_reserve() - make sure that the memory is there
 * @object: an object opened SHMFS_READ_WRITE
 * @size:   so many bytes from its beginning, at least 1
 *
 * Allocates what is not allocated yet of the first @size bytes, and lets the object grow
 * to @size if it is smaller; it never shrinks. Contents are kept, and what is added reads
 * as zeros. After that no store within these bytes can fail for want of memory.
 *
 * Interrupting signals do not end it early.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno, and then neither size nor allocation have changed:
 * -ENOSPC      the file system of the objects is too full for it
 * -ENOMEM      the machine, or the control group of the process, is
 * -EBADF       @object was opened SHMFS_READ_ONLY (POSIX, posix_fallocate())
 * -EINVAL      @size is 0 (POSIX, posix_fallocate())
 * -EFBIG       @size is too large, as for shmfs_object_truncate()
 * -EOPNOTSUPP  /dev/shm is not a tmpfs here, and cannot allocate in advance (the kernel)
 *
 * Since: 0.1
 */
int shmfs_object_reserve(const struct shmfs_object *object, uint64_t size);

/**
 * shmfs_object_size() - the size of an object
 * @object: an open object
 * @ret:    its size in bytes
 *
 * It is what the object has now: others may change it at any time.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno.
 *
 * Since: 0.1
 */
int shmfs_object_size(const struct shmfs_object *object, uint64_t *ret);

/**
 * shmfs_object_name() - the name of an object
 * @object: an open object
 *
 * Threads: any.
 *
 * Return: the name it was opened by, without a leading slash. It belongs to @object and
 * is valid until shmfs_object_close(). The object may have been removed meanwhile, and
 * another one may have its name.
 *
 * Since: 0.1
 */
const char *shmfs_object_name(const struct shmfs_object *object);

/**
 * shmfs_object_mode() - what an object was opened for
 * @object: an open object
 *
 * Threads: any.
 *
 * Return: SHMFS_READ_ONLY or SHMFS_READ_WRITE.
 *
 * Since: 0.1
 */
enum shmfs_mode shmfs_object_mode(const struct shmfs_object *object);

/**
 * shmfs_object_fd() - the native file descriptor of an object
 * @object: an open object
 *
 * For fstat(2), fchown(2), flock(2), sendmsg(2) and whatever else the library does not
 * do.
 *
 * Threads: any.
 *
 * Return: the descriptor. It belongs to @object: do not close it. dup(2) it to keep it
 * beyond shmfs_object_close().
 *
 * Since: 0.1
 */
int shmfs_object_fd(const struct shmfs_object *object);

/**
 * shmfs_object_remove() - remove the name of an object
 * @name: as for shmfs_object_open()
 *
 * The name is free at once. The memory lives until nobody has it open or mapped any more.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno:
 * -ENOENT                 there is no such object
 * -EACCES                 it is another user's (the directory is sticky)
 * -EINVAL, -ENAMETOOLONG  @name cannot be a name
 * -ELOOP, -EISDIR, -ENXIO what has the name is not an object, and is left alone
 *
 * Since: 0.1
 */
int shmfs_object_remove(const char *name);

/**
 * shmfs_object_fn - what shmfs_object_list() calls for each object
 * @name: the name, valid until the function returns
 * @data: what was given to shmfs_object_list()
 *
 * Return: 0 to go on; anything else ends the listing, which returns it.
 *
 * Since: 0.1
 */
typedef int (*shmfs_object_fn)(const char *name, void *data);

/**
 * shmfs_object_list() - call a function for each object there is
 * @fn:   the function. It may do anything, also create and remove objects
 * @data: handed to it
 *
 * In no particular order. An object that is there from the first to the last call is
 * listed exactly once. One that is created or removed meanwhile is listed once or not at
 * all; so who opens what is listed must expect -ENOENT.
 *
 * Threads: any. @fn is called on the calling thread.
 *
 * Return: 0 after the last object; what @fn returned if it was not 0; or a negative errno
 * when the objects cannot be listed:
 * -ENOENT  there is no /dev/shm
 * -EINVAL  @fn is NULL
 *
 * Since: 0.1
 */
int shmfs_object_list(shmfs_object_fn fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
