/* SPDX-License-Identifier: MIT */
/*
 * The daemon gives up its environment and its descriptors before it does anything, and
 * may make few system calls later: what is shared is mapped before its main() begins.
 *
 * What the C library allocates by itself (strdup(), asprintf(), opendir(), threads' own)
 * comes here as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "inject.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

/* What valgrind, the compiler and the headers say of these is not so here. */
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);
void *reallocarray(void *p, size_t n, size_t size);
void *memalign(size_t alignment, size_t size);
int open64(const char *path, int flags, ...);
int openat64(int dir, const char *path, int flags, ...);

static struct inject own;
struct inject *inject = &own;

static void __attribute__((constructor)) share(void)
{
	const char *path = getenv(INJECT_VARIABLE);
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *shared = MAP_FAILED;

	if (fd >= 0) {
		shared = mmap(NULL, sizeof(*inject), PROT_READ | PROT_WRITE, MAP_SHARED,
			      (int)fd, 0);
		close((int)fd);
	}
	if (shared != MAP_FAILED)
		inject = shared;
}

static bool fails(struct inject_calls *c)
{
	unsigned long n = atomic_fetch_add(&c->calls, 1) + 1;
	unsigned long from = atomic_load(&c->from);

	if (from == 0 || n < from || n - from >= atomic_load(&c->times))
		return false;
	atomic_fetch_add(&c->failed, 1);
	errno = atomic_load(&c->error);
	return true;
}

static void *counted(void *p)
{
	if (p)
		atomic_fetch_add(&inject->blocks, 1);
	return p;
}

void *malloc(size_t size)
{
	return fails(&inject->memory) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return fails(&inject->memory) ? NULL : counted(__libc_calloc(n, size));
}

void free(void *p)
{
	if (p)
		atomic_fetch_sub(&inject->blocks, 1);
	__libc_free(p);
}

void *realloc(void *p, size_t size)
{
	if (!p)
		return malloc(size);
	if (size == 0) {
		free(p);
		return NULL;
	}
	return fails(&inject->memory) ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, all);
}

void *memalign(size_t alignment, size_t size)
{
	return fails(&inject->memory) ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	if (fails(&inject->files))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* The mode that comes behind @flags, if there is one. */
#define mode_behind(flags, ret)                                    \
	do {                                                       \
		va_list ap_;                                       \
                                                                   \
		va_start(ap_, flags);                              \
		if ((flags) & (O_CREAT | __O_TMPFILE))             \
			(ret) = (mode_t)va_arg(ap_, unsigned int); \
		va_end(ap_);                                       \
	} while (0)

int openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	mode_behind(flags, mode);
	return open_at(dir, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	mode_behind(flags, mode);
	return open_at(AT_FDCWD, path, flags, mode);
}

/* The time of day alone can be set. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += (time_t)atomic_load(&inject->clock);
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
