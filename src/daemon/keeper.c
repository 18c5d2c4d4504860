/* SPDX-License-Identifier: MIT */
/*
 * The keeper has no threads, reads nothing that users say, and does nothing but wait, for
 * signals, which it hands on, and for the end of the daemon.
 *
 * Whoever may end a daemon again and again, by a fault of ours, shall not keep a machine
 * busy with that.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/anchor.h"
#include "daemon/keeper.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* So many deaths in so short a time are the last. */
#define DEATHS_MAX 5
#define DEATHS_NS  (UINT64_C(10) * 1000 * 1000 * 1000)
/* Likewise, where somebody kills them: that is no fault of theirs. */
#define KILLS_NS   (UINT64_C(500) * 1000 * 1000)

/* How often is looked whether a daemon cannot die, and for how long it may do so. */
#define STUCK_MS   500
#define PATIENT_NS (UINT64_C(2) * 1000 * 1000 * 1000)

enum phase {
	PHASE_TAKING_OVER, /* it closes what it does not know: the keeper opens nothing */
	PHASE_STARTING,
	PHASE_SERVING,
	PHASE_ENDING,
	PHASE_LEAVING, /* threads may be held up that do not end with it */
};

/* In memory that is shared with the daemons. */
struct keeper_state {
	_Atomic enum phase phase;
	_Atomic pid_t anchor; /* of the last daemon that has one */
};

static void those_to_see(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
	sigaddset(ret, SIGUSR1);
	sigaddset(ret, SIGCHLD);
}

static void block_child(int how)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(how, &child, NULL);
}

static int prepare(struct keeper *k)
{
	sigset_t seen;

	those_to_see(&seen);
	block_child(SIG_BLOCK);
	k->state = mmap(NULL, sizeof(*k->state), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->state == MAP_FAILED)
		return -errno;
	k->signals = signalfd(-1, &seen, SFD_CLOEXEC | SFD_NONBLOCK);
	k->serving = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->never = eventfd(0, EFD_CLOEXEC);
	if (k->signals < 0 || k->serving < 0 || k->never < 0)
		return -errno;
	return descriptors_open(&k->own);
}

/*
 * As fork(2), with the descriptors shared. The C library does not know of it: what it
 * keeps of threads is of the only one, and is as good for the child.
 */
static pid_t clone_daemon(void)
{
	unsigned long flags = CLONE_FILES | SIGCHLD;

#ifdef __s390__
	return (pid_t)syscall(SYS_clone, NULL, flags, NULL, NULL, 0);
#else
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
#endif
}

/* When a newer one has all that is attached, the one before is no more needed. */
static void change_anchor(struct keeper *k)
{
	pid_t newest = atomic_load(&k->state->anchor);

	if (newest == k->anchor)
		return;
	if (k->anchor > 0)
		kill(k->anchor, SIGKILL);
	k->anchor = newest;
}

/* It is no child of ours any more, and its number may be another's. */
static void forget_anchor(struct keeper *k, pid_t pid)
{
	pid_t newest = pid;

	atomic_compare_exchange_strong(&k->state->anchor, &newest, 0);
	if (k->anchor == pid)
		k->anchor = 0;
}

static int start_daemon(struct keeper *k)
{
	change_anchor(k);
	atomic_store(&k->state->phase, k->deaths ? PHASE_TAKING_OVER : PHASE_STARTING);
	k->daemon = clone_daemon();
	if (k->daemon < 0)
		return -errno;
	prctl(PR_SET_NAME, k->daemon ? "shmfs-keeper" : "shmfs");
	if (k->daemon == 0)
		block_child(SIG_UNBLOCK);
	else if (k->ending)
		/* The one that was told is dead. */
		kill(k->daemon, k->ending);
	return 0;
}

static void tell_serving(struct keeper *k)
{
	uint64_t n;

	if (read(k->serving, &n, sizeof(n)) < 0)
		return;
	change_anchor(k);
	if (k->deaths > 0)
		return;
	k->announced = true;
	if (k->announce(k->context) < 0) {
		kill(k->daemon, SIGTERM);
		waitpid(k->daemon, NULL, 0);
		exit(1);
	}
	log_close();
}

