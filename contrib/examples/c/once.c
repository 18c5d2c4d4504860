/* SPDX-License-Identifier: MIT */
/*
 * The first program that runs stores its text in a heap, and all print that text.
 *
 * usage: once TEXT
 */
#include <stdio.h>
#include <string.h>

#include <shmfs/once.h>

struct shared {
	struct shmfs_once once;
	char text[256];
};

static struct shared *shared;

/* Nothing is wrong with a text that a dead process left half written: it is replaced. */
static int store(int died, void *data)
{
	(void)died;
	snprintf(shared->text, sizeof(shared->text), "%s", (const char *)data);
	return 0;
}

int main(int argc, char **argv)
{
	struct shmfs_heap *heap;
	void *object;
	int r;

	if (argc < 2)
		return 2;
	r = shmfs_heap_open("example-once", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_heap_find_or_construct(heap, "text", 1, sizeof(*shared), NULL,
						 &object);
	if (r == 0) {
		shared = object;
		r = shmfs_once_run(heap, &shared->once, store, argv[1]);
	}
	if (r < 0) {
		fprintf(stderr, "example-once: %s\n", strerror(-r));
		return 1;
	}
	printf("%s\n", shared->text);
	shmfs_heap_close(heap);
	return 0;
}
