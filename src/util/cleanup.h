/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Scope-bound ownership: a variable declared with one of the _cleanup_*_ attributes gives
 * back what it owns when it goes out of scope, so that a function has one failure path.
 * take_fd() and take_ptr() hand the ownership on and leave nothing behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Closes @fd and keeps errno. Returns -1, so that fd = close_fd(fd) reads well. */
static inline int close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

static inline void cleanup_close(int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_free_  _cleanup_(cleanup_free)

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *take_any(void *p)
{
	void *taken = *(void **)p;

	*(void **)p = NULL;
	return taken;
}

#define take_ptr(p) ((__typeof__(p))take_any(&(p)))

/* Defines cleanup_<name>(), the cleanup of a `type *` by its destructor @destroy. */
#define DEFINE_CLEANUP(type, name, destroy)         \
	static inline void cleanup_##name(type **p) \
	{                                           \
		if (*p)                             \
			destroy(*p);                \
	}                                           \
	struct swallow_semicolon_##name

/* The result of a system call as a negative errno: -errno on -1, else the value. */
#define errno_or(value)                                \
	__extension__({                                \
		__typeof__(value) errno_or_ = (value); \
		errno_or_ == -1 ? -errno : errno_or_;  \
	})
