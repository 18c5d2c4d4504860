/* SPDX-License-Identifier: MIT */
/*
 * Sends texts through a queue in a heap. Those of a higher priority come first.
 *
 * usage: queue send PRIORITY TEXT... | queue receive
 *
 * Receives all that is there, and does not wait.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/queue.h>

#define TEXT_MAX 256

static int receive_all(struct shmfs_heap *heap, struct shmfs_queue *queue)
{
	char text[TEXT_MAX];
	size_t size;
	int r;

	while ((r = shmfs_queue_try_receive(heap, queue, text, sizeof(text), &size,
					    NULL)) == 0)
		printf("%.*s\n", (int)size, text);
	return r == -EAGAIN ? 0 : r;
}

int main(int argc, char **argv)
{
	const struct shmfs_queue_options options = { 16, TEXT_MAX };
	struct shmfs_queue *queue;
	struct shmfs_heap *heap;
	int r;

	r = shmfs_heap_open("example-queue", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_queue_open(heap, "texts", SHMFS_OPEN_OR_CREATE, &options,
				     &queue);
	for (int i = 3; r == 0 && i < argc; i++)
		r = shmfs_queue_send(heap, queue, argv[i], strlen(argv[i]),
				     (unsigned int)atoi(argv[2]));
	if (r == 0 && argc < 3)
		r = receive_all(heap, queue);
	if (r < 0)
		fprintf(stderr, "example-queue: %s\n", strerror(-r));
	else
		shmfs_heap_close(heap);
	return r < 0;
}
