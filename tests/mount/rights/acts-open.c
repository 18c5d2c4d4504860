/* SPDX-License-Identifier: MIT */
/* Opening, and what follows at once: reading, writing, truncating, locking. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"
#include "rights/acts.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void acts_add(struct act *acts, size_t *n, const struct act *more, size_t count)
{
	for (size_t i = 0; i < count && *n < ACTS_MAX; i++)
		acts[(*n)++] = more[i];
}

/* What is there is the file's content, or what is left of it. */
static int read_back(int fd, int flags)
{
	char found[sizeof(CONTENT)] = "";
	ssize_t n;

	if ((flags & O_ACCMODE) == O_WRONLY || flags & O_PATH)
		return 0;
	n = errno_or(pread(fd, found, sizeof(CONTENT) - 1, 0));
	if (n < 0)
		return (int)n;
	return strncmp(found, CONTENT, (size_t)n) == 0 ? 0 : -EILSEQ;
}

static int use(const char *path, int flags, mode_t mode)
{
	_cleanup_close_ int fd = errno_or(open(path, flags | O_CLOEXEC, mode));
	int r = fd < 0 ? fd : read_back(fd, flags);

	if (r < 0 || (flags & O_ACCMODE) == O_RDONLY || flags & O_PATH)
		return r;
	return write(fd, "written", 3) == 3 ? 0 : -errno;
}

static int open_it(const struct act *a, const struct place *p)
{
	return use(p->f, a->flags, 0640);
}

static int open_theirs(const struct act *a, const struct place *p)
{
	return use(p->theirs, a->flags, 0640);
}

static int create(const struct act *a, const struct place *p)
{
	return use(p->mine, a->flags | O_CREAT, (mode_t)a->then);
}

static int make_node(const struct act *a, const struct place *p)
{
	return errno_or(mknod(p->mine, (mode_t)a->then, 0));
}

static int truncate_it(const struct act *a, const struct place *p)
{
	return errno_or(truncate(p->f, a->then));
}

static int truncate_open(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(ftruncate(fd, a->then));
}

static int allocate(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(fallocate(fd, 0, 0, a->then));
}

static int lock_all(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(flock(fd, a->then | LOCK_NB));
}

static int lock_range(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));
	struct flock lock = { .l_type = (short)a->then, .l_len = 1 };

	return fd < 0 ? fd : errno_or(fcntl(fd, a->share, &lock));
}

static int list(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->dir, a->flags | O_CLOEXEC));

	return fd < 0 ? fd : 0;
}

#define OPEN(flag_bits)           .run = open_it, .flags = flag_bits
#define OPEN_OR_CREATE(flag_bits) OPEN(O_CREAT | (flag_bits)), .needs = ACT_CREATES
#define THEIRS(flag_bits) \
	.run = open_theirs, .flags = flag_bits, .needs = ACT_THEIRS | ACT_CREATES
#define CREATE(flag_bits, mode) .run = create, .flags = flag_bits, .then = mode
#define LOCK(flag_bits, type)   .run = lock_all, .flags = flag_bits, .then = type
#define RANGE(flag_bits, command, type) \
	.run = lock_range, .flags = flag_bits, .share = command, .then = type

static const struct act opening[] = {
	{ "open r", OPEN(O_RDONLY) },
	{ "open w", OPEN(O_WRONLY) },
	{ "open rw", OPEN(O_RDWR) },
	{ "open w append", OPEN(O_WRONLY | O_APPEND) },
	{ "open rw append", OPEN(O_RDWR | O_APPEND) },
	{ "open r truncating", OPEN(O_RDONLY | O_TRUNC) },
	{ "open w truncating", OPEN(O_WRONLY | O_TRUNC) },
	{ "open rw truncating", OPEN(O_RDWR | O_TRUNC) },
	{ "open without access", OPEN(O_ACCMODE) },
	{ "open path", OPEN(O_PATH) },
	{ "open no link", OPEN(O_RDONLY | O_NOFOLLOW) },
	{ "open directory", OPEN(O_RDONLY | O_DIRECTORY) },
	{ "open noatime", OPEN(O_RDONLY | O_NOATIME) },
	{ "open or create r", OPEN_OR_CREATE(O_RDONLY) },
	{ "open or create w", OPEN_OR_CREATE(O_WRONLY) },
	{ "open or create rw", OPEN_OR_CREATE(O_RDWR) },
	{ "open or create append", OPEN_OR_CREATE(O_WRONLY | O_APPEND) },
	{ "open or create truncating", OPEN_OR_CREATE(O_WRONLY | O_TRUNC) },
	{ "open or create r truncating", OPEN_OR_CREATE(O_RDONLY | O_TRUNC) },
	{ "create what is there", OPEN_OR_CREATE(O_RDWR | O_EXCL) },
	{ "open another's", THEIRS(O_RDWR) },
	{ "open or create another's", THEIRS(O_RDWR | O_CREAT) },
	{ "open or create another's r", THEIRS(O_RDONLY | O_CREAT) },
	{ "open or create another's truncating", THEIRS(O_WRONLY | O_CREAT | O_TRUNC) },
	{ "create rw", CREATE(O_RDWR | O_EXCL, 0666) },
	{ "create r", CREATE(O_RDONLY | O_EXCL, 0400) },
	{ "create w", CREATE(O_WRONLY, 0) },
	{ "create truncating", CREATE(O_RDWR | O_TRUNC, 0777) },
	{ "create with set-ID", CREATE(O_RDWR, 06755) },
	{ "make a node", .run = make_node, .then = S_IFREG | 0640 },
	{ "make a FIFO", .run = make_node, .then = S_IFIFO | 0640 },
	{ "truncate", .run = truncate_it, .then = 1 },
	{ "truncate to the same", .run = truncate_it, .then = sizeof(CONTENT) - 1 },
	{ "extend", .run = truncate_it, .then = 5000 },
	{ "ftruncate r", .run = truncate_open, .flags = O_RDONLY, .then = 1 },
	{ "ftruncate w", .run = truncate_open, .flags = O_WRONLY, .then = 1 },
	{ "ftruncate rw", .run = truncate_open, .flags = O_RDWR, .then = 5000 },
	{ "allocate r", .run = allocate, .flags = O_RDONLY, .then = 5000 },
	{ "allocate rw", .run = allocate, .flags = O_RDWR, .then = 5000 },
	{ "flock shared r", LOCK(O_RDONLY, LOCK_SH) },
	{ "flock exclusive r", LOCK(O_RDONLY, LOCK_EX) },
	{ "flock exclusive w", LOCK(O_WRONLY, LOCK_EX) },
	{ "read lock r", RANGE(O_RDONLY, F_SETLK, F_RDLCK) },
	{ "read lock w", RANGE(O_WRONLY, F_SETLK, F_RDLCK) },
	{ "write lock r", RANGE(O_RDONLY, F_SETLK, F_WRLCK) },
	{ "write lock w", RANGE(O_WRONLY, F_SETLK, F_WRLCK) },
	{ "write lock rw", RANGE(O_RDWR, F_SETLK, F_WRLCK) },
	{ "own read lock r", RANGE(O_RDONLY, F_OFD_SETLK, F_RDLCK) },
	{ "own write lock rw", RANGE(O_RDWR, F_OFD_SETLK, F_WRLCK) },
	{ "ask for a lock r", RANGE(O_RDONLY, F_GETLK, F_WRLCK) },
	{ "list", .run = list, .flags = O_RDONLY | O_DIRECTORY },
};

void acts_of_opening(struct act *acts, size_t *n)
{
	acts_add(acts, n, opening, COUNT(opening));
}
