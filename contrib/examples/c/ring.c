/* SPDX-License-Identifier: MIT */
/*
 * Sends texts through a ring in a shared-memory object, or receives them (../README.md).
 *
 *	cc -o ring ring.c $(pkg-config --cflags --libs shmfs)
 *	./ring send NAME TEXT... | ./ring receive NAME COUNT
 */
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shmfs/shmfs.h>

enum { SLOTS = 15, TEXT_MAX = 252 };

struct ring {
	alignas(64) atomic_uint version; /* 0 until somebody uses it */
	alignas(64) atomic_uint head;    /* the slot to fill next: the sender's */
	alignas(64) atomic_uint tail;    /* the slot to empty next: the receiver's */
	alignas(256) struct {
		unsigned int length;
		char text[TEXT_MAX];
	} slots[SLOTS];
};

/* The other side has nothing to wake us by; a millisecond is soon enough. */
static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void send_text(struct ring *ring, const char *text)
{
	/* Others can store at any time what is no slot: the remainder always is one. */
	unsigned int head =
		atomic_load_explicit(&ring->head, memory_order_relaxed) % SLOTS;
	unsigned int next = (head + 1) % SLOTS;

	/* Full. Acquire: what the receiver has read of a slot it has read by now. */
	while (atomic_load_explicit(&ring->tail, memory_order_acquire) == next)
		nap();
	ring->slots[head].length = (unsigned int)strlen(text);
	memcpy(ring->slots[head].text, text, strlen(text));
	/* Release: who sees the new head sees the text, too. */
	atomic_store_explicit(&ring->head, next, memory_order_release);
}

static void receive_text(struct ring *ring)
{
	unsigned int tail =
		atomic_load_explicit(&ring->tail, memory_order_relaxed) % SLOTS;
	unsigned int length;

	while (atomic_load_explicit(&ring->head, memory_order_acquire) == tail)
		nap();
	length = ring->slots[tail].length;
	if (length > TEXT_MAX)
		length = TEXT_MAX;
	fwrite(ring->slots[tail].text, 1, length, stdout);
	putchar('\n');
	atomic_store_explicit(&ring->tail, (tail + 1) % SLOTS, memory_order_release);
}

/* A new object is empty, and a ring of zeros is an empty ring: it takes no creator. */
static int map_ring(const char *name, struct shmfs_region **ret)
{
	struct shmfs_object *object;
	uint64_t size = 0;
	int r = shmfs_object_open(name, SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE,
				  SHMFS_PERM_DEFAULT, &object);

	if (r < 0)
		return r;
	r = shmfs_object_size(object, &size);
	if (r == 0 && size == 0)
		r = shmfs_object_truncate(object, size = sizeof(struct ring));
	if (r == 0 && size != sizeof(struct ring))
		r = -EBADMSG;
	if (r == 0)
		r = shmfs_region_map(object, SHMFS_READ_WRITE, 0, 0, NULL, 0, ret);
	shmfs_object_close(object);
	return r;
}

static int use(struct ring *ring, int argc, char **argv)
{
	unsigned int none = 0;

	if (!atomic_compare_exchange_strong(&ring->version, &none, 1) && none != 1)
		return -EBADMSG;
	if (strcmp(argv[1], "send") == 0)
		for (int i = 3; i < argc; i++)
			send_text(ring, argv[i]);
	else
		for (long i = strtol(argv[3], NULL, 10); i > 0; i--)
			receive_text(ring);
	return 0;
}

static int check(int argc, char **argv)
{
	if (argc < 4 || (strcmp(argv[1], "send") != 0 &&
			 (strcmp(argv[1], "receive") != 0 || argc != 4))) {
		fputs("usage: ring send NAME TEXT... | ring receive NAME COUNT\n",
		      stderr);
		return 2;
	}
	for (int i = 3; i < argc; i++)
		if (strlen(argv[i]) > TEXT_MAX) {
			fputs("ring: a text has at most 252 bytes\n", stderr);
			return 1;
		}
	return 0;
}

int main(int argc, char **argv)
{
	struct shmfs_region *region = NULL;
	int r = check(argc, argv);

	if (r != 0)
		return r;
	r = map_ring(argv[2], &region);
	if (r == 0)
		r = use(shmfs_region_address(region), argc, argv);
	if (r == -EBADMSG)
		fprintf(stderr, "ring: %s is no ring of version 1\n", argv[2]);
	else if (r < 0)
		fprintf(stderr, "ring: %s: %s\n", argv[2], strerror(-r));
	shmfs_region_unmap(region);
	return r < 0;
}
