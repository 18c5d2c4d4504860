/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_RING_H
#define SHMFS_RING_H
/**
 * DOC: messages from one process to another without locks
 *
 * A ring is a named object of a heap. One process sends messages, and one receives them
 * in the order in which they were sent. A message has any size up to a limit, and takes
 * no more of the ring than its size needs. Where several processes send or receive, use a
 * queue.
 *
 * The first attachment that sends becomes the sender of the ring, and the first that
 * receives becomes its receiver. Others get -EBUSY for as long as that attachment lives.
 * It gives its side back with shmfs_ring_leave(), by shmfs_heap_close(), or when its
 * process dies. The next one that sends or receives then takes the side over and goes on
 * where the last one ended. An attachment can have both sides.
 *
 * A process can be killed at any moment. A message that it was sending is in the ring as
 * a whole, or it is not there; once shmfs_ring_send() has returned, it is there. A
 * message that it was receiving stays in the ring until it has been copied as a whole. So
 * a message is received at least once: a process that dies after it has copied a message
 * and before it takes it out leaves it to its successor. The other side waits for the
 * successor as it waits for any message or any room, and a wake-up that a death has
 * prevented comes within 100 ms.
 *
 * shmfs_ring_reserve() and shmfs_ring_commit(), and shmfs_ring_peek() and
 * shmfs_ring_release(), send and receive in place and copy nothing.
 *
 * Remove a ring with shmfs_heap_destroy(), when nobody uses it any more.
 *
 * Threads: one thread at a time may send, and one at a time may receive; they may do so
 * at the same moment. The threads of a process that share an attachment are one sender to
 * the ring, so they must keep out of each other's way by themselves. The other functions
 * may be called by any thread.
 *
 * Since: 0.2
 */
#include <stddef.h>
#include <stdint.h>

#include <shmfs/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timespec;

struct shmfs_ring;

/**
 * struct shmfs_ring_options - how a ring is made
 * @capacity:     there is room for so many messages whatever their sizes are, 1 to
 *                16777216. Of smaller ones there is room for more
 * @message_size: the most bytes of a message, 0 to 16777216
 *
 * Since: 0.2
 */
struct shmfs_ring_options {
	uint32_t capacity;
	uint32_t message_size;
};

/**
 * shmfs_ring_open() - make a ring, or find one, by name
 * @heap:    an attachment that may write
 * @name:    the name of the object, as for shmfs_heap_construct()
 * @how:     make it, find it, or whichever is possible
 * @options: how it is made; not looked at where one is found
 * @ret:     the ring. It is valid until shmfs_heap_close()
 *
 * A ring takes the memory of one message more than its capacity, each with 8 bytes more
 * and rounded up to a multiple of 8, and all rounded up to a power of two.
 *
 * Ownership: *@ret is a place in the heap, and nothing is to be given back. Threads: any.
 * Cost: grows with its size where it is made.
 *
 * Return: 0, or a negative errno:
 * -EEXIST        SHMFS_CREATE_ONLY, and the name is taken
 * -ENOENT        SHMFS_OPEN_ONLY, and there is no such name
 * -EPROTOTYPE    the name is that of something else
 * -EINVAL        @how or a number of @options is none of the above, or @name is empty
 * -ENAMETOOLONG  @name is longer than 255 bytes
 * -ENOSPC        as for shmfs_heap_alloc()
 * -EROFS         the attachment may only read
 * -EUCLEAN       the heap is damaged
 *
 * Since: 0.2
 */
int shmfs_ring_open(struct shmfs_heap *heap, const char *name, enum shmfs_how how,
		    const struct shmfs_ring_options *options, struct shmfs_ring **ret);

/**
 * shmfs_ring_leave() - give a side of a ring back
 * @heap: the attachment that sends, receives, or both
 * @ring: a ring in that heap
 *
 * Another attachment may send or receive then. What was sent stays.
 *
 * Threads: any, while no other uses the ring with @heap. Cost: some instructions.
 *
 * Return: 0, or a negative errno:
 * -EPERM  the attachment has no side of the ring
 *
 * Since: 0.2
 */
