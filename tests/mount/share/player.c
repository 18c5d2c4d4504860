/* SPDX-License-Identifier: MIT */
/*
 * A player (see players.h) in C. HOW is native (shm_open), shmfs (the library), or a file
 * of the mount: mapped, reopened (mapped, but opened again once it has a size, as a new
 * System V segment has to be), direct.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <shmfs/shmfs.h>

#include "exchange.h"

static int fail(const char *what)
{
	fprintf(stderr, "player: %s: %s\n", what, strerror(errno));
	return 1;
}

/* What a game is played on; given back by stop(). */
static struct shmfs_object *object;
static struct shmfs_region *region;

static int start_with_shmfs(const char *name, bool lead, struct exchange *ret)
{
	int r;

	r = shmfs_object_open(name, lead ? SHMFS_CREATE_ONLY : SHMFS_OPEN_ONLY,
			      SHMFS_READ_WRITE, SHMFS_PERM_DEFAULT, &object);
	if (r == 0 && lead)
		r = shmfs_object_truncate(object, ret->size);
	if (r == 0)
		r = shmfs_region_map(object, SHMFS_READ_WRITE, 0, 0, NULL, 0, &region);
	if (r < 0) {
		errno = -r;
		return fail(name);
	}
	ret->words = shmfs_region_address(region);
	return 0;
}

static int start_with_file(const char *how, const char *name, bool lead,
			   struct exchange *ret)
{
	int flags = O_RDWR | (lead ? O_CREAT | O_EXCL : 0);
	void *at;

	if (strcmp(how, "native") == 0)
		ret->fd = shm_open(name, flags, 0644);
	else
		ret->fd = open(name, flags | O_CLOEXEC, 0644);
	if (ret->fd < 0 || (lead && ftruncate(ret->fd, (off_t)ret->size) < 0))
		return fail(name);
	if (lead && strcmp(how, "reopened") == 0) {
		close(ret->fd);
		ret->fd = open(name, O_RDWR | O_CLOEXEC);
	}
	if (strcmp(how, "direct") == 0)
		return 0;
	at = mmap(NULL, ret->size, PROT_READ | PROT_WRITE, MAP_SHARED, ret->fd, 0);
	if (at == MAP_FAILED)
		return fail("mmap");
	ret->words = at;
	return 0;
}

static void stop(void)
{
	region = shmfs_region_unmap(region);
	object = shmfs_object_close(object);
}

int main(int argc, char *argv[])
{
	struct exchange e = { NULL, -1, 0 };
	uint32_t count;
	bool lead;
	int r;

	if (argc != 6)
		return 2;
	lead = strcmp(argv[3], "lead") == 0;
	count = (uint32_t)strtoul(argv[4], NULL, 10);
	e.size = strtoull(argv[5], NULL, 10);
	if (strcmp(argv[1], "shmfs") == 0)
		r = start_with_shmfs(argv[2], lead, &e);
	else
		r = start_with_file(argv[1], argv[2], lead, &e);
	if (r == 0 && lead) {
		puts("ready");
		fflush(stdout);
		exchange_lead(&e, 1, count);
	} else if (r == 0) {
		exchange_follow(&e, 1, count);
	}
	stop();
	return r;
}
