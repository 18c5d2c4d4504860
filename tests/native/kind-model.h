/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the tests have to know about a kind: how its objects are called, what it leaves
 * out, and how the objects are made, shared and removed natively, with none of our code.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

/* The longest name that the tests give, and its end mark. */
#define MODEL_NAME 16

struct model {
	const char *kind;
	/* Objects are resized, renamed, copied, dated, and given attributes. */
	bool resizes, renames, copies, marks;
	/* Events tell of all changes. */
	bool events;
	/* The directory keeps from removing what is another's. */
	bool sticky;
	/* A handle keeps its object, open or not. */
	bool keeps;
	/* What can be no object's name, up to NULL: none is there nor made. */
	const char *const *refused;
	/* What native_tell() tells, up to NULL. */
	const char *const *told;
	void (*name)(int n, char ret[MODEL_NAME]);
	void (*make)(int n, size_t size, mode_t mode);
	/* Maps what is called the nth, shared, and takes that back. */
	unsigned char *(*map)(int n, size_t size);
	void (*unmap)(unsigned char *p, size_t size);
	void (*remove)(int n);
	/* The objects that are there, and what of them this process has mapped. */
	unsigned int (*left)(void);
};

/* The lines of file @path that contain @text. */
static inline unsigned int count_lines(const char *path, const char *text)
{
	FILE *f = fopen(path, "re");
	unsigned int n = 0;
	char *line = NULL;
	size_t size = 0;

	assert_non_null(f);
	while (getline(&line, &size, f) > 0)
		n += strstr(line, text) != NULL;
	free(line);
	fclose(f);
	return n;
}

static inline void posix_name(int n, char ret[MODEL_NAME])
{
	snprintf(ret, MODEL_NAME, "name%d", n);
}

static inline int posix_shm_open(int n, int flags, mode_t mode)
{
	char name[MODEL_NAME];
	int fd;

	posix_name(n, name);
	fd = shm_open(name, flags, mode);
	assert_true(fd >= 0);
	return fd;
}

static inline void posix_make(int n, size_t size, mode_t mode)
{
	int fd = posix_shm_open(n, O_RDWR | O_CREAT | O_EXCL, mode);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static inline unsigned char *posix_map(int n, size_t size)
{
	int fd = posix_shm_open(n, O_RDWR, 0);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(p != MAP_FAILED);
	close(fd);
	return p;
}

static inline void posix_unmap(unsigned char *p, size_t size)
{
	assert_int_equal(munmap(p, size), 0);
}

static inline void posix_remove(int n)
{
	char name[MODEL_NAME];

	posix_name(n, name);
	assert_int_equal(shm_unlink(name), 0);
}

static inline unsigned int posix_left(void)
{
	return sandbox_count_entries("/dev/shm");
}

static inline key_t sysv_key(int n)
{
	return 0x1000 + n;
}

static inline void sysv_name(int n, char ret[MODEL_NAME])
{
	snprintf(ret, MODEL_NAME, "0x%08x", (unsigned int)sysv_key(n));
}

static inline int sysv_id(int n)
{
	int id = shmget(sysv_key(n), 0, 0);

	assert_true(id >= 0);
	return id;
}

static inline void sysv_make(int n, size_t size, mode_t mode)
{
	int flags = (int)mode | IPC_CREAT | IPC_EXCL;

	assert_true(shmget(sysv_key(n), size, flags) >= 0);
}

static inline unsigned char *sysv_map(int n, size_t size)
{
	void *p = shmat(sysv_id(n), NULL, 0);

	(void)size;
	assert_true((intptr_t)p != -1);
	return p;
}

static inline void sysv_unmap(unsigned char *p, size_t size)
{
	(void)size;
	assert_int_equal(shmdt(p), 0);
}

static inline void sysv_remove(int n)
{
	assert_int_equal(shmctl(sysv_id(n), IPC_RMID, NULL), 0);
}

static inline unsigned int sysv_left(void)
{
	/* Every line, but that which says what the columns are. */
	return count_lines("/proc/sysvipc/shm", "") - 1 +
	       count_lines("/proc/self/maps", "/SYSV");
}

static const char *const sysv_refused[] = {
	"x",          "0x",  "0x000001000", "00001000", "0x0000100g",    "0x-0001000",
	"0x0000ABCG", "id-", "id-01",       "id--1",    "id-2147483648", NULL
};

static const char *const sysv_told[] = { "key",  "shmid", "cpid",  "lpid",  "nattch",
					 "cuid", "cgid",  "atime", "dtime", "ctime",
					 "rss",  "swap",  "flags", NULL };

static const char *const nothing[] = { NULL };

static const struct model models[] = {
	{
		.kind = "posix",
		.resizes = true,
		.renames = true,
		.copies = true,
		.marks = true,
		.events = true,
		.sticky = true,
		.keeps = true,
		.refused = nothing,
		.told = nothing,
		.name = posix_name,
		.make = posix_make,
		.map = posix_map,
		.unmap = posix_unmap,
		.remove = posix_remove,
		.left = posix_left,
	},
	{
		.kind = "sysv",
		.refused = sysv_refused,
		.told = sysv_told,
		.name = sysv_name,
		.make = sysv_make,
		.map = sysv_map,
		.unmap = sysv_unmap,
		.remove = sysv_remove,
		.left = sysv_left,
	},
};

static inline const struct model *model_find(const char *kind)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
		if (strcmp(models[i].kind, kind) == 0)
			return &models[i];
	return NULL;
}
