/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_HEAP_H
#define SHMFS_HEAP_H
/**
 * DOC: heaps
 *
 * A heap is an object whose memory processes allocate and free together, and in which
 * they give names to what they share. It survives the death of any of them at any
 * instruction: the next process that changes the heap undoes the change that the dead one
 * had not finished, and no block and no name is lost. The processes may live in different
 * containers. They need not trust each other to stay alive. They do trust each other with
 * the contents: anyone who may write to a heap can damage it. Who may only read it can
 * damage nothing, but can keep further writers from attaching, by locks on the file.
 *
 * Each process maps a heap at an address of its own. So data in a heap refers to other
 * data by its offset from the beginning of the heap (shmfs_offset_t), never by pointers.
 * Offset 0 is no place. shmfs_heap_at() and shmfs_heap_offset() convert.
 *
 * shmfs_heap_alloc() allocates memory and stores its offset in a word of the heap in one
 * step, and shmfs_heap_free() frees it and clears that word. So no memory is lost between
 * the two. A named object is found by its name. A transaction makes several changes one.
 *
 * A heap grows by itself, up to its limit, without a call in the other processes and
 * without moving. Memory is taken when the heap grows, and -ENOSPC says that there is
 * none. A heap that is attached is never the cause of SIGBUS, unless somebody truncates
 * its file.
 *
 * The format is described in shmfs_heap(5) and can be read in any language that can map a
 * file.
 *
 * Threads: all functions but shmfs_heap_close() may be called by several threads at once
 * on the same heap. A thread that is cancelled or ends within a transaction leaves the
 * heap locked for as long as its process lives.
 *
 * Processes: after fork(2) the child is attached on its own before fork() returns. A
 * transaction that was under way is the parent's alone. Where the child cannot be
 * attached, what would change the heap returns the reason there, and -EUSERS where no
 * attachment is left. Children that are made by clone(2) itself or by vfork(2) must not
 * use the heap. execve(2) ends the attachment.
 *
 * Since: 0.2
 */
#include <stddef.h>
#include <stdint.h>

#include <shmfs/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shmfs_heap;

/**
 * shmfs_offset_t - a place in a heap, in bytes from its beginning; 0 is none
 *
 * It begins at a multiple of 8 on every machine, so that programs of 32 and of 64 bits
 * find it in the same place of a struct.
 *
 * Since: 0.2
 */
#ifdef __i386__
typedef uint64_t __attribute__((aligned(8))) shmfs_offset_t;
#else
typedef uint64_t shmfs_offset_t;
#endif

/**
 * struct shmfs_heap_options - how a heap is created
 * @size:  its size in bytes, all of which is allocated at once; 0: the smallest, 64 KiB.
 *         It is rounded up to a multiple of 4096
 * @limit: the size in bytes up to which it may grow; 0: 16 times @size. Each process that
 *         attaches takes so much address space. Less than 64 GiB
 * @perm:  permissions of the object, within 0777; 0: SHMFS_PERM_DEFAULT. The umask does
 *         not count. Users who may only read can look names up
 *
 * Since: 0.2
 */
struct shmfs_heap_options {
	uint64_t size;
	uint64_t limit;
	uint32_t perm;
};

