/* SPDX-License-Identifier: MIT */
/*
 * The kernel keeps these locks and frees those of the dead, so there is nothing of them
 * in shared memory. It has no call that waits until a time, and a signal that would end a
 * wait is the program's own. So such a wait is naps.
 */
#include <errno.h>
#include <fcntl.h>

#include <shmfs/filelock.h>

#include "lib/heap/futex.h"
#include "native/public.h"

#define NAP_FIRST_NS 100000L
#define NAP_MOST_NS  10000000L

static int set(int fd, int command, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int r;

	do
		r = fcntl(fd, command, &lock) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r == -EAGAIN ? -EBUSY : r;
}

/* The kernel's type of a lock, or -EINVAL. */
static int type_of(enum shmfs_filelock_mode mode)
{
	switch (mode) {
	case SHMFS_FILELOCK_SHARED:
		return F_RDLCK;
	case SHMFS_FILELOCK_EXCLUSIVE:
		return F_WRLCK;
	}
	return -EINVAL;
}

_public_ int shmfs_filelock_lock(int fd, enum shmfs_filelock_mode mode)
{
	int type = type_of(mode);

	return type < 0 ? type : set(fd, F_OFD_SETLKW, (short)type);
}

_public_ int shmfs_filelock_try_lock(int fd, enum shmfs_filelock_mode mode)
{
	int type = type_of(mode);

	return type < 0 ? type : set(fd, F_OFD_SETLK, (short)type);
}

_public_ int shmfs_filelock_lock_until(int fd, enum shmfs_filelock_mode mode, int clock,
				       const struct timespec *deadline)
{
	struct timespec nap = { 0, 0 };
	long ns = NAP_FIRST_NS;
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	while (r == 0 && (r = shmfs_filelock_try_lock(fd, mode)) == -EBUSY) {
		nap.tv_nsec = deadline_left(&until, ns);
		if (nap.tv_nsec <= 0)
			return -ETIMEDOUT;
		nanosleep(&nap, NULL);
		ns = ns < NAP_MOST_NS / 2 ? ns * 2 : NAP_MOST_NS;
		r = 0;
	}
	return r;
}

_public_ int shmfs_filelock_unlock(int fd)
{
	return set(fd, F_OFD_SETLK, F_UNLCK);
}
