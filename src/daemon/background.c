/* SPDX-License-Identifier: MIT */
/*
 * fuse_daemonize() lets the parent go before the first request is answered; then it is
 * too late to say that something failed. So the fork comes first, and the parent reads a
 * byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/log.h"
#include "util/cleanup.h"

static _Noreturn void wait_for(pid_t child, int ready)
{
	int status = 0;
	char byte;
	ssize_t n;

	do
		n = read(ready, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		log_error("the daemon died of signal %d", WTERMSIG(status));
	_exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

int background_enter(void)
{
	_cleanup_close_ int read_end = -1;
	_cleanup_close_ int write_end = -1;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (child > 0) {
		write_end = close_fd(write_end);
		wait_for(child, read_end);
	}
	setsid();
	return take_fd(&write_end);
}

int background_follow(void)
{
	log_to_syslog();
	/* It must not keep the directory that it was started in from being unmounted. */
	return chdir("/") < 0 ? -errno : 0;
}

int background_ready(int ready)
{
	_cleanup_close_ int pipe_end = ready;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	if (null < 0)
		return -errno;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	r = background_follow();
	if (r < 0)
		return r;
	return write(pipe_end, "", 1) == 1 ? 0 : -EPIPE;
}
