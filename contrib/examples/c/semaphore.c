/* SPDX-License-Identifier: MIT */
/*
 * Runs a command, but never more than two at once on this machine: a semaphore in a heap
 * has two permits. A program that is killed keeps its permit; a mutex would tell.
 *
 * usage: semaphore COMMAND
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/semaphore.h>

int main(int argc, char **argv)
{
	const struct shmfs_semaphore two = { .value = 2 };
	struct shmfs_heap *heap;
	void *permits;
	int r;

	if (argc < 2)
		return 2;
	r = shmfs_heap_open("example-semaphore", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_heap_find_or_construct(heap, "permits", 1, sizeof(two), &two,
						 &permits);
	if (r == 0)
		r = shmfs_semaphore_wait(heap, permits);
	if (r == 0) {
		r = system(argv[1]);
		shmfs_semaphore_post(heap, permits);
	}
	if (r < 0)
		fprintf(stderr, "example-semaphore: %s\n", strerror(-r));
	return r != 0;
}
