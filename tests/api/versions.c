/* SPDX-License-Identifier: MIT */
/* The version macros are the version of the project, which comes from the build. */
#include <stdio.h>
#include <string.h>

#include <shmfs/shmfs.h>

int main(int argc, char **argv)
{
	char version[64];

	snprintf(version, sizeof(version), "%d.%d.%d", SHMFS_VERSION_MAJOR,
		 SHMFS_VERSION_MINOR, SHMFS_VERSION_MICRO);
	if (argc == 2 && strcmp(argv[1], version) == 0)
		return 0;
	fprintf(stderr, "shmfs.h says %s\n", version);
	return 1;
}
