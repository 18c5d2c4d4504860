/* SPDX-License-Identifier: MIT */
/*
 * With libseccomp. Should somebody get to run code of his in the daemon, this is what is
 * left to him.
 *
 * What is not known here fails with ENOSYS, as in a kernel that does not have it: the C
 * library then does as with such a kernel, so that a newer one goes on working (clone3()
 * must fail, since its flags lie in memory, where a filter cannot see them). What no
 * library calls by itself, and an intruder would call first, is worth more than a service
 * that goes on: it ends the process.
 *
 * Calls are named by text, for not every libseccomp, nor every architecture, has them
 * all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/backing.h"
#include "daemon/confine.h"
#include "daemon/log.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15 /* Linux 4.17 */
#endif

/* What the C library may add to the command of shmctl(2). */
#define IPC_64 0x100

/* Of clone(2), whose first two arguments are the other way round there. */
#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif
#define CLONE_NEW                                                                      \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

/* Those of one kind of objects, or with NULL of all: words. */
struct calls {
	const struct kind_ops *kind;
	const char *names;
};

#define NAME_SIZE 32

/* A call that may be made with some arguments only. The kernel takes 32 bits of them. */
struct conditional {
	const struct kind_ops *kind;
	const char *name;
	unsigned int n;
	struct scmp_arg_cmp conditions[2];
};

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define MASKED(argument, mask, value)                                               \
	{                                                                           \
		(argument), SCMP_CMP_MASKED_EQ, (uint32_t)(mask), (uint32_t)(value) \
	}
#define IS(argument, value) MASKED(argument, UINT32_MAX, value)

#define FCNTL(name, command)           \
	{                              \
		NULL, name, 1,         \
		{                      \
			IS(1, command) \
		}                      \
	}

static const char of_all[] =
	/* Requests, files and what is read of /proc. */
	"read write readv writev pread64 pwrite64 open openat close close_range lseek _llseek fstat "
	"fstat64 newfstatat fstatat64 statx stat lstat statfs statfs64 fstatfs fstatfs64 "
	"access faccessat faccessat2 fallocate flock readlink readlinkat "
	/* Waiting, and time. */
	"poll ppoll ppoll_time64 futex futex_time64 nanosleep clock_nanosleep "
	"clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres gettimeofday "
	"time restart_syscall sched_yield timerfd_settime timerfd_settime64 "
	/* Memory. */
	"brk munmap mremap madvise "
	/* Threads and signals. */
	"exit exit_group set_robust_list rseq gettid getpid getcpu sched_getaffinity "
	"rt_sigaction rt_sigprocmask rt_sigreturn sigreturn sigaltstack wait4 waitid "
	/* Who we are. */
	"getuid geteuid getgid getegid getgroups setgroups getuid32 geteuid32 getgid32 "
	"getegid32 getgroups32 setgroups32 capget capset uname sysinfo getrandom "
	/* To go to the background, to tell that we serve, to leave. */
	"dup dup2 dup3 chdir pipe2 connect sendmsg sendto send getsockopt setsockopt ";

static const char of_posix[] =
	"openat2 pwritev2 preadv2 ftruncate ftruncate64 truncate truncate64 copy_file_range "
	"fsync fdatasync getdents64 linkat unlinkat renameat renameat2 chmod fchmodat "
	"fchmodat2 fchownat utimensat utimensat_time64 getxattr listxattr setxattr "
	"removexattr umask ";

static const char of_sysv[] = "shmget shmat shmdt ";

static const struct calls allowed[] = {
	{ NULL, of_all },
	{ &kind_posix, of_posix },
	{ &kind_sysv, of_sysv },
};