static bool may_open(const struct keeper *k)
{
	return atomic_load(&k->state->phase) != PHASE_TAKING_OVER;
}

static bool is_leaving(const struct keeper *k)
{
	return atomic_load(&k->state->phase) == PHASE_LEAVING;
}

/* Returns whether the daemon is among those that have ended, with *@ret_status. */
static bool reap(struct keeper *k, int *ret_status)
{
	bool found = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != k->daemon) {
			forget_anchor(k, pid);
			continue;
		}
		*ret_status = status;
		found = true;
	}
	return found;
}

DEFINE_CLEANUP(FILE, file, fclose);
DEFINE_CLEANUP(DIR, dir, closedir);

static bool is_notifier(pid_t pid, const char *thread)
{
	_cleanup_(cleanup_file) FILE *comm = NULL;
	char path[320], name[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, thread);
	comm = fopen(path, "re");
	if (comm && fscanf(comm, "%15s", name) != 1)
		name[0] = '\0';
	return strcmp(name, NOTIFY_THREAD) == 0;
}

/* Whether it is one, with the *@ret_status that it will end with: what ended its first
 * thread was the end of all. Where the kernel does not tell that is 0. */
static bool is_zombie(pid_t pid, int *ret_status)
{
	_cleanup_(cleanup_file) FILE *stat = NULL;
	char path[64], line[1024] = "";
	const char *state, *last;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat = fopen(path, "re");
	if (stat && !fgets(line, sizeof(line), stat))
		line[0] = '\0';
	state = strrchr(line, ')');
	last = strrchr(line, ' ');
	*ret_status = last ? atoi(last) : 0;
	return state && strncmp(state, ") Z", 3) == 0;
}

/* Whether all that is left of the daemon is the thread that tells the kernel of changes.
 */
static bool is_notifier_left(pid_t daemon)
{
	_cleanup_(cleanup_dir) DIR *threads = NULL;
	char path[64];
	struct dirent *entry;
	bool only = true;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)daemon);
	threads = opendir(path);
	while (threads && (entry = readdir(threads)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != daemon)
			only = only && is_notifier(daemon, entry->d_name);
	return threads && only;
}

/*
 * Whether what is left of the daemon is not to be waited for: a thread that is in a call
 * of the kernel where no signal reaches it, and will do nothing but die when it returns.
 *
 * The thread that tells the kernel of changes may wait for the lock of the directory,
 * which is held by somebody who waits for an answer, and only the next daemon can give
 * that. Others wait for an object that a user keeps busy, without end. What they do to it
 * may still be done, so their requests are not done again.
 */
static bool is_stuck(struct keeper *k, int *ret_status)
{
	if (!is_zombie(k->daemon, ret_status)) {
		k->dying_since = 0;
		return false;
	}
	if (is_leaving(k) || is_notifier_left(k->daemon))
		return true;
	if (k->dying_since == 0)
		k->dying_since = clock_ns();
	k->held = clock_ns() - k->dying_since >= PATIENT_NS;
	return k->held;
}

