/* SPDX-License-Identifier: MIT */
/*
 * Creates a shared-memory object, or opens the one that is there, and gives it a size.
 *
 *	cc -o object object.c $(pkg-config --cflags --libs shmfs)
 *	./object [NAME]
 *
 * ../cpp/object.cpp is the same program on Boost.Interprocess. Whichever of the two runs
 * second opens what the first one created.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <shmfs/shmfs.h>

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "Boost";
	struct shmfs_object *object;
	uint64_t size;
	int r;

	r = shmfs_object_open(name, SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE,
			      SHMFS_PERM_DEFAULT, &object);
	if (r < 0) {
		fprintf(stderr, "cannot open %s: %s\n", name, strerror(-r));
		return 1;
	}
	/* A new object is empty. To set the size that it has changes nothing. */
	r = shmfs_object_truncate(object, 1024);
	if (r == 0)
		r = shmfs_object_size(object, &size);
	if (r == 0)
		printf("%s %" PRIu64 "\n", shmfs_object_name(object), size);
	else
		fprintf(stderr, "cannot resize %s: %s\n", name, strerror(-r));
	/* This closes our handle of it. The object lives on, until it is removed. */
	shmfs_object_close(object);
	return r < 0;
}