static const struct conditional conditionals[] = {
	{ NULL, "ioctl", 1, { IS(1, BACKING_OPEN) } },
	{ NULL, "ioctl", 1, { IS(1, BACKING_CLOSE) } },
	{ &kind_posix, "ioctl", 1, { IS(1, FS_IOC_GETFLAGS) } },
	{ &kind_posix, "ioctl", 1, { IS(1, FS_IOC_SETFLAGS) } },
	{ &kind_posix, "ioctl", 1, { IS(1, FS_IOC_FSGETXATTR) } },
	{ &kind_posix, "ioctl", 1, { IS(1, FS_IOC_FSSETXATTR) } },
	/* Neither other descriptors' owners nor leases. */
	FCNTL("fcntl", F_GETFL),
	FCNTL("fcntl64", F_GETFL),
	FCNTL("fcntl", F_SETFL),
	FCNTL("fcntl64", F_SETFL),
	FCNTL("fcntl", F_GETFD),
	FCNTL("fcntl64", F_GETFD),
	FCNTL("fcntl", F_SETFD),
	FCNTL("fcntl64", F_SETFD),
	FCNTL("fcntl", F_OFD_GETLK),
	FCNTL("fcntl64", F_OFD_GETLK),
	FCNTL("fcntl", F_OFD_SETLK),
	FCNTL("fcntl64", F_OFD_SETLK),
	FCNTL("fcntl", F_OFD_SETLKW),
	FCNTL("fcntl64", F_OFD_SETLKW),
	/* No memory becomes a program. */
	{ NULL, "mmap", 1, { MASKED(2, PROT_EXEC, 0) } },
	{ NULL, "mmap2", 1, { MASKED(2, PROT_EXEC, 0) } },
	{ NULL, "mprotect", 1, { MASKED(2, PROT_EXEC, 0) } },
	/* Threads, but neither processes nor namespaces. */
	{ NULL,
	  "clone",
	  1,
	  { MASKED(CLONE_FLAGS, CLONE_THREAD | CLONE_NEW, CLONE_THREAD) } },
	/* The umask, see caller.c. */
	{ &kind_posix, "unshare", 1, { IS(0, CLONE_FS) } },
	/* The effective ids alone, see caller.c. */
	{ NULL, "setresuid", 2, { IS(0, -1), IS(2, -1) } },
	{ NULL, "setresuid32", 2, { IS(0, -1), IS(2, -1) } },
	{ NULL, "setresgid", 2, { IS(0, -1), IS(2, -1) } },
	{ NULL, "setresgid32", 2, { IS(0, -1), IS(2, -1) } },
	{ NULL, "prctl", 1, { IS(0, PR_SET_TIMERSLACK) } },
	{ NULL, "prctl", 1, { IS(0, PR_SET_NAME) } },
	/* Limits are read, not set. */
	{ NULL, "prlimit64", 1, { { 2, SCMP_CMP_EQ, 0, 0 } } },
	/* To the log and the service manager, but not to services (D-Bus). */
	{ NULL, "socket", 2, { IS(0, AF_UNIX), MASKED(1, 0xf, SOCK_DGRAM) } },
	{ NULL, "umount2", 1, { MASKED(1, UINT32_MAX & ~MNT_FORCE, MNT_DETACH) } },
	/* For what is written to a file before its segment is there. */
	{ &kind_sysv,
	  "memfd_create",
	  1,
	  { MASKED(1, ~(MFD_CLOEXEC | MFD_NOEXEC_SEAL), 0) } },
	{ &kind_sysv, "shmctl", 1, { MASKED(1, ~IPC_64, IPC_INFO) } },
	{ &kind_sysv, "shmctl", 1, { MASKED(1, ~IPC_64, SHM_INFO) } },
	{ &kind_sysv, "shmctl", 1, { MASKED(1, ~IPC_64, SHM_STAT_ANY) } },
	{ &kind_sysv, "shmctl", 1, { MASKED(1, ~IPC_64, IPC_SET) } },
	{ &kind_sysv, "shmctl", 1, { MASKED(1, ~IPC_64, IPC_RMID) } },
};

static const char deadly[] =
	"execve execveat fork vfork ptrace setns chroot pivot_root mount "
	"mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick "
	"open_by_handle_at bpf perf_event_open userfaultfd io_uring_setup init_module "
	"finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff iopl "
	"ioperm add_key request_key keyctl pidfd_getfd modify_ldt ";

/* What this architecture, or this libseccomp, does not have needs no rule. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int n,
	       const struct scmp_arg_cmp *conditions)
{
	int number = seccomp_syscall_resolve_name(name);
	int r;

	if (number == __NR_SCMP_ERROR)
		return 0;
	r = seccomp_rule_add_array(filter, action, number, n, conditions);
	return r == -EDOM ? 0 : r;
}

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *names)
{
	char name[NAME_SIZE];
	int r = 0, n;

	for (; r == 0 && sscanf(names, "%31s%n", name, &n) == 1; names += n)
		r = add(filter, action, name, 0, NULL);
	return r;
}

static bool is_for(const struct kind_ops *of, const struct kind_ops *kind)
{
	return !of || kind_has(kind, of);
}

static int add_conditionals(scmp_filter_ctx filter, const struct conditional *of,
			    size_t n, const struct kind_ops *kind)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (is_for(of[i].kind, kind))
			r = add(filter, SCMP_ACT_ALLOW, of[i].name, of[i].n,
				of[i].conditions);
	return r;
}

/* Signals, and the memory that is copied by the kernel, are the process's own. */
static int add_own(scmp_filter_ctx filter, const struct kind_ops *kind)
{
	const pid_t self = getpid();
	const struct conditional own[] = {
		{ NULL, "kill", 1, { IS(0, self) } },
		{ NULL, "tgkill", 1, { IS(0, self) } },
		{ &kind_sysv, "process_vm_readv", 1, { IS(0, self) } },
		{ &kind_sysv, "process_vm_writev", 1, { IS(0, self) } },
	};

	return add_conditionals(filter, own, sizeof(own) / sizeof(own[0]), kind);
}

static int fill(scmp_filter_ctx filter, const struct kind_ops *kind)
{
	/* No namespaces: it is there for the umask alone. */
	const struct scmp_arg_cmp unshares_more = { 0, SCMP_CMP_NE, CLONE_FS, 0 };
	int r = add_names(filter, SCMP_ACT_KILL_PROCESS, deadly);

	if (r == 0)
		r = add(filter, SCMP_ACT_KILL_PROCESS, "unshare", 1, &unshares_more);
	for (size_t i = 0; r == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (is_for(allowed[i].kind, kind))
			r = add_names(filter, SCMP_ACT_ALLOW, allowed[i].names);
	if (r == 0)
		r = add_conditionals(filter, conditionals,
				     sizeof(conditionals) / sizeof(conditionals[0]),
				     kind);
	return r < 0 ? r : add_own(filter, kind);
}

static int set_attributes(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Not what the kernel said, but -ECANCELED, is what it would tell otherwise. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	/* A binary tree: what is not in the kernel's cache of calls is found sooner. */
	return r < 0 ? r : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

static int load(const struct kind_ops *kind)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = filter ? set_attributes(filter) : -ENOMEM;

	if (r == 0)
		r = fill(filter, kind);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	/* Of TSYNC: the number of a thread that has another filter. */
	return r > 0 ? -EBUSY : r;
}

int confine_process(const struct kind_ops *kind)
{
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)
		return load(kind);
	log_info("this kernel filters no system calls: going on without");
	return 0;
}
