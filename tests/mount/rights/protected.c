/* SPDX-License-Identifier: MIT */
/*
 * The keeper is in a session of its own and nobody's child, so that neither the end of a
 * test nor a signal for its process group ends it; what ends it is that nobody holds the
 * other end of its socket any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rights/protected.h"
#include "util/cleanup.h"

#define TUNABLE "/proc/sys/fs/protected_regular"

static int keeper = -1;

struct kept {
	int fd; /* the tunable, locked while it is changed; -1: it is as it was */
	char was;
};

static int begin(struct kept *k)
{
	_cleanup_close_ int fd = errno_or(open(TUNABLE, O_RDWR | O_CLOEXEC));

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX) < 0 || pread(fd, &k->was, 1, 0) != 1)
		return -errno;
	k->fd = take_fd(&fd);
	return 0;
}

static int put(const struct kept *k, char value)
{
	return pwrite(k->fd, &value, 1, 0) == 1 ? 0 : -errno;
}

static int restore(struct kept *k)
{
	int r = k->fd < 0 ? 0 : put(k, k->was);

	k->fd = close_fd(k->fd);
	return r;
}

static int change(struct kept *k, int value)
{
	int r;

	if (value < 0)
		return restore(k);
	r = k->fd < 0 ? begin(k) : 0;
	return r < 0 ? r : put(k, (char)('0' + value));
}

static _Noreturn void serve(int client)
{
	struct kept k = { .fd = -1 };
	int value;

	while (recv(client, &value, sizeof(value), 0) == sizeof(value)) {
		int r = change(&k, value);

		if (send(client, &r, sizeof(r), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(restore(&k) < 0);
}

/* Starts as the child of a child that ends at once. */
static _Noreturn void start(int client, int test)
{
	close(test);
	setsid();
	if (fork() == 0)
		serve(client);
	_exit(0);
}

void protected_regular_keep(void)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    (pid = fork()) < 0) {
		perror("protected_regular");
		exit(1);
	}
	if (pid == 0)
		start(ends[0], ends[1]);
	close(ends[0]);
	waitpid(pid, NULL, 0);
	keeper = ends[1];
}

int protected_regular_set(int value)
{
	int r = -EIO;

	if (send(keeper, &value, sizeof(value), MSG_NOSIGNAL) < 0)
		return -errno;
	return recv(keeper, &r, sizeof(r), 0) == sizeof(r) ? r : -EIO;
}

int protected_regular_get(void)
{
	_cleanup_close_ int fd = errno_or(open(TUNABLE, O_RDONLY | O_CLOEXEC));
	char value = '0';

	if (fd < 0)
		return fd;
	return pread(fd, &value, 1, 0) == 1 ? value - '0' : -errno;
}
