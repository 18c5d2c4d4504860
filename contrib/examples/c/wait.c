/* SPDX-License-Identifier: MIT */
/*
 * Prints the texts of several senders, each of which has a ring of its own in a heap, in
 * the order in which they come.
 *
 * usage: wait send RING TEXT... | wait receive COUNT RING...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/wait.h>

#define TEXT_MAX  256
#define RINGS_MAX 16

static int open_ring(struct shmfs_heap *heap, const char *name, struct shmfs_ring **ret)
{
	const struct shmfs_ring_options options = { 16, TEXT_MAX };

	return shmfs_ring_open(heap, name, SHMFS_OPEN_OR_CREATE, &options, ret);
}

static int send_all(struct shmfs_heap *heap, char **words)
{
	struct shmfs_ring *ring;
	int r = open_ring(heap, words[0], &ring);

	for (int i = 1; r == 0 && words[i]; i++)
		r = shmfs_ring_send(heap, ring, words[i], strlen(words[i]));
	return r;
}

/* Prints a text of each ring that has one. Returns how many, or an error. */
static int print_ready(const struct shmfs_wait *list, size_t n)
{
	char text[TEXT_MAX];
	size_t size;
	int r = 0, printed = 0;

	for (size_t i = 0; (r == 0 || r == -EAGAIN) && i < n; i++) {
		if (!list[i].ready)
			continue;
		r = shmfs_ring_try_receive(list[i].heap, list[i].object.ring, text,
					   sizeof(text), &size);
		if (r == 0)
			printed += printf("%.*s\n", (int)size, text) > 0;
	}
	return r == 0 || r == -EAGAIN ? printed : r;
}

static int receive_some(struct shmfs_heap *heap, int count, char **names)
{
	struct shmfs_wait list[RINGS_MAX];
	size_t n = 0;
	int r = 0;

	for (; r == 0 && names[n] && n < RINGS_MAX; n++) {
		list[n].heap = heap;
		list[n].what = SHMFS_WAIT_RING_MESSAGE;
		r = open_ring(heap, names[n], &list[n].object.ring);
	}
	while (r == 0 && count > 0) {
		r = shmfs_wait_any(list, n);
		if (r == 0)
			r = print_ready(list, n);
		count -= r;
		r = r < 0 ? r : 0;
	}
	return r;
}

int main(int argc, char **argv)
{
	struct shmfs_heap *heap;
	int r;

	if (argc < 4)
		return 2;
	r = shmfs_heap_open("example-wait", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0 && strcmp(argv[1], "send") == 0)
		r = send_all(heap, argv + 2);
	else if (r == 0)
		r = receive_some(heap, atoi(argv[2]), argv + 3);
	if (r < 0)
		fprintf(stderr, "example-wait: %s\n", strerror(-r));
	else
		shmfs_heap_close(heap);
	return r < 0;
}
