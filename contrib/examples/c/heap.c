/* SPDX-License-Identifier: MIT */
/*
 * Keeps lines of text in a heap, as a list whose head is the root of the heap. A process
 * that is killed while it adds a line leaves the list as it was.
 *
 * usage: heap [LINE...]
 *
 * Adds the lines, and without any prints those there are, the last one first.
 */
#include <stdio.h>
#include <string.h>

#include <shmfs/heap.h>

struct line {
	shmfs_offset_t next;
	char text[];
};

/* The new line is seen when it is complete: a transaction makes all of it one change. */
static int add(struct shmfs_heap *heap, const char *text)
{
	shmfs_offset_t *root = shmfs_heap_root(heap), next;
	size_t size = sizeof(struct line) + strlen(text) + 1;
	struct line *line;
	int r;

	r = shmfs_heap_begin(heap);
	if (r < 0)
		return r;
	next = *root;
	r = shmfs_heap_log(heap, root, sizeof(*root));
	*root = r < 0 ? next : 0;
	if (r == 0)
		r = shmfs_heap_alloc(heap, size, 16, root);
	if (r < 0) {
		shmfs_heap_abort(heap);
		return r;
	}
	line = shmfs_heap_at(heap, *root, size);
	line->next = next;
	strcpy(line->text, text);
	return shmfs_heap_commit(heap);
}

/* Others may add lines meanwhile, but what is there stays. */
static void print(struct shmfs_heap *heap)
{
	shmfs_offset_t at = *shmfs_heap_root(heap);
	const struct line *line;

	while ((line = shmfs_heap_at(heap, at, sizeof(*line)))) {
		printf("%s\n", line->text);
		at = line->next;
	}
}

int main(int argc, char **argv)
{
	struct shmfs_heap *heap;
	int r;

	r = shmfs_heap_open("example-heap", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	for (int i = 1; r == 0 && i < argc; i++)
		r = add(heap, argv[i]);
	if (r == 0 && argc == 1)
		print(heap);
	if (r < 0)
		fprintf(stderr, "example-heap: %s\n", strerror(-r));
	else
		shmfs_heap_close(heap);
	return r < 0;
}
