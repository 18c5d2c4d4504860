/* SPDX-License-Identifier: MIT */
/*
 * Runs a target over each file of its corpus. Each input is in a piece of memory of just
 * its size, so that a sanitizer or valgrind sees a step beyond its end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "target.h"
#include "util/cleanup.h"

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void replay(int folder, const char *name)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;
	size_t size;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(name);
	size = (size_t)st.st_size;
	data = malloc(size);
	if (!data || read(fd, data, size) != st.st_size)
		fail(name);
	/* Before it, as what aborts does not say on what. */
	printf("%s\n", name);
	fflush(stdout);
	must(LLVMFuzzerTestOneInput(data, size) == 0);
}

int main(int argc, char **argv)
{
	const struct dirent *entry;
	unsigned int n = 0;
	DIR *folder;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = opendir(argv[1]);
	if (!folder)
		fail(argv[1]);
	for (errno = 0; (entry = readdir(folder)); errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		replay(dirfd(folder), entry->d_name);
		n++;
	}
	if (errno)
		fail(argv[1]);
	closedir(folder);
	printf("%u inputs\n", n);
	return n ? 0 : 1;
}
