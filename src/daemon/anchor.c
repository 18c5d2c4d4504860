/* SPDX-License-Identifier: MIT */
/*
 * The anchor shares the memory, the table of descriptors, and so the thread-local storage
 * of a thread that goes on running: it makes system calls and nothing else, none of which
 * fails. Before the first request is read it has given up all of them but to read and to
 * exit: who could change its memory, by a fault of the daemon, were no further for it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/anchor.h"
#include "util/cleanup.h"

/* It has no sanitizer's idea of a thread. */
#define BARE \
	__attribute__((no_sanitize("address"))) __attribute__((no_sanitize("thread")))

/* A sanitizer takes what is called clone() for a fork, which this is not. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || \
	__has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
int __clone(int (*function)(void *), void *stack, int flags, void *arg, ...);
#define clone_bare __clone
#else
#define clone_bare clone
#endif

static char stack[16 * 1024] __attribute__((aligned(64)));

/* Of the parent's; it waits until the child needs its storage no more. */
static atomic_int state;
enum { BEGINNING, WAITING, FAILED };

static pid_t keeper;

BARE static bool bind_to_keeper(void)
{
	return syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
	       syscall(SYS_getppid) == keeper;
}

/* What the numbers are of another architecture is as harmless. */
static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

/* Not in the strict mode of seccomp(2), which whoever is in a container cannot enter. */
BARE static bool give_up_all(void)
{
	return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ==
	       0;
}

BARE static int wait_forever(void *arg)
{
	int fd = (int)(ptrdiff_t)arg;
	char count[8];
	bool ready = bind_to_keeper() && give_up_all();

	atomic_store(&state, ready ? WAITING : FAILED);
	if (ready)
		syscall(SYS_read, fd, count, sizeof(count));
	syscall(SYS_exit, 0);
	return 0;
}

int anchor_new(int fd, pid_t *ret)
{
	/* The keeper's child, as the daemon is. */
	const int flags = CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_PARENT;
	char name[16];
	pid_t pid;

	keeper = getppid();
	/* It is never to be taken for a daemon. */
	prctl(PR_GET_NAME, name);
	prctl(PR_SET_NAME, ANCHOR_NAME);
	atomic_store(&state, BEGINNING);
	pid = errno_or(clone_bare(wait_forever, stack + sizeof(stack), flags,
				  (void *)(ptrdiff_t)fd));
	prctl(PR_SET_NAME, name);
	if (pid < 0)
		return pid;
	/* It may have been killed, and then the keeper has buried it. */
	while (atomic_load(&state) == BEGINNING && kill(pid, 0) == 0)
		sched_yield();
	if (atomic_load(&state) != WAITING)
		return -EPERM;
	*ret = pid;
	return 0;
}
