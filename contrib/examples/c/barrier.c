/* SPDX-License-Identifier: MIT */
/*
 * Runs a command as soon as COUNT of these programs have been started, in all of them at
 * the same moment. One that is killed while it waits can be started again.
 *
 * usage: barrier COUNT COMMAND
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/barrier.h>

int main(int argc, char **argv)
{
	struct shmfs_barrier all = { 0 };
	struct shmfs_heap *heap;
	void *barrier;
	int r;

	if (argc < 3)
		return 2;
	/* Only the first one's number counts. */
	all.count = (uint32_t)atoi(argv[1]);
	r = shmfs_heap_open("example-barrier", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_heap_find_or_construct(heap, "barrier", 1, sizeof(all), &all,
						 &barrier);
	if (r == 0)
		r = shmfs_barrier_wait(heap, barrier);
	if (r < 0) {
		fprintf(stderr, "barrier: %s\n", strerror(-r));
		return 1;
	}
	return system(argv[2]) != 0;
}
