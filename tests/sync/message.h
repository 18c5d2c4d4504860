/* SPDX-License-Identifier: MIT */
#pragma once
/* Messages of which each part tells which it is. Their priority is that of the sender. */
#include <stdbool.h>

#include <shmfs/queue.h>

#define MESSAGE_FILL 14

struct message {
	uint64_t sender;
	uint64_t number;
	uint64_t fill[MESSAGE_FILL];
};

static inline struct message message_make(uint64_t sender, uint64_t number)
{
	struct message m = { .sender = sender, .number = number };

	for (int i = 0; i < MESSAGE_FILL; i++)
		m.fill[i] = number;
	return m;
}

static inline int message_send(struct shmfs_heap *heap, struct shmfs_queue *q,
			       uint64_t sender, uint64_t number)
{
	const struct message m = message_make(sender, number);

	return shmfs_queue_send(heap, q, &m, sizeof(m), (unsigned int)sender);
}

static inline bool message_is_whole(const struct message *m)
{
	for (int i = 0; i < MESSAGE_FILL; i++)
		if (m->fill[i] != m->number)
			return false;
	return true;
}
