/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "locks.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

const char *const lock_sides[2] = { MOUNT_DIR, NATIVE_DIR };

void lock_make_file(void)
{
	file_make(NATIVE_DIR, "a", 0666, "text");
}

static int take_range(int fd, const struct lock_attempt *a)
{
	struct flock range = { .l_type = a->type,
			       .l_whence = SEEK_SET,
			       .l_start = a->start,
			       .l_len = a->length };
	int ofd = a->wait ? F_OFD_SETLKW : F_OFD_SETLK;
	int posix = a->wait ? F_SETLKW : F_SETLK;

	return errno_or(fcntl(fd, a->how == LOCK_BY_OFD ? ofd : posix, &range));
}

static int take_whole(int fd, const struct lock_attempt *a)
{
	int operation = a->type == F_RDLCK   ? LOCK_SH
			: a->type == F_WRLCK ? LOCK_EX
					     : LOCK_UN;

	return errno_or(flock(fd, operation | (a->wait ? 0 : LOCK_NB)));
}

int lock_take(int fd, const struct lock_attempt *a)
{
	return a->how == LOCK_BY_FLOCK ? take_whole(fd, a) : take_range(fd, a);
}

int lock_try(const void *arg)
{
	const struct lock_attempt *a = arg;
	struct lock_attempt back = *a;
	int fd = open(at(a->dir, "a"), O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : lock_take(fd, a);

	back.type = F_UNLCK;
	if (r == 0 && a->give_back)
		r = lock_take(fd, &back);
	return r == -EACCES ? -EAGAIN : r;
}

bool lock_is_free(const char *dir, enum lock_how how)
{
	const struct lock_attempt a = {
		.dir = dir, .how = how, .type = F_WRLCK, .give_back = true
	};

	return person_do(NULL, lock_try, &a) == 0;
}

bool lock_is_waiting(pid_t pid, enum lock_how how)
{
	return person_call(pid) == (how == LOCK_BY_FLOCK ? SYS_flock : SYS_fcntl);
}

void lock_hold(int fd, enum lock_how how, short type, off_t start, off_t length)
{
	const struct lock_attempt a = {
		.how = how, .type = type, .start = start, .length = length
	};

	assert_int_equal(lock_take(fd, &a), 0);
}

struct flock lock_ask(int fd, int command, short type, off_t start)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = start };

	must(fcntl(fd, command, &range));
	return range;
}