/* Returns whether the daemon has ended, with *@ret_status. */
static bool see_signal(struct keeper *k, int *ret_status)
{
	struct signalfd_siginfo info;

	if (read(k->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGCHLD)
		return reap(k, ret_status);
	if (info.ssi_signo != SIGUSR1)
		k->ending = (int)info.ssi_signo;
	kill(k->daemon, (int)info.ssi_signo);
	return false;
}

/* Returns the status that the daemon ends with. */
static int watch(struct keeper *k)
{
	struct pollfd fds[] = {
		{ .fd = k->serving, .events = POLLIN },
		{ .fd = k->signals, .events = POLLIN },
	};
	int status = 0;

	k->held = false;
	k->dying_since = 0;
	for (;;) {
		int n = poll(fds, 2, STUCK_MS);

		if (n < 0)
			continue;
		/* Not told: by a signal, since nothing else leaves a thread, but where it
		 * is left on purpose. */
		if (n == 0 && may_open(k) && is_stuck(k, &status))
			return status || is_leaving(k) ? status : SIGKILL;
		if (fds[0].revents)
			tell_serving(k);
		if (fds[1].revents && see_signal(k, &status))
			return status;
	}
}

/* In words. What it dies of by itself was an order or a fault. */
static void tell_death(int status, const char *consequence)
{
	if (WIFSIGNALED(status))
		log_info("the daemon died of signal %d (%s): %s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)), consequence);
	else
		log_info("the daemon ended with status %d: %s", WEXITSTATUS(status),
			 consequence);
}

/* Whether the daemons die too fast: @times are of the last deaths. */
static bool is_hopeless(struct keeper *k, int status, uint64_t times[DEATHS_MAX])
{
	uint64_t now = clock_ns();

	k->fault = !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
	times[k->deaths++ % DEATHS_MAX] = now;
	/* The next one would take the place of the first of those that count. */
	return k->deaths >= DEATHS_MAX &&
	       now - times[k->deaths % DEATHS_MAX] < (k->fault ? DEATHS_NS : KILLS_NS);
}

/* The descriptors are closed for a thread as well that a dead daemon has left: with them
 * the device goes, and who waits for an answer has an error. */
static _Noreturn void give_up(struct keeper *k)
{
	k->abandon(k->context);
	close_range(3, ~0U, 0);
	exit(1);
}

/*
 * What else there is to wait for has been told to end by the daemon, or ends with the
 * last of our descriptors, as who waits to unmount (auto_unmount).
 */
static _Noreturn void end_as(struct keeper *k, int status)
{
	bool leaving = is_leaving(k);

	change_anchor(k);
	atomic_store(&k->state->anchor, 0);
	change_anchor(k);
	close_range(3, ~0U, 0);
	while (!leaving && (wait(NULL) > 0 || errno == EINTR))
		;
	exit(WEXITSTATUS(status));
}

/* Returns if another daemon is to be. */
static void judge(struct keeper *k, int status, uint64_t times[DEATHS_MAX])
{
	enum phase phase = atomic_load(&k->state->phase);

	if (WIFEXITED(status) && phase != PHASE_SERVING)
		end_as(k, status);
	if ((phase != PHASE_SERVING || !k->announced) && k->deaths == 0) {
		if (WIFSIGNALED(status))
			log_error("the daemon died of signal %d", WTERMSIG(status));
		give_up(k);
	}
	if (phase == PHASE_ENDING || phase == PHASE_LEAVING) {
		tell_death(status, "the mount may be left");
		give_up(k);
	}
	if (is_hopeless(k, status, times)) {
		tell_death(status, "it does so again and again, and is given up");
		give_up(k);
	}
	tell_death(status, "another one takes over");
	log_close();
}

int keeper_run(struct keeper *k)
{
	uint64_t times[DEATHS_MAX] = { 0 };
	int r = prepare(k);

	if (r == 0)
		r = start_daemon(k);
	if (r < 0)
		return r;
	while (k->daemon > 0) {
		judge(k, watch(k), times);
		r = start_daemon(k);
		if (r < 0) {
			log_error("no other daemon can be made: %s", strerror(-r));
			give_up(k);
		}
	}
	return 0;
}

int keeper_anchor(struct keeper *k)
{
	pid_t pid;
	int r = anchor_new(k->never, &pid);

	if (r == 0)
		atomic_store(&k->state->anchor, pid);
	return r;
}

void keeper_serving(struct keeper *k)
{
	const uint64_t one = 1;

	atomic_store(&k->state->phase, PHASE_SERVING);
	while (write(k->serving, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void keeper_ending(struct keeper *k)
{
	atomic_store(&k->state->phase, PHASE_ENDING);
}

void keeper_leaving(struct keeper *k)
{
	atomic_store(&k->state->phase, PHASE_LEAVING);
}

void keeper_close_others(struct keeper *k, const struct descriptors *open,
			 const struct descriptors *kept)
{
	for (unsigned int fd = 0; fd < open->n; fd++)
		if (descriptors_has(open, (int)fd) && !descriptors_has(kept, (int)fd))
			close((int)fd);
	atomic_store(&k->state->phase, PHASE_STARTING);
}
