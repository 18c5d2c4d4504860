/* SPDX-License-Identifier: MIT */
/*
 * The watchdog is the parent of the test process and, as a subreaper, becomes the parent
 * of everything that loses its own, daemons included: so it can end all of it without a
 * name or a pid file. Killing alone is not enough: a process that waits for a FUSE reply
 * in the kernel dies only when the connection is aborted, and that needs fusectl. The
 * connection's number is the minor of the mount's device, which mountinfo tells without a
 * request.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "patience.h"
#include "watchdog.h"

#define CONNECTIONS "/sys/fs/fuse/connections"
#define FUSE_MOUNTS 64

/* The FUSE connections of other people, seen in this namespace before the tests began. */
static unsigned int foreign[FUSE_MOUNTS];
static size_t foreign_count;

static bool is_foreign(unsigned int minor)
{
	for (size_t i = 0; i < foreign_count; i++)
		if (foreign[i] == minor)
			return true;
	return false;
}

/* The minor of the device of a line of mountinfo, where it is a FUSE mount. */
static bool parse_fuse(const char *line, unsigned int *ret_minor)
{
	const char *type = strstr(line, " - ");

	return type && !strncmp(type, " - fuse", 7) &&
	       strncmp(type, " - fusectl", 10) != 0 &&
	       sscanf(line, "%*u %*u %*u:%u", ret_minor) == 1;
}

static void each_fuse(void (*act)(unsigned int minor))
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	unsigned int minor;

	if (!mounts)
		return;
	while (fgets(line, sizeof(line), mounts))
		if (parse_fuse(line, &minor))
			act(minor);
	fclose(mounts);
}

static void remember(unsigned int minor)
{
	if (foreign_count < FUSE_MOUNTS)
		foreign[foreign_count++] = minor;
}

static void abort_connection(unsigned int minor)
{
	char path[64];
	FILE *file;

	if (is_foreign(minor))
		return;
	snprintf(path, sizeof(path), CONNECTIONS "/%u/abort", minor);
	file = fopen(path, "we");
	if (!file) {
		/* Not mounted here; in a user namespace it cannot be, and killing must
		 * do. */
		mount("fusectl", CONNECTIONS, "fusectl", 0, NULL);
		file = fopen(path, "we");
	}
	if (!file)
		return;
	fputs("1", file);
	fclose(file);
}

/* Kills the children of this process. Returns how many there were. */
static unsigned int kill_children(void)
{
	char path[64];
	unsigned int n = 0;
	FILE *children;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	children = fopen(path, "re");
	if (!children)
		return 0;
	for (; fscanf(children, "%d", &pid) == 1; n++)
		kill(pid, SIGKILL);
	fclose(children);
	return n;
}

/* Ends every descendant; children of the killed come to us and are killed in their turn.
 */
static unsigned int end_all(void)
{
	unsigned int n = 0;

	for (;;) {
		n += kill_children();
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return n;
	}
}

/* Reaps whatever has ended. True, with its status, once @child is among it. */
static bool reap(pid_t child, int *ret_status)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == child) {
			*ret_status = status;
			ended = true;
		}
	}
	return ended;
}

/*
 * Waits for the end of @child. Returns why there is none: a signal, or 0 for the time,
 * which is looked at in steps, as the load of the machine changes.
 */
static bool await(pid_t child, const sigset_t *signals, unsigned int seconds,
		  int *ret_status, int *ret_signal)
{
	const struct timespec step = { .tv_nsec = 250000000 };
	struct patience patience = patience_of(seconds);

	do {
		if (reap(child, ret_status))
			return true;
		*ret_signal = sigtimedwait(signals, NULL, &step);
		if (*ret_signal > 0 && *ret_signal != SIGCHLD)
			return false;
	} while (!patience_over(&patience));
	*ret_signal = 0;
	return reap(child, ret_status);
}

static int verdict(int status)
{
	unsigned int left = end_all();

	if (WIFSIGNALED(status))
		fprintf(stderr, "watchdog: the tests died of %s\n",
			strsignal(WTERMSIG(status)));
	if (left)
		fprintf(stderr, "watchdog: the tests left %u processes behind\n", left);
	if (left || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

static _Noreturn void run_tests(int (*tests)(void), const sigset_t *mask)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	exit(tests() != 0);
}

int watchdog_run(unsigned int seconds, int (*tests)(void))
{
	sigset_t signals;
	sigset_t mask;
	int status = 0;
	int signal;
	pid_t child;

	each_fuse(remember);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &mask);
	fflush(NULL);
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0)
		run_tests(tests, &mask);
	if (await(child, &signals, seconds, &status, &signal))
		return verdict(status);
	fprintf(stderr, "watchdog: %s, the connections are aborted\n",
		signal ? strsignal(signal) : "the time is over");
	each_fuse(abort_connection);
	end_all();
	return 1;
}