/**
 * shmfs_heap_open() - create a heap, or attach to one, by name
 * @name:    the name of its object, as for shmfs_object_open()
 * @how:     create it, attach to it, or whichever is possible
 * @options: how a heap is created; NULL: all as if 0. Not looked at for one that is there
 * @ret:     the attachment
 *
 * A heap that is created has its name when it is complete: nobody waits for it, and
 * whoever creates it may die at any moment. At most 1024 attachments of a heap that may
 * write exist at the same time. Attaching takes a /proc that is mounted.
 *
 * Ownership: *@ret is the caller's, to be given back with shmfs_heap_close(). Threads:
 * any. Cost: some system calls; creating takes the memory of the heap.
 *
 * Return: 0, or a negative errno, and then there is neither an attachment nor a new name:
 * -EINVAL           the object is no heap; or @how, or a number of @options, is none of
 *                   the above, or @limit is less than @size
 * -EPROTONOSUPPORT  it is a heap of another byte order or version, or of a feature that
 *                   this version of the library does not know
 * -EROFS            it has a feature that this version can only read
 * -EUCLEAN          it says of itself what cannot be: it is damaged, or cut off
 * -EEXIST           SHMFS_CREATE_ONLY, and the name is taken
 * -ENOENT           SHMFS_OPEN_ONLY, and there is no such object
 * -EACCES           its permissions do not allow to read and write
 * -EFBIG            @size or @limit is 64 GiB or more
 * -ENOSPC           no memory for its size
 * -EAGAIN           1024 attachments exist, or somebody has read locks in their place
 * -ENOMEM           no address space for its limit
 * -EOPNOTSUPP       SHMFS_CREATE_ONLY, and /dev/shm can make no object without a name
 *
 * Since: 0.2
 */
int shmfs_heap_open(const char *name, enum shmfs_how how,
		    const struct shmfs_heap_options *options, struct shmfs_heap **ret);

/**
 * shmfs_heap_open_read_only() - attach to a heap in order to read
 * @name: the name of its object
 * @ret:  the attachment
 *
 * It takes the permission to read. The attachment can look names up, list them and read
 * memory, as far as the writers keep it in a state that can be read. A function that
 * would change the heap returns -EROFS. Writers never wait for such a reader.
 *
 * Ownership, threads, cost: as for shmfs_heap_open().
 *
 * Return: 0, or a negative errno, as for shmfs_heap_open() with SHMFS_OPEN_ONLY.
 *
 * Since: 0.2
 */
int shmfs_heap_open_read_only(const char *name, struct shmfs_heap **ret);

/**
 * shmfs_heap_open_fd() - attach to a heap in any file that can be mapped
 * @fd:   a descriptor of the file: on a shmfs mount, a memfd, a file on disk. It stays
 * the caller's and can be closed at once
 * @mode: SHMFS_READ_ONLY or SHMFS_READ_WRITE
 * @ret:  the attachment
 *
 * For SHMFS_READ_WRITE the file is opened anew by /proc, so that its permissions must
 * allow that, whatever @fd was opened for.
 *
 * Ownership, threads, cost: as for shmfs_heap_open().
 *
 * Return: 0, or a negative errno, as for shmfs_heap_open() with SHMFS_OPEN_ONLY, and:
 * -EBADF   @fd is not open
 * -ENODEV  what @fd is cannot be mapped shared
 * -EINVAL  @mode is none of the above, or the file is no heap
 *
 * Since: 0.2
 */
int shmfs_heap_open_fd(int fd, enum shmfs_mode mode, struct shmfs_heap **ret);

/**
 * shmfs_heap_create_fd() - make an empty file a heap, and attach to it
 * @fd:      a descriptor of the file, open for reading and writing. It stays the caller's
 * @options: as for shmfs_heap_open(), but for @perm, which is not looked at
 * @ret:     the attachment
 *
 * Others must not use the file before this returns.
 *
 * Ownership, threads, cost: as for shmfs_heap_open().
 *
 * Return: 0, or a negative errno, as for shmfs_heap_open_fd(), and:
 * -EEXIST  the file is not empty
 * -ENOSPC  no memory, or no room on the disk, for its size
 *
 * Since: 0.2
 */
int shmfs_heap_create_fd(int fd, const struct shmfs_heap_options *options,
			 struct shmfs_heap **ret);

/**
 * shmfs_heap_close() - end an attachment
 * @heap: the attachment, or NULL
 *
 * The heap stays. A transaction of the calling thread must be over.
 *
 * Threads: no other may use @heap any more.
 *
 * Return: NULL.
 *
 * Since: 0.2
 */
struct shmfs_heap *shmfs_heap_close(struct shmfs_heap *heap);

