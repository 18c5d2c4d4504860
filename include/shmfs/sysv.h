/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_SYSV_H
#define SHMFS_SYSV_H
/**
 * DOC: System V segments
 *
 * A segment is memory outside of any process, as an object is (<shmfs/object.h>), of the
 * older interface: shmget(2), shmat(2). It has no name but a key, a number that those who
 * share it agree on, and an identifier that the kernel gives it. Its size is fixed when
 * it is created, zero-filled. It exists until shmfs_sysv_remove() and, after that, until
 * the last region of it is given back (<shmfs/region.h>, shmfs_region_map_sysv()). Where
 * kernel.shm_rmid_forced is set it goes with its last region in any case.
 *
 * Segments live in the IPC namespace (ipc_namespaces(7)) of those who use them.
 *
 * To open one asks for nothing but that it is there: its permissions decide when it is
 * mapped. An open segment is not held: removed by somebody else it is gone, unless it is
 * mapped. Identifiers are used again, but not soon: that of a removed segment is nobody's
 * for many thousands of creations.
 *
 * Threads: a struct shmfs_sysv does not change while it is open. All functions may be
 * called by several threads at once, also on the same segment, but shmfs_sysv_close().
 *
 * Since: 0.1
 */
#include <stdint.h>

#include <shmfs/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shmfs_sysv;

/* The key of segments that have none, IPC_PRIVATE: only their identifiers find them.
 * Since: 0.1 */
#define SHMFS_SYSV_PRIVATE 0

/**
 * shmfs_sysv_key() - a key that those who know a file agree on
 * @path: any file or directory that is there, and stays
 * @id:   tells several keys of one file apart
 * @ret:  the key, that of ftok(3)
 *
 * It comes from the inode and device numbers, of which ftok() takes 16 and 8 bits: a file
 * that is replaced has another key, all links to a file the same; and two files can have
 * the same one, rarely. POSIX leaves open what an @id of 0 does; here it is as any other.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno:
 * -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG
 *          there is no file @path, or none that the process may know of
 * -ERANGE  the key would be SHMFS_SYSV_PRIVATE, which nobody shares (the library; ftok()
 *          returns it). Take another @id
 * -EINVAL  @path is NULL
 *
 * Since: 0.1
 */
int shmfs_sysv_key(const char *path, uint8_t id, int32_t *ret);

/**
 * shmfs_sysv_open() - create or open the segment of a key
 * @key:  the key, that of shmfs_sysv_key() or any other number
 * @how:  create it, open it, or whichever is possible
 * @size: the size in bytes of a segment that is created, at least 1. One that is opened
 *        has to have as many; it may have more
 * @perm: permissions of a segment that is created, within 0777: SHMFS_PERM_DEFAULT,
 *        SHMFS_PERM_UNRESTRICTED or any other. They are what is set, exactly: the umask
 *        does not count. Those to execute mean nothing. Not looked at with
 *        SHMFS_OPEN_ONLY
 * @ret:  the open segment
 *
 * A new segment belongs to the effective user of the process, who also is its creator for
 * ever, whoever owns it later. With SHMFS_SYSV_PRIVATE a new one is made always.
 *
 * SHMFS_OPEN_OR_CREATE has no race: when several processes ask at once one creates and
 * all get the same segment, and when others remove it meanwhile it tries again. A segment
 * that is there is never replaced: where it is smaller than @size this fails, as it does
 * in shmget() and Boost.Interprocess. What all must agree on is the size, not who comes
 * first.
 *
 * Ownership: *@ret is the caller's, to be given back with shmfs_sysv_close(). Threads:
 * any.
 *
 * Return: 0, or a negative errno, and then there is neither an open nor a new segment:
 * -EEXIST  SHMFS_CREATE_ONLY, and the key is taken
 * -ENOENT  SHMFS_OPEN_ONLY, and there is no such segment
 * -EINVAL  the segment that is there is smaller than @size; or none is there, and @size
 *          is 0 or more than the limit kernel.shmmax (the kernel); or SHMFS_OPEN_ONLY
 *          with SHMFS_SYSV_PRIVATE; or @how or @perm is none of the above
 * -ENOSPC  as many segments, or pages of them, as the limits kernel.shmmni and
 *          kernel.shmall let there be
 * -ENOMEM  the machine has no memory for it, or for the library
 *
 * Since: 0.1
 */
int shmfs_sysv_open(int32_t key, enum shmfs_how how, uint64_t size, uint32_t perm,
		    struct shmfs_sysv **ret);