int shmfs_ring_leave(struct shmfs_heap *heap, struct shmfs_ring *ring);

/**
 * shmfs_ring_send() - wait for room, and send a message
 * @heap: an attachment that may write
 * @ring: a ring in that heap
 * @data: the message
 * @size: its size in bytes
 *
 * Threads: one at a time. Cost: constant, but for copying; a system call where the
 * receiver waits.
 *
 * Return: 0, or a negative errno, and then nothing is sent:
 * -EMSGSIZE  @size is more than the ring's messages may have
 * -EBUSY     another attachment, which lives, is the sender
 * -EROFS     the attachment may only read
 * -EUCLEAN   the ring is damaged
 *
 * Since: 0.2
 */
int shmfs_ring_send(struct shmfs_heap *heap, struct shmfs_ring *ring, const void *data,
		    size_t size);

/**
 * shmfs_ring_try_send() - send a message if there is room
 * @heap: an attachment that may write
 * @ring: a ring in that heap
 * @data: the message
 * @size: its size in bytes
 *
 * Threads, cost: as shmfs_ring_send(). It never waits.
 *
 * Return: 0, or a negative errno, as shmfs_ring_send(), and:
 * -EAGAIN  the ring is full
 *
 * Since: 0.2
 */
int shmfs_ring_try_send(struct shmfs_heap *heap, struct shmfs_ring *ring,
			const void *data, size_t size);

/**
 * shmfs_ring_send_until() - wait for room until a time, and send a message
 * @heap:     an attachment that may write
 * @ring:     a ring in that heap
 * @data:     the message
 * @size:     its size in bytes
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads, cost: as shmfs_ring_send().
 *
 * Return: 0, or a negative errno, as shmfs_ring_send(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_ring_send_until(struct shmfs_heap *heap, struct shmfs_ring *ring,
			  const void *data, size_t size, int clock,
			  const struct timespec *deadline);

/**
 * shmfs_ring_receive() - wait for a message, and receive it
 * @heap:     an attachment that may write
 * @ring:     a ring in that heap
 * @buffer:   where the message goes
 * @room:     the bytes of @buffer
 * @ret_size: the size of the message; NULL: not wanted
 *
 * Threads: one at a time. Cost: constant, but for copying; a system call where the sender
 * waits.
 *
 * Return: 0, or a negative errno, and then the message stays:
 * -EMSGSIZE  the message has more bytes than @room
 * -EBUSY     another attachment, which lives, is the receiver
 * -EROFS     the attachment may only read
 * -EUCLEAN   the ring is damaged
 *
 * Since: 0.2
 */
int shmfs_ring_receive(struct shmfs_heap *heap, struct shmfs_ring *ring, void *buffer,
		       size_t room, size_t *ret_size);

/**
 * shmfs_ring_try_receive() - receive a message if there is one
 * @heap:     an attachment that may write
 * @ring:     a ring in that heap
 * @buffer:   where the message goes
 * @room:     the bytes of @buffer
 * @ret_size: the size of the message; NULL: not wanted
 *
 * Threads, cost: as shmfs_ring_receive(). It never waits.
 *
 * Return: 0, or a negative errno, as shmfs_ring_receive(), and:
 * -EAGAIN  the ring is empty
 *
 * Since: 0.2
 */
int shmfs_ring_try_receive(struct shmfs_heap *heap, struct shmfs_ring *ring, void *buffer,
			   size_t room, size_t *ret_size);