/**
 * shmfs_heap_remove() - remove the name of a heap
 * @name: the name of its object
 *
 * Attachments stay. The memory lives until the last of them is gone.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno, as shmfs_object_remove().
 *
 * Since: 0.2
 */
int shmfs_heap_remove(const char *name);

/**
 * shmfs_heap_alloc() - allocate memory and publish it
 * @heap:  an attachment that may write
 * @size:  so many bytes
 * @align: the memory begins at a multiple of this: a power of two, at most 4096. 16 and
 *         less cost nothing
 * @place: where its offset is stored: a word of the heap, such as shmfs_heap_root() or a
 *         part of other memory. It must be 0
 *
 * Others see *@place and the memory at the same moment, whatever it holds by then. So
 * where they look without being told, make the memory ready within a transaction.
 *
 * Threads: any. Cost: constant, unless the heap grows.
 *
 * Return: 0, or a negative errno, and then *@place is 0:
 * -ENOSPC   the heap is full and has its limit, or there is no memory for it to grow
 * -EEXIST   *@place is not 0: what it leads to would be lost
 * -EFAULT   @place does not lie in the heap
 * -EINVAL   @align is none of the above
 * -EROFS    the attachment may only read
 * -E2BIG    the transaction is too large
 * -EUCLEAN  the heap is damaged: see shmfs_heap_check()
 *
 * Since: 0.2
 */
int shmfs_heap_alloc(struct shmfs_heap *heap, uint64_t size, size_t align,
		     shmfs_offset_t *place);

/**
 * shmfs_heap_free() - free memory, and forget where it was
 * @heap:  an attachment that may write
 * @place: the word of the heap that leads to it; 0 there: nothing to free
 *
 * *@place becomes 0 at the same moment. Within a transaction the memory is free when that
 * is committed.
 *
 * Threads: any. Cost: constant.
 *
 * Return: 0, or a negative errno:
 * -EINVAL  no memory in use begins at *@place
 * -EFAULT  @place does not lie in the heap
 * -EROFS   the attachment may only read
 * -E2BIG   the transaction is too large
 * -ENOMEM  no memory of the process to remember it in, within a transaction
 *
 * Since: 0.2
 */
int shmfs_heap_free(struct shmfs_heap *heap, shmfs_offset_t *place);

/**
 * shmfs_heap_resize() - change the size of memory where it is
 * @heap:   an attachment that may write
 * @offset: where it begins
 * @size:   its new size in bytes
 *
 * It does not move. Within a transaction it does not become smaller.
 *
 * Threads: any. Cost: constant.
 *
 * Return: 0, or a negative errno, and then its size is what it was:
 * -ENOSPC  what lies behind it is in use
 * -EINVAL  no memory in use begins at @offset
 * -EROFS   the attachment may only read
 * -E2BIG   the transaction is too large
 *
 * Since: 0.2
 */
int shmfs_heap_resize(struct shmfs_heap *heap, shmfs_offset_t offset, uint64_t size);

/**
 * shmfs_heap_size_of() - how much memory there is
 * @heap:   an attachment
 * @offset: where memory in use begins
 * @ret:    its size in bytes: what was asked for, or a little more
 *
 * Threads: any. Cost: constant.
 *
 * Return: 0, or a negative errno:
 * -EINVAL  no memory in use begins at @offset
 *
 * Since: 0.2
 */
int shmfs_heap_size_of(struct shmfs_heap *heap, shmfs_offset_t offset, uint64_t *ret);

/**
 * shmfs_heap_at() - the address of a place in a heap
 * @heap:   an attachment
 * @offset: the place
 * @size:   so many bytes must lie there
 *
 * The address is that of this attachment. It is valid until shmfs_heap_close().
 *
 * Threads: any. Cost: some instructions.
 *
 * Return: the address, or NULL where @offset is 0, or the bytes do not lie in the heap.
 *
 * Since: 0.2
 */
void *shmfs_heap_at(struct shmfs_heap *heap, shmfs_offset_t offset, uint64_t size);

