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

static const char *const tunables[PROTECTIONS] = {
	[PROTECTED_REGULAR] = "/proc/sys/fs/protected_regular",
	[PROTECTED_HARDLINKS] = "/proc/sys/fs/protected_hardlinks",
};

static int keeper = -1;

struct order {
	enum protection which;
	int value;
};

struct kept {
	const char *tunable;
	int fd; /* the tunable, locked while it is changed; -1: it is as it was */
	char was;
};

static int begin(struct kept *k)
{
	_cleanup_close_ int fd = errno_or(open(k->tunable, O_RDWR | O_CLOEXEC));

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
	struct kept kept[PROTECTIONS];
	struct order order;
	int r = 0;

	for (int i = 0; i < PROTECTIONS; i++)
		kept[i] = (struct kept){ .tunable = tunables[i], .fd = -1 };
	while (recv(client, &order, sizeof(order), 0) == sizeof(order)) {
		r = change(&kept[order.which], order.value);
		if (send(client, &r, sizeof(r), MSG_NOSIGNAL) < 0)
			break;
	}
	r = 0;
	for (int i = 0; i < PROTECTIONS; i++)
		r |= restore(&kept[i]);
	_exit(r < 0);
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

void protection_keep(void)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    (pid = fork()) < 0) {
		perror("protection");
		exit(1);
	}
	if (pid == 0)
		start(ends[0], ends[1]);
	close(ends[0]);
	waitpid(pid, NULL, 0);
	keeper = ends[1];
}

int protection_set(enum protection which, int value)
{
	const struct order order = { which, value };
	int r = -EIO;

	if (send(keeper, &order, sizeof(order), MSG_NOSIGNAL) < 0)
		return -errno;
	return recv(keeper, &r, sizeof(r), 0) == sizeof(r) ? r : -EIO;
}

int protection_get(enum protection which)
{
	_cleanup_close_ int fd = errno_or(open(tunables[which], O_RDONLY | O_CLOEXEC));
	char value = '0';

	if (fd < 0)
		return fd;
	return pread(fd, &value, 1, 0) == 1 ? value - '0' : -errno;
}
