/* SPDX-License-Identifier: MIT */
/*
 * Creates a System V segment, or opens the one that is there, and maps it.
 *
 *	cc -o sysv sysv.c $(pkg-config --cflags --libs shmfs)
 *	./sysv PATH			print its identifier and its size
 *	./sysv PATH store TEXT		and store TEXT
 *	./sysv PATH check TEXT		and check that it is there
 *	./sysv PATH remove		and remove the segment
 *
 * PATH is any file that all agree on. ../cpp/sysv.cpp is the same program on
 * Boost.Interprocess: what one of the two stores the other one sees.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <shmfs/shmfs.h>

static int open_by_path(const char *path, struct shmfs_sysv **ret)
{
	int32_t key;
	int r;

	r = shmfs_sysv_key(path, 1, &key);
	if (r < 0)
		return r;
	return shmfs_sysv_open(key, SHMFS_OPEN_OR_CREATE, 1024, SHMFS_PERM_DEFAULT, ret);
}

static int store(const struct shmfs_region *region, const char *text)
{
	if (strlen(text) >= shmfs_region_size(region))
		return -EMSGSIZE;
	strcpy(shmfs_region_address(region), text);
	return 0;
}

static int check(const struct shmfs_region *region, const char *text)
{
	const char *seen = shmfs_region_address(region);

	/* Others can store at any time what is no string: never read past the end. */
	if (strncmp(seen, text, (size_t)shmfs_region_size(region)) == 0)
		return 0;
	fprintf(stderr, "expected '%s', found '%.*s'\n", text,
		(int)shmfs_region_size(region), seen);
	return -EBADMSG;
}

static int use(const struct shmfs_sysv *sysv, const char *verb, const char *text)
{
	int storing = strcmp(verb, "store") == 0;
	struct shmfs_region *region;
	int r;

	if (strcmp(verb, "remove") == 0)
		return shmfs_sysv_remove(shmfs_sysv_id(sysv));
	/* The whole segment, wherever the kernel likes. */
	r = shmfs_region_map_sysv(sysv, storing ? SHMFS_READ_WRITE : SHMFS_READ_ONLY,
				  NULL, 0, &region);
	if (r < 0)
		return r;
	r = storing ? store(region, text) : check(region, text);
	shmfs_region_unmap(region);
	return r;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : ".";
	struct shmfs_sysv *sysv;
	int r;

	r = open_by_path(path, &sysv);
	if (r < 0) {
		fprintf(stderr, "cannot open %s: %s\n", path, strerror(-r));
		return 1;
	}
	printf("%d %" PRIu64 "\n", shmfs_sysv_id(sysv), shmfs_sysv_size(sysv));
	if (argc > 2)
		r = use(sysv, argv[2], argc > 3 ? argv[3] : "");
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	/* This closes our handle of it. The segment lives on, until it is removed. */
	shmfs_sysv_close(sysv);
	return r < 0;
}