/**
 * shmfs_heap_offset() - the place of an address
 * @heap:    an attachment
 * @address: an address in it
 *
 * Threads: any. Cost: some instructions.
 *
 * Return: the offset, or 0 where @address does not lie in the heap.
 *
 * Since: 0.2
 */
shmfs_offset_t shmfs_heap_offset(const struct shmfs_heap *heap, const void *address);

/**
 * shmfs_heap_root() - a place of the user's in every heap
 * @heap: an attachment
 *
 * It is 0 in a new heap. Programs usually keep the offset of their first data there, from
 * which all other data can be reached.
 *
 * Threads: any.
 *
 * Return: the address of the word. It must be changed by shmfs_heap_alloc() and
 * shmfs_heap_free(), or within a transaction after shmfs_heap_log().
 *
 * Since: 0.2
 */
shmfs_offset_t *shmfs_heap_root(struct shmfs_heap *heap);

/**
 * shmfs_heap_construct() - make an object with a name
 * @heap: an attachment that may write
 * @name: 1 to 255 bytes, any but 0
 * @type: a number of the user's for what the object is
 * @size: its size in bytes
 * @data: what it holds at first, @size bytes; NULL: zeros
 * @ret:  its address, a multiple of 16
 *
 * Others find the object when it is complete.
 *
 * Threads: any. Cost: constant, but for the bytes of the object, unless the heap grows.
 *
 * Return: 0, or a negative errno, and then there is no such name:
 * -EEXIST        the name is taken
 * -ENOSPC        as for shmfs_heap_alloc()
 * -EINVAL        @name is empty
 * -ENAMETOOLONG  @name is longer than 255 bytes
 * -EROFS         the attachment may only read
 * -E2BIG         the transaction is too large
 * -EUCLEAN       the heap is damaged
 *
 * Since: 0.2
 */
int shmfs_heap_construct(struct shmfs_heap *heap, const char *name, uint64_t type,
			 uint64_t size, const void *data, void **ret);

/**
 * shmfs_heap_find() - find an object by its name
 * @heap: an attachment
 * @name: its name
 * @type: what it must be
 * @size: its size in bytes; 0: any
 * @ret:  its address
 *
 * An object with the name that is something else is an error, and never taken for what
 * was asked for. Nobody is waited for, unless somebody changes names all the time, or has
 * changed names in a transaction that is not over.
 *
 * Threads: any. Cost: constant.
 *
 * Return: 0, or a negative errno:
 * -ENOENT        there is no such name
 * -EPROTOTYPE    the object has another type
 * -EMSGSIZE      the object has another size
 * -EINVAL        @name is empty
 * -ENAMETOOLONG  @name is longer than 255 bytes
 * -EBUSY         the attachment may only read, and names are being changed; or the
 *                process that changed them died, and no writer has come since
 * -EUCLEAN       the heap is damaged
 *
 * Since: 0.2
 */
int shmfs_heap_find(struct shmfs_heap *heap, const char *name, uint64_t type,
		    uint64_t size, void **ret);

/**
 * shmfs_heap_find_or_construct() - find an object, or make it
 * @heap: an attachment that may write
 * @name: its name
 * @type: what it is
 * @size: its size in bytes
 * @data: what it holds at first if it is made; NULL: zeros
 * @ret:  its address
 *
 * When several processes ask at once, one makes the object and all get it.
 *
 * Threads: any. Cost: as for the two functions.
 *
 * Return: 0, or a negative errno, as shmfs_heap_find() and shmfs_heap_construct().
 *
 * Since: 0.2
 */
int shmfs_heap_find_or_construct(struct shmfs_heap *heap, const char *name, uint64_t type,
				 uint64_t size, const void *data, void **ret);