/**
 * shmfs_ring_receive_until() - wait for a message until a time, and receive it
 * @heap:     an attachment that may write
 * @ring:     a ring in that heap
 * @buffer:   where the message goes
 * @room:     the bytes of @buffer
 * @ret_size: the size of the message; NULL: not wanted
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads, cost: as shmfs_ring_receive().
 *
 * Return: 0, or a negative errno, as shmfs_ring_receive(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_ring_receive_until(struct shmfs_heap *heap, struct shmfs_ring *ring,
			     void *buffer, size_t room, size_t *ret_size, int clock,
			     const struct timespec *deadline);

/**
 * shmfs_ring_reserve() - get room for a message, to be filled in place
 * @heap: an attachment that may write
 * @ring: a ring in that heap
 * @size: the most bytes that the message will have
 * @ret:  where the message goes: a multiple of 8
 *
 * Nothing is sent before shmfs_ring_commit(). Room that is not committed needs no giving
 * back: it is what the next message gets.
 *
 * Ownership: the room is the sender's until it commits or sends a message. Threads: one
 * at a time. Cost: constant. It never waits.
 *
 * Return: 0, or a negative errno, as shmfs_ring_try_send().
 *
 * Since: 0.2
 */
int shmfs_ring_reserve(struct shmfs_heap *heap, struct shmfs_ring *ring, size_t size,
		       void **ret);

/**
 * shmfs_ring_commit() - send the message that was filled in place
 * @heap: the attachment that reserved the room
 * @ring: the ring
 * @data: what shmfs_ring_reserve() has returned
 * @size: the bytes of the message, at most as many as were reserved
 *
 * Threads: one at a time. Cost: some instructions; a system call where the receiver
 * waits.
 *
 * Return: 0, or a negative errno, and then nothing is sent:
 * -EINVAL   @data is not where the next message goes, or there is no room for @size
 *           bytes. That they are more than were reserved is not always noticed
 * -EBUSY    another attachment, which lives, is the sender
 * -EROFS    the attachment may only read
 * -EUCLEAN  the ring is damaged
 *
 * Since: 0.2
 */
int shmfs_ring_commit(struct shmfs_heap *heap, struct shmfs_ring *ring, const void *data,
		      size_t size);

/**
 * shmfs_ring_peek() - look at the next message, where it is
 * @heap:     an attachment that may write
 * @ring:     a ring in that heap
 * @ret:      the message, at a multiple of 8
 * @ret_size: its size in bytes
 *
 * The message stays until shmfs_ring_release(). Whoever may write to the heap can change
 * it meanwhile, so copy what you check where you do not trust them all.
 *
 * Ownership: the message is the receiver's until it releases or receives it. Threads: one
 * at a time. Cost: constant. It never waits.
 *
 * Return: 0, or a negative errno:
 * -EAGAIN   the ring is empty
 * -EBUSY    another attachment, which lives, is the receiver
 * -EROFS    the attachment may only read
 * -EUCLEAN  the ring is damaged
 *
 * Since: 0.2
 */
int shmfs_ring_peek(struct shmfs_heap *heap, struct shmfs_ring *ring, const void **ret,
		    size_t *ret_size);

/**
 * shmfs_ring_release() - take the next message out
 * @heap: the attachment that has looked at it
 * @ring: the ring
 *
 * Threads: one at a time. Cost: some instructions; a system call where the sender waits.
 *
 * Return: 0, or a negative errno, as shmfs_ring_peek().
 *
 * Since: 0.2
 */
int shmfs_ring_release(struct shmfs_heap *heap, struct shmfs_ring *ring);

/**
 * struct shmfs_ring_info - what there is in a ring
 * @capacity:     messages for which there is room, whatever their sizes are
 * @message_size: the most bytes of a message
 * @size:         bytes for messages
 * @used:         of these, bytes that messages take. Each takes 8 more than it has,
 *                rounded up to a multiple of 8, and may leave the end of the ring empty
 *
 * Since: 0.2
 */
struct shmfs_ring_info {
	uint32_t capacity;
	uint32_t message_size;
	uint64_t size;
	uint64_t used;
};

/**
 * shmfs_ring_info() - what there is in a ring
 * @ring: a ring
 * @ret:  the figures
 *
 * Threads: any. Others may send and receive at any moment. Cost: some loads.
 *
 * Since: 0.2
 */
void shmfs_ring_info(const struct shmfs_ring *ring, struct shmfs_ring_info *ret);

#ifdef __cplusplus
}
#endif

#endif
