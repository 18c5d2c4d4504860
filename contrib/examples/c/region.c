/* SPDX-License-Identifier: MIT */
/*
 * Maps a shared-memory object twice, to be read and written and only to be read.
 *
 *	cc -o region region.c $(pkg-config --cflags --libs shmfs)
 *	./region NAME			print where the two regions are, and their sizes
 *	./region NAME store TEXT	and store TEXT through the first one
 *	./region NAME check TEXT	and check through the second one that it is there
 *
 * ../cpp/region.cpp is the same program on Boost.Interprocess: what one of the two stores
 * the other one sees. Make the object with one of the object programs before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <shmfs/shmfs.h>

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

static int use(const struct shmfs_region *rw, const struct shmfs_region *ro, int argc,
	       char **argv)
{
	printf("%p %" PRIu64 "\n", shmfs_region_address(rw), shmfs_region_size(rw));
	printf("%p %" PRIu64 "\n", shmfs_region_address(ro), shmfs_region_size(ro));
	if (argc < 4)
		return 0;
	return strcmp(argv[2], "store") == 0 ? store(rw, argv[3]) : check(ro, argv[3]);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "Boost";
	struct shmfs_region *rw = NULL, *ro = NULL;
	struct shmfs_object *object;
	int r;

	r = shmfs_object_open(name, SHMFS_OPEN_ONLY, SHMFS_READ_WRITE, 0, &object);
	if (r < 0) {
		fprintf(stderr, "cannot open %s: %s\n", name, strerror(-r));
		return 1;
	}
	/* The whole object, wherever the kernel likes. */
	r = shmfs_region_map(object, SHMFS_READ_WRITE, 0, 0, NULL, 0, &rw);
	if (r == 0)
		r = shmfs_region_map(object, SHMFS_READ_ONLY, 0, 0, NULL, 0, &ro);
	/* The regions do not need it any more. */
	shmfs_object_close(object);
	if (r == 0)
		r = use(rw, ro, argc, argv);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
	shmfs_region_unmap(rw);
	shmfs_region_unmap(ro);
	return r < 0;
}
