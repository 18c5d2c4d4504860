/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The small change of tests about files: paths, contents, and waiting for what happens
 * soon. Whatever fails here fails the test.
 */
#include <poll.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The path of @name in @dir; good until eight more have been asked for. */
const char *at(const char *dir, const char *name);

/* Makes file @name in @dir with exactly @mode, whatever the umask, that holds @text. */
void file_make(const char *dir, const char *name, mode_t mode, const char *text);

/* Opens @name in @dir with @flags | O_CLOEXEC; where they create, with mode 0644. */
int file_open(const char *dir, const char *name, int flags);

/* The file @name in @dir, or what @fd has open, must hold exactly @text. */
void file_expect(const char *dir, const char *name, const char *text);
void fd_expect(int fd, const char *text);

/* The attributes of @name in @dir, of @fd. */
struct stat file_stat(const char *dir, const char *name);
struct stat fd_stat(int fd);

/* The blocks in use on the file system that @dir is on. */
unsigned long long blocks_used(const char *dir);

/* Waits until @condition holds; the watchdog is the limit. */
#define await_that(condition)                   \
	do {                                    \
		while (!(condition))            \
			(void)poll(NULL, 0, 1); \
	} while (0)
