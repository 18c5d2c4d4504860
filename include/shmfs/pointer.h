/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_POINTER_H
#define SHMFS_POINTER_H
/**
 * DOC: relative pointers
 *
 * Each process maps shared memory at an address of its own, so memory that is shared
 * cannot hold addresses. A relative pointer is the distance from itself to what it points
 * to, which is the same for everybody. It works in any memory: in a heap, in a region, in
 * a segment. What it points to must lie in the same mapping. A relative pointer that is
 * all zeros points nowhere.
 *
 * A relative pointer must not be copied as bytes: somewhere else it points to something
 * else. Read the address from the one, and set the other to it.
 *
 * SHMFS_POINTER(type) is the type of a relative pointer that knows what it points to.
 * SHMFS_POINTER_GET(&pointer) is the address, of that type. SHMFS_POINTER_SET(&pointer,
 * address) sets it, and the compiler warns of an address of another type.
 *
 * Nothing checks where a relative pointer leads. Who does not trust those who may write
 * to the memory uses offsets and shmfs_heap_at(), which does.
 *
 * Threads: as any other word of memory. Who reads it while somebody sets it needs a
 * mutex.
 *
 * Since: 0.2
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * shmfs_pointer_t - the distance in bytes from itself to a place
 *
 * 0: it points nowhere. 1: it points to itself, since what lies at that distance would be
 * a part of it. It begins at a multiple of 8 on every machine, as shmfs_offset_t does.
 *
 * Since: 0.2
 */
#ifdef __i386__
typedef int64_t shmfs_pointer_t __attribute__((aligned(8)));
#else
typedef int64_t shmfs_pointer_t;
#endif

/**
 * shmfs_pointer_get() - where a relative pointer leads
 * @pointer: where it lies in this process
 *
 * Threads: any. Cost: some instructions.
 *
 * Return: the address in this process, or NULL.
 *
 * Since: 0.2
 */
static inline void *shmfs_pointer_get(const shmfs_pointer_t *pointer);

/**
 * shmfs_pointer_set() - let a relative pointer lead somewhere
 * @pointer: where it lies in this process
 * @address: an address in the same mapping, or NULL
 *
 * Threads: any. Cost: some instructions.
 *
 * Since: 0.2
 */
static inline void shmfs_pointer_set(shmfs_pointer_t *pointer, const void *address);

static inline void *shmfs_pointer_get(const shmfs_pointer_t *pointer)
{
	uintptr_t distance = *pointer == 1 ? 0 : (uintptr_t)*pointer;

	return *pointer ? (void *)((uintptr_t)pointer + distance) : NULL;
}

static inline void shmfs_pointer_set(shmfs_pointer_t *pointer, const void *address)
{
	intptr_t distance = (intptr_t)((uintptr_t)address - (uintptr_t)pointer);

	*pointer = !address ? 0 : distance ? distance : 1;
}

/* @typed is never stored to. */
#define SHMFS_POINTER(type)               \
	union {                           \
		shmfs_pointer_t distance; \
		type *typed;              \
	}

#define SHMFS_POINTER_GET(pointer) \
	((__typeof__(&*(pointer)->typed))shmfs_pointer_get(&(pointer)->distance))

#define SHMFS_POINTER_SET(pointer, address) \
	shmfs_pointer_set(&(pointer)->distance, 1 ? (address) : (pointer)->typed)

#ifdef __cplusplus
}
#endif

#endif
