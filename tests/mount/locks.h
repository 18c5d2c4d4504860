/* SPDX-License-Identifier: MIT */
#pragma once
/* File "a" of a directory, and locks on it by each way to take one. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

enum lock_how { LOCK_BY_FLOCK, LOCK_BY_FCNTL, LOCK_BY_OFD };

/* The mount, and its native directory. */
extern const char *const lock_sides[2];

/* A lock to be tried: on which side, of which sort, shared or not, where. */
struct lock_attempt {
	const char *dir;
	enum lock_how how;
	short type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	off_t start;
	off_t length;
	bool wait;
	bool give_back; /* what was taken */
};

/* Makes the file, which everybody may read and write. */
void lock_make_file(void);

/* Takes the lock through @fd: 0 or a negative errno. */
int lock_take(int fd, const struct lock_attempt *a);

/*
 * Opens the file, takes the lock of the struct lock_attempt @arg and leaves with it or
 * gives it back before: 0, or a negative errno, of a conflict -EAGAIN. To be run in a
 * child. The end of a process ends its locks on the mount a moment after it was seen.
 */
int lock_try(const void *arg);

/* Whether a child can lock the whole file for writing. */
bool lock_is_free(const char *dir, enum lock_how how);

/* Whether @pid sleeps in the system call that takes locks of that sort. */
bool lock_is_waiting(pid_t pid, enum lock_how how);

/* Takes the lock through @fd, which must succeed. */
void lock_hold(int fd, enum lock_how how, short type, off_t start, off_t length);

/* What @command (F_GETLK, F_OFD_GETLK) says of such a lock from @start to the end. */
struct flock lock_ask(int fd, int command, short type, off_t start);
