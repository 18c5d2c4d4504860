/* SPDX-License-Identifier: MIT */
/*
 * The System V segments that operations work with. They are made and removed natively,
 * also where they are measured as files: it is the same memory then, made in the same
 * way, and none is left when the file system fails.
 */
#include "segments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "bench.h"

/* Keys are taken as they come: the segments are in a namespace of their own. */
#define FIRST_KEY 0x62650000U

static key_t key_of(unsigned number)
{
	return (key_t)(FIRST_KEY + number);
}

const char *segment_name(char name[SEGMENT_NAME_SIZE], unsigned number)
{
	snprintf(name, SEGMENT_NAME_SIZE, "0x%08x", FIRST_KEY + number);
	return name;
}

int segment_make(unsigned number, size_t size)
{
	int id = shmget(key_of(number), size, IPC_CREAT | IPC_EXCL | 0600);

	return id < 0 ? -errno : id;
}

void segment_remove(unsigned number)
{
	int id = shmget(key_of(number), 0, 0);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
}

static int allocate(int id, size_t size)
{
	char *map = shmat(id, NULL, 0);

	if (map == (void *)-1)
		return -errno;
	memset(map, 1, size);
	shmdt(map);
	return 0;
}

int segments_make_data(struct bench *b)
{
	static char name[SEGMENT_NAME_SIZE];
	int r;

	b->segment = segment_make(0, b->data_size);
	if (b->segment < 0)
		return b->segment;
	b->data_name = segment_name(name, 0);
	r = allocate(b->segment, b->data_size);
	if (r < 0)
		segments_remove_data(b);
	return r;
}

void segments_remove_data(struct bench *b)
{
	shmctl(b->segment, IPC_RMID, NULL);
	b->segment = -1;
}

int segments_attach_data(struct bench *b)
{
	static char name[2 * sizeof("ffffffffffffffff")];
	int r = segments_make_data(b);

	if (r < 0)
		return r;
	b->attachment = shmat(b->segment, NULL, 0);
	if (b->attachment == (void *)-1) {
		r = -errno;
		segments_remove_data(b);
		return r;
	}
	snprintf(name, sizeof(name), "%lx-%lx", (unsigned long)b->attachment,
		 (unsigned long)b->attachment + b->data_size);
	b->data_name = name;
	return 0;
}

void segments_detach_data(struct bench *b)
{
	shmdt(b->attachment);
	segments_remove_data(b);
}

static void remove_up_to(unsigned last)
{
	for (unsigned i = 1; i <= last; i++)
		segment_remove(i);
}

int segments_make_many(struct bench *b)
{
	int id;

	(void)b;
	for (unsigned i = 1; i <= SEGMENTS_MANY; i++) {
		id = segment_make(i, 4 * KIB);
		if (id < 0) {
			remove_up_to(i - 1);
			return id;
		}
	}
	return 0;
}

void segments_remove_many(struct bench *b)
{
	(void)b;
	remove_up_to(SEGMENTS_MANY);
}
