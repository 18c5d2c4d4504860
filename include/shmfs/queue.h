/* SPDX-License-Identifier: MIT */
#ifndef SHMFS_QUEUE_H
#define SHMFS_QUEUE_H
/**
 * DOC: messages between processes
 *
 * A queue is a named object of a heap. Any number of processes and threads send messages
 * and receive them. It has room for a number of messages up to a size, both of which are
 * fixed when it is made. Messages have priorities: those of the highest one are received
 * first, and among them the one that was sent first.
 *
 * A process can be killed at any moment. A message that it was sending is in the queue as
 * a whole, or it is not there; once shmfs_queue_send() has returned, it is there. A
 * message that it was receiving stays in the queue until it has been copied as a whole.
 * So a message is received at least once: a process that dies after it has copied a
 * message and before it takes it out leaves it to another. What has been taken out is the
 * receiver's, and goes with it. Others go on within 100 ms of a death.
 *
 * Remove a queue with shmfs_heap_destroy(), when nobody uses it any more.
 *
 * A queue has a lock, which whoever sends or receives takes for as long as it copies a
 * message. Also functions that do not wait for messages or for room, and those that wait
 * until a time, wait for this lock, however late it is.
 *
 * Threads: all functions may be called by any thread, on the same queue as well.
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

struct shmfs_queue;

/* Priorities go from 0 to one less than this. */
#define SHMFS_QUEUE_PRIORITIES 32u

/**
 * struct shmfs_queue_options - how a queue is made
 * @capacity:     the most messages in it, 1 to 16777216
 * @message_size: the most bytes of a message, 0 to 16777216
 *
 * Since: 0.2
 */
struct shmfs_queue_options {
	uint32_t capacity;
	uint32_t message_size;
};

/**
 * shmfs_queue_open() - make a queue, or find one, by name
 * @heap:    an attachment that may write
 * @name:    the name of the object, as for shmfs_heap_construct()
 * @how:     make it, find it, or whichever is possible
 * @options: how it is made; not looked at where one is found
 * @ret:     the queue. It is valid until shmfs_heap_close()
 *
 * Ownership: *@ret is a place in the heap, and nothing is to be given back. Threads: any.
 * Cost: grows with the capacity where the queue is made.
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
int shmfs_queue_open(struct shmfs_heap *heap, const char *name, enum shmfs_how how,
		     const struct shmfs_queue_options *options, struct shmfs_queue **ret);

/**
 * shmfs_queue_send() - wait for room, and send a message
 * @heap:     an attachment that may write
 * @queue:    a queue in that heap
 * @data:     the message
 * @size:     its size in bytes
 * @priority: its priority
 *
 * Threads: any. Cost: constant, but for copying; a system call where a thread waits.
 *
 * Return: 0, or a negative errno, and then nothing is sent:
 * -EMSGSIZE  @size is more than the queue's messages may have
 * -EINVAL    @priority is SHMFS_QUEUE_PRIORITIES or more
 * -EROFS     the attachment may only read
 * -EUCLEAN   the queue is damaged
 *
 * Since: 0.2
 */
int shmfs_queue_send(struct shmfs_heap *heap, struct shmfs_queue *queue, const void *data,
		     size_t size, unsigned int priority);

/**
 * shmfs_queue_try_send() - send a message if there is room
 * @heap:     an attachment that may write
 * @queue:    a queue in that heap
 * @data:     the message
 * @size:     its size in bytes
 * @priority: its priority
 *
 * Threads, cost: as shmfs_queue_send().
 *
 * Return: 0, or a negative errno, as shmfs_queue_send(), and:
 * -EAGAIN  the queue is full
 *
 * Since: 0.2
 */
int shmfs_queue_try_send(struct shmfs_heap *heap, struct shmfs_queue *queue,
			 const void *data, size_t size, unsigned int priority);

