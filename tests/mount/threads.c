/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "threads.h"

char thread_state(pid_t pid, pid_t thread)
{
	char path[64], state = '?';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)thread);
	stat = fopen(path, "re");
	if (stat && fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	if (stat)
		fclose(stat);
	return state;
}

unsigned int threads_in_state(pid_t pid, char state)
{
	char path[64];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads && (entry = readdir(threads)))
		n += thread_state(pid, atoi(entry->d_name)) == state;
	if (threads)
		closedir(threads);
	return n;
}
