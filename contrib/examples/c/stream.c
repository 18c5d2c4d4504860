/* SPDX-License-Identifier: MIT */
/*
 * Sends texts from one process to another through a ring in a heap. The receiver prints
 * them where they are, without copying them.
 *
 * usage: stream send TEXT... | stream receive
 *
 * Receives all that is there, and does not wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shmfs/ring.h>

#define TEXT_MAX 256

static int print_all(struct shmfs_heap *heap, struct shmfs_ring *ring)
{
	const void *text;
	size_t size;
	int r;

	while ((r = shmfs_ring_peek(heap, ring, &text, &size)) == 0) {
		printf("%.*s\n", (int)size, (const char *)text);
		shmfs_ring_release(heap, ring);
	}
	return r == -EAGAIN ? 0 : r;
}

int main(int argc, char **argv)
{
	const struct shmfs_ring_options options = { 16, TEXT_MAX };
	struct shmfs_heap *heap;
	struct shmfs_ring *ring;
	int r;

	if (argc < 2)
		return 2;
	r = shmfs_heap_open("example-stream", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_ring_open(heap, "texts", SHMFS_OPEN_OR_CREATE, &options, &ring);
	/* While another program sends, this says -EBUSY. */
	for (int i = 2; r == 0 && i < argc; i++)
		r = shmfs_ring_send(heap, ring, argv[i], strlen(argv[i]));
	if (r == 0 && strcmp(argv[1], "receive") == 0)
		r = print_all(heap, ring);
	if (r < 0)
		fprintf(stderr, "example-stream: %s\n", strerror(-r));
	else
		shmfs_heap_close(heap);
	return r < 0;
}
