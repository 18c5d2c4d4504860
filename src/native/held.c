/* SPDX-License-Identifier: MIT */
/*
 * What an open file has locked, as the kernel tells of its descriptor in /proc: whoever
 * gets the descriptors of a process that died does not know it otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "native/kind.h"

/* A line of proc(5), /proc/PID/fdinfo: "lock:\t1: OFDLCK ADVISORY  WRITE -1 0:1:2 0 EOF".
 */
static bool parse(const char *line, struct flock *ret)
{
	char sort[8], type[8], end[24];
	long long start, last;

	if (sscanf(line, "lock: %*d: %7s %*s %7s %*d %*s %lld %23s", sort, type, &start,
		   end) != 4 ||
	    strcmp(sort, "OFDLCK") != 0)
		return false;
	*ret = (struct flock){
		.l_type = strcmp(type, "READ") == 0 ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
	};
	if (sscanf(end, "%lld", &last) == 1)
		ret->l_len = (off_t)(last - start + 1);
	return true;
}

int native_held(struct native_file *f,
		int (*tell)(void *context, const struct flock *lock), void *context)
{
	int fd = native_locks(f), r = 0;
	struct flock lock;
	char line[256];
	FILE *file;

	if (fd < 0)
		return fd;
	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	file = fopen(line, "re");
	if (!file)
		return -errno;
	while (r == 0 && fgets(line, sizeof(line), file))
		if (parse(line, &lock))
			r = tell(context, &lock);
	if (r == 0 && ferror(file))
		r = -EIO;
	fclose(file);
	return r;
}