/**
 * shmfs_heap_destroy() - take an object and its name away
 * @heap: an attachment that may write
 * @name: its name
 *
 * Threads: any. Nobody may use the object any more. Cost: constant.
 *
 * Return: 0, or a negative errno:
 * -ENOENT        there is no such name
 * -EINVAL        @name is empty
 * -ENAMETOOLONG  @name is longer than 255 bytes
 * -EROFS         the attachment may only read
 * -E2BIG         the transaction is too large
 * -ENOMEM        as for shmfs_heap_free()
 * -EUCLEAN       the heap is damaged
 *
 * Since: 0.2
 */
int shmfs_heap_destroy(struct shmfs_heap *heap, const char *name);

/**
 * struct shmfs_heap_name - a named object
 * @name:   its name
 * @type:   what it is, as it was made
 * @size:   its size in bytes
 * @object: where it is
 *
 * Since: 0.2
 */
struct shmfs_heap_name {
	const char *name;
	uint64_t type;
	uint64_t size;
	shmfs_offset_t object;
};

/**
 * shmfs_heap_fn - what shmfs_heap_list() calls for each named object
 * @name: the object, valid until the function returns
 * @data: what was given to shmfs_heap_list()
 *
 * Return: 0 to go on; anything else ends the listing, which returns it.
 *
 * Since: 0.2
 */
typedef int (*shmfs_heap_fn)(const struct shmfs_heap_name *name, void *data);

/**
 * shmfs_heap_list() - call a function for each named object
 * @heap: an attachment
 * @fn:   the function. It may do anything, also make and destroy objects
 * @data: handed to it
 *
 * The names are those of one moment, in no particular order.
 *
 * Threads: any. @fn is called on the calling thread. Cost: grows with the names there
 * are, of which a copy is made.
 *
 * Return: 0 after the last name; what @fn returned if it was not 0; or a negative errno:
 * -ENOMEM   no memory of the process for the copy
 * -EBUSY    as for shmfs_heap_find()
 * -EUCLEAN  the heap is damaged
 *
 * Since: 0.2
 */
int shmfs_heap_list(struct shmfs_heap *heap, shmfs_heap_fn fn, void *data);

/**
 * shmfs_heap_begin() - begin a transaction
 * @heap: an attachment that may write
 *
 * The thread has the heap's lock until shmfs_heap_commit() or shmfs_heap_abort().
 * Whatever it changes by functions of the heap, and the bytes that it names to
 * shmfs_heap_log(), are as they were if the process dies before it commits. Other threads
 * and processes that change the heap wait. Those that look names up wait for its end from
 * the first name on that it makes or destroys; attachments that may only read get -EBUSY
 * then.
 *
 * A transaction can be begun within another; the outermost one counts.
 *
 * Threads: any. Cost: constant. After the death of the process that had the lock, the
 * next one waits for 5 to 100 ms.
 *
 * Return: 0, or a negative errno:
 * -EROFS  the attachment may only read
 *
 * Since: 0.2
 */
int shmfs_heap_begin(struct shmfs_heap *heap);

/**
 * shmfs_heap_log() - tell what is going to be changed
 * @heap: an attachment with a transaction of the calling thread
 * @data: an address in the heap, or shmfs_heap_root()
 * @size: so many bytes
 *
 * Call it before the first store there. The heap keeps the present bytes until the
 * transaction is over. A heap keeps a thirty-second of the size that it was created with,
 * at least 4 KiB and at most 128 KiB; what functions of the heap change counts, too.
 *
 * Threads: that of the transaction. Cost: grows with @size.
 *
 * Return: 0, or a negative errno:
 * -EPERM   the thread has no transaction
 * -EFAULT  the bytes do not lie in the heap
 * -E2BIG   the transaction is too large
 *
 * Since: 0.2
 */
int shmfs_heap_log(struct shmfs_heap *heap, const void *data, size_t size);

/**
 * shmfs_heap_commit() - end a transaction: all of it is done
 * @heap: an attachment with a transaction of the calling thread
 *
 * Threads: that of the transaction. Cost: constant, and so much for each block that it
 * has freed.
 *
 * Return: 0, or a negative errno:
 * -EPERM  the thread has no transaction
 *
 * Since: 0.2
 */
