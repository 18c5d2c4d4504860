/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

const char *at(const char *dir, const char *name)
{
	static char paths[8][512];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

void file_make(const char *dir, const char *name, mode_t mode, const char *text)
{
	int flags = O_RDWR | O_CREAT | O_TRUNC;
	_cleanup_close_ int fd = file_open(dir, name, flags);

	must(fchmod(fd, mode));
	assert_int_equal(must(write(fd, text, strlen(text))), strlen(text));
}

int file_open(const char *dir, const char *name, int flags)
{
	int fd = open(at(dir, name), flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail_msg("open %s/%s with flags %#o: %s", dir, name, (unsigned int)flags,
			 strerror(errno));
	return fd;
}

void fd_expect(int fd, const char *text)
{
	char found[4096];
	ssize_t n = must(pread(fd, found, sizeof(found) - 1, 0));

	found[n] = '\0';
	assert_string_equal(found, text);
	assert_int_equal(n, strlen(text));
	assert_int_equal(fd_stat(fd).st_size, strlen(text));
}

void file_expect(const char *dir, const char *name, const char *text)
{
	_cleanup_close_ int fd = file_open(dir, name, O_RDONLY);

	fd_expect(fd, text);
}

struct stat file_stat(const char *dir, const char *name)
{
	struct stat st;

	if (lstat(at(dir, name), &st) < 0)
		fail_msg("stat %s/%s: %s", dir, name, strerror(errno));
	return st;
}

struct stat fd_stat(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st;
}

unsigned long long blocks_used(const char *dir)
{
	struct statvfs st;

	must(statvfs(dir, &st));
	return st.f_blocks - st.f_bfree;
}
