/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount.h"
#include "weigh.h"

unsigned int daemon_fds(void)
{
	char path[64];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)mount_pid());
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

unsigned long daemon_status(const char *name)
{
	char path[64], line[256];
	unsigned long number = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)mount_pid());
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, name, strlen(name)) == 0)
			number = strtoul(line + strlen(name) + 1, NULL, 10);
	fclose(status);
	return number;
}

bool is_instrumented(void)
{
	return getenv("SHMFS_TEST_WRAPPER") || getenv("ASAN_OPTIONS") ||
	       getenv("TSAN_OPTIONS");
}