int shmfs_heap_commit(struct shmfs_heap *heap);

/**
 * shmfs_heap_abort() - end a transaction: nothing of it is done
 * @heap: an attachment with a transaction of the calling thread
 *
 * It ends the outermost transaction. The bytes that shmfs_heap_log() was told of are as
 * they were.
 *
 * Threads: that of the transaction. Cost: grows with what was changed.
 *
 * Return: 0, or a negative errno:
 * -EPERM  the thread has no transaction
 *
 * Since: 0.2
 */
int shmfs_heap_abort(struct shmfs_heap *heap);

/**
 * shmfs_heap_grow() - make a heap larger now
 * @heap: an attachment that may write
 * @size: its new size in bytes, at least; a heap that has it is left as it is
 *
 * A heap grows by itself when it must. This takes the time and the memory beforehand.
 *
 * Threads: any. Cost: grows with the memory that is added.
 *
 * Return: 0, or a negative errno, and then the size is what it was:
 * -ENOSPC  @size is beyond the limit, or there is no memory
 * -EROFS   the attachment may only read
 * -E2BIG   the transaction is too large
 *
 * Since: 0.2
 */
int shmfs_heap_grow(struct shmfs_heap *heap, uint64_t size);

/**
 * shmfs_heap_trim() - give free memory at the end back to the system
 * @heap: an attachment that may write
 *
 * The heap becomes smaller, and grows again when it must.
 *
 * Threads: any. Cost: grows with the memory that goes.
 *
 * Return: 0, or a negative errno:
 * -EBUSY       within a transaction
 * -EROFS       the attachment may only read
 * -EOPNOTSUPP  the file system cannot give parts of a file back
 *
 * Since: 0.2
 */
int shmfs_heap_trim(struct shmfs_heap *heap);

/**
 * struct shmfs_heap_info - what there is in a heap
 * @size:         its size in bytes
 * @limit:        to which it may grow
 * @used:         bytes of memory in use, with 16 for each allocation
 * @free:         bytes of memory that is free, likewise
 * @largest_free: the most bytes that can surely be allocated at once without growing, or
 *                nearly so
 * @allocations:  there are, those of named objects and of the table of names included
 * @names:        of objects
 * @attachments:  that may write, of living processes
 * @deaths:       of processes that were changing the heap, whose changes were undone
 *
 * Since: 0.2
 */
struct shmfs_heap_info {
	uint64_t size;
	uint64_t limit;
	uint64_t used;
	uint64_t free;
	uint64_t largest_free;
	uint64_t allocations;
	uint64_t names;
	uint64_t attachments;
	uint64_t deaths;
};

/**
 * shmfs_heap_info() - what there is in a heap
 * @heap: an attachment
 * @ret:  the figures. Each is right by itself; while others change the heap they need not
 *        agree
 *
 * Threads: any. Cost: a system call for each attachment.
 *
 * Since: 0.2
 */
void shmfs_heap_info(struct shmfs_heap *heap, struct shmfs_heap_info *ret);

/**
 * shmfs_heap_problem_fn - what shmfs_heap_check() calls for each problem
 * @problem: what is wrong where, in words; valid until the function returns
 * @data:    what was given to shmfs_heap_check()
 *
 * Since: 0.2
 */
typedef void (*shmfs_heap_problem_fn)(const char *problem, void *data);

/**
 * shmfs_heap_check() - look whether a heap is in order
 * @heap: an attachment. One that may write has the lock meanwhile, and sees the heap as
 * it is between two changes; one that may only read can find it in the middle of one
 * @fn:   called for each problem, or NULL
 * @data: handed to it
 *
 * Threads: any. @fn is called on the calling thread, and must not use @heap. Cost: grows
 * with what is in the heap.
 *
 * Return: the number of problems, or a negative errno.
 *
 * Since: 0.2
 */
int shmfs_heap_check(struct shmfs_heap *heap, shmfs_heap_problem_fn fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