/**
 * shmfs_queue_send_until() - wait for room until a time, and send a message
 * @heap:     an attachment that may write
 * @queue:    a queue in that heap
 * @data:     the message
 * @size:     its size in bytes
 * @priority: its priority
 * @clock:    CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline: the time of that clock
 *
 * Threads, cost: as shmfs_queue_send().
 *
 * Return: 0, or a negative errno, as shmfs_queue_send(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     likewise where @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_queue_send_until(struct shmfs_heap *heap, struct shmfs_queue *queue,
			   const void *data, size_t size, unsigned int priority,
			   int clock, const struct timespec *deadline);

/**
 * shmfs_queue_receive() - wait for a message, and receive it
 * @heap:         an attachment that may write
 * @queue:        a queue in that heap
 * @buffer:       where the message goes
 * @room:         the bytes of @buffer
 * @ret_size:     the size of the message; NULL: not wanted
 * @ret_priority: its priority; NULL: not wanted
 *
 * Threads: any. Cost: constant, but for copying; a system call where a thread waits.
 *
 * Return: 0, or a negative errno, and then the message stays:
 * -EMSGSIZE  the message has more bytes than @room
 * -EROFS     the attachment may only read
 * -EUCLEAN   the queue is damaged
 *
 * Since: 0.2
 */
int shmfs_queue_receive(struct shmfs_heap *heap, struct shmfs_queue *queue, void *buffer,
			size_t room, size_t *ret_size, unsigned int *ret_priority);

/**
 * shmfs_queue_try_receive() - receive a message if there is one
 * @heap:         an attachment that may write
 * @queue:        a queue in that heap
 * @buffer:       where the message goes
 * @room:         the bytes of @buffer
 * @ret_size:     the size of the message; NULL: not wanted
 * @ret_priority: its priority; NULL: not wanted
 *
 * Threads, cost: as shmfs_queue_receive().
 *
 * Return: 0, or a negative errno, as shmfs_queue_receive(), and:
 * -EAGAIN  the queue is empty
 *
 * Since: 0.2
 */
int shmfs_queue_try_receive(struct shmfs_heap *heap, struct shmfs_queue *queue,
			    void *buffer, size_t room, size_t *ret_size,
			    unsigned int *ret_priority);

/**
 * shmfs_queue_receive_until() - wait for a message until a time, and receive it
 * @heap:         an attachment that may write
 * @queue:        a queue in that heap
 * @buffer:       where the message goes
 * @room:         the bytes of @buffer
 * @ret_size:     the size of the message; NULL: not wanted
 * @ret_priority: its priority; NULL: not wanted
 * @clock:        CLOCK_MONOTONIC or CLOCK_REALTIME
 * @deadline:     the time of that clock
 *
 * Threads, cost: as shmfs_queue_receive().
 *
 * Return: 0, or a negative errno, as shmfs_queue_receive(), and:
 * -ETIMEDOUT  the time came first
 * -EINVAL     @clock is none of the above, or @deadline is no time
 *
 * Since: 0.2
 */
int shmfs_queue_receive_until(struct shmfs_heap *heap, struct shmfs_queue *queue,
			      void *buffer, size_t room, size_t *ret_size,
			      unsigned int *ret_priority, int clock,
			      const struct timespec *deadline);

/**
 * struct shmfs_queue_info - what there is in a queue
 * @capacity:     the most messages in it
 * @message_size: the most bytes of a message
 * @messages:     there are
 *
 * Since: 0.2
 */
struct shmfs_queue_info {
	uint32_t capacity;
	uint32_t message_size;
	uint32_t messages;
};

/**
 * shmfs_queue_info() - what there is in a queue
 * @queue: a queue
 * @ret:   the figures
 *
 * Threads: any. Others may send and receive at any moment. Cost: some loads.
 *
 * Since: 0.2
 */
void shmfs_queue_info(const struct shmfs_queue *queue, struct shmfs_queue_info *ret);

#ifdef __cplusplus
}
#endif

#endif
