/* SPDX-License-Identifier: MIT */
/*
 * Runs a command while no other program does that with the same object. Whatever becomes
 * of the program, the kernel frees the lock.
 *
 * usage: filelock OBJECT COMMAND
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/shmfs.h>

int main(int argc, char **argv)
{
	struct shmfs_object *object;
	int r;

	if (argc < 3)
		return 2;
	r = shmfs_object_open(argv[1], SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE,
			      SHMFS_PERM_DEFAULT, &object);
	if (r == 0)
		r = shmfs_filelock_lock(shmfs_object_fd(object),
					SHMFS_FILELOCK_EXCLUSIVE);
	if (r < 0) {
		fprintf(stderr, "example-filelock: %s\n", strerror(-r));
		return 1;
	}
	/* The descriptor is closed at execve(2): the command has no part in the lock. */
	r = system(argv[2]);
	shmfs_object_close(object);
	return r != 0;
}