/**
 * shmfs_sysv_open_id() - open the segment of an identifier
 * @shmid: the identifier, as shmfs_sysv_id() told it, here or elsewhere
 * @ret:   the open segment
 *
 * Also one that was removed and is still mapped by somebody, until that ends.
 *
 * Ownership and threads as for shmfs_sysv_open().
 *
 * Return: 0, or a negative errno:
 * -EINVAL  there is no such segment, or not any more (the kernel)
 * -EIDRM   it was removed this very moment (the kernel)
 * -ENOMEM  the library has no memory
 *
 * Since: 0.1
 */
int shmfs_sysv_open_id(int shmid, struct shmfs_sysv **ret);

/**
 * shmfs_sysv_close() - give an open segment back
 * @sysv: the segment, or NULL
 *
 * The segment itself stays, and so do all regions that were mapped of it.
 *
 * Threads: no other may use @sysv any more.
 *
 * Return: NULL.
 *
 * Since: 0.1
 */
struct shmfs_sysv *shmfs_sysv_close(struct shmfs_sysv *sysv);

/**
 * shmfs_sysv_id() - the identifier of a segment
 * @sysv: an open segment
 *
 * Threads: any.
 *
 * Return: its identifier, 0 or more: what shmat(2), shmctl(2) and ipcrm(1) take.
 *
 * Since: 0.1
 */
int shmfs_sysv_id(const struct shmfs_sysv *sysv);

/**
 * shmfs_sysv_key_of() - the key of a segment
 * @sysv: an open segment
 *
 * Threads: any.
 *
 * Return: the key it had when it was opened; SHMFS_SYSV_PRIVATE for one without, which is
 * also what a segment has that was removed and is still mapped.
 *
 * Since: 0.1
 */
int32_t shmfs_sysv_key_of(const struct shmfs_sysv *sysv);

/**
 * shmfs_sysv_size() - the size of a segment
 * @sysv: an open segment
 *
 * Threads: any.
 *
 * Return: its size in bytes, that it was created with.
 *
 * Since: 0.1
 */
uint64_t shmfs_sysv_size(const struct shmfs_sysv *sysv);

/**
 * shmfs_sysv_permissions() - who may map a segment
 * @sysv: an open segment
 * @ret:  its permissions, within 0777
 *
 * They are what the segment has now: its owner may change them at any time.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno:
 * -EINVAL, -EIDRM  the segment does not exist any more
 *
 * Since: 0.1
 */
int shmfs_sysv_permissions(const struct shmfs_sysv *sysv, uint32_t *ret);

/**
 * shmfs_sysv_set_permissions() - change who may map a segment
 * @sysv: an open segment
 * @perm: its permissions, within 0777
 *
 * Regions that are mapped stay as they are. The kernel sets the owner together with the
 * permissions, to what it was just before: do not change both at once in two processes.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno, and then the permissions are what they were:
 * -EPERM           the process is neither the owner's nor the creator's
 * -EINVAL          @perm is more than 0777
 * -EINVAL, -EIDRM  the segment does not exist any more
 *
 * Since: 0.1
 */
int shmfs_sysv_set_permissions(const struct shmfs_sysv *sysv, uint32_t perm);

/**
 * shmfs_sysv_remove() - remove a segment
 * @shmid: its identifier
 *
 * Its key is free at once. The memory lives until nobody has it mapped any more, and
 * until then the identifier still opens it.
 *
 * Threads: any.
 *
 * Return: 0, or a negative errno:
 * -EPERM           the process is neither the owner's nor the creator's
 * -EINVAL, -EIDRM  there is no such segment, or not any more
 *
 * Since: 0.1
 */
int shmfs_sysv_remove(int shmid);

/**
 * shmfs_sysv_fn - what shmfs_sysv_list() calls for each segment
 * @shmid: its identifier
 * @key:   its key, as for shmfs_sysv_key_of()
 * @data:  what was given to shmfs_sysv_list()
 *
 * Return: 0 to go on; anything else ends the listing, which returns it.
 *
 * Since: 0.1
 */
typedef int (*shmfs_sysv_fn)(int shmid, int32_t key, void *data);

/**
 * shmfs_sysv_list() - call a function for each segment there is
 * @fn:   the function. It may do anything, also create and remove segments
 * @data: handed to it
 *
 * All segments of the IPC namespace, also those that the process may not map (though not
 * before Linux 4.17), and those that were removed and are still mapped. In no particular
 * order. A segment that is there from the first to the last call is listed exactly once.
 * One that is created or removed meanwhile is listed once or not at all; so who opens
 * what is listed must expect -EINVAL.
 *
 * Threads: any. @fn is called on the calling thread.
 *
 * Return: 0 after the last segment; what @fn returned if it was not 0; or a negative
 * errno when the segments cannot be listed:
 * -EINVAL  @fn is NULL
 *
 * Since: 0.1
 */
int shmfs_sysv_list(shmfs_sysv_fn fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
