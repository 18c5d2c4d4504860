/* SPDX-License-Identifier: MIT */
/*
 * The filter of system calls, in children that confine themselves and then do what the
 * daemon never does, or what it must be able to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/backing.h"
#include "daemon/confine.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY       65534
/* What cannot be set up to be tried is not a result. */
#define BROKEN       255

/* An act of the confined child: 0 or a negative errno. */
struct act {
	const char *name;
	int (*run)(void);
};

static int confined(const struct kind_ops *kind, int (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (confine_process(kind) < 0)
			_exit(BROKEN);
		_exit(-run() & 0xff);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void gives(const struct kind_ops *kind, const struct act *act, int expected)
{
	int status = confined(kind, act->run);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_msg("%s of kind %s: status %#x, not %s", act->name, kind->name,
			 (unsigned int)status, expected ? strerror(expected) : "done");
}

/*
 * What ends the process
 */
static long number_to_call;

static int call(void)
{
	/* Arguments that mean nothing, in case the call is made. */
	return (int)errno_or(syscall(number_to_call, -1L, -1L, -1L, -1L, -1L, -1L));
}

#define CALL(name)                \
	{                         \
#name, SYS_##name \
	}

static const struct {
	const char *name;
	long number;
} deadly[] = {
	CALL(execve),        CALL(execveat),
	CALL(ptrace),        CALL(unshare),
	CALL(setns),         CALL(chroot),
	CALL(pivot_root),    CALL(mount),
	CALL(mount_setattr), CALL(move_mount),
	CALL(open_tree),     CALL(fsopen),
	CALL(fsconfig),      CALL(fsmount),
	CALL(fspick),        CALL(open_by_handle_at),
	CALL(bpf),           CALL(perf_event_open),
	CALL(userfaultfd),   CALL(io_uring_setup),
	CALL(finit_module),  CALL(keyctl),
	CALL(pidfd_getfd),
};

static void test_what_is_deadly(void **state)
{
	static const struct kind_ops *const kinds[] = { &kind_posix, &kind_sysv,
							&kind_all };

	(void)state;
	for (size_t k = 0; k < COUNT(kinds); k++)
		for (size_t i = 0; i < COUNT(deadly); i++) {
			int status;

			number_to_call = deadly[i].number;
			status = confined(kinds[k], call);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
				fail_msg("%s: status %#x", deadly[i].name,
					 (unsigned int)status);
		}
}

/*
 * What fails
 */
static char page[4096];

#define ACT(name, expr)                                 \
	static int act_##name(void)                     \
	{                                               \
		return errno_or(expr) < 0 ? -errno : 0; \
	}

ACT(inet_socket, socket(AF_INET, SOCK_STREAM, 0))
ACT(netlink_socket, socket(AF_NETLINK, SOCK_DGRAM, 0))
ACT(stream_socket, socket(AF_UNIX, SOCK_STREAM, 0))
ACT(map_code,
    (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
ACT(make_code, mprotect(NULL, 4096, PROT_READ | PROT_EXEC))
ACT(ioctl_other, ioctl(STDIN_FILENO, FIONREAD, page))
ACT(fcntl_lease, fcntl(STDIN_FILENO, F_SETLEASE, F_RDLCK))
ACT(fcntl_owner, fcntl(STDIN_FILENO, F_SETOWN, 1))
ACT(set_all_users, syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY))
ACT(set_real_user, syscall(SYS_setresuid, 0, NOBODY, -1))
ACT(set_saved_user, syscall(SYS_setresuid, -1, NOBODY, 0))
ACT(set_user, syscall(SYS_setuid, 0))
ACT(set_all_groups, syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY))
ACT(set_group, syscall(SYS_setgid, 0))
ACT(dumpable, prctl(PR_SET_DUMPABLE, 1))
ACT(another_filter, prctl(PR_SET_SECCOMP, 2, NULL))
ACT(signal_others, kill(getppid(), 0))
ACT(signal_group, kill(0, 0))
ACT(signal_threads_of_others, syscall(SYS_tgkill, getppid(), getppid(), 0))
ACT(process, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL))
ACT(namespace, syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL))
ACT(new_clone, syscall(SYS_clone3, NULL, 0))
ACT(forced_unmount, umount2("/nowhere", MNT_FORCE))
ACT(plain_unmount, umount2("/nowhere", 0))
ACT(make_link, symlink("a", "/nowhere/b"))
ACT(make_hard_link, link("/nowhere/a", "/nowhere/b"))
ACT(make_directory, mkdir("/nowhere/a", 0700))
ACT(make_node, mknod("/nowhere/a", S_IFCHR, 0))
ACT(remove_xattr_of_descriptor, syscall(SYS_fremovexattr, -1, "user.a"))
ACT(make_huge_memory_file, memfd_create("a", MFD_HUGETLB))
ACT(watch, syscall(SYS_inotify_init1, 0))

static int act_limit(void)
{
	const struct rlimit limit = { .rlim_cur = 0 };

	return errno_or(setrlimit(RLIMIT_NOFILE, &limit));
}

static int copy(pid_t pid,
		ssize_t (*how)(pid_t, const struct iovec *, unsigned long,
			       const struct iovec *, unsigned long, unsigned long))
{
	char local[16];
	struct iovec here = { local, sizeof(local) }, there = { page, sizeof(local) };

	return how(pid, &here, 1, &there, 1, 0) < 0 ? -errno : 0;
}

static int act_read_others(void)
{
	return copy(getppid(), process_vm_readv);
}

static int act_write_others(void)
{
	return copy(getppid(), process_vm_writev);
}

static const struct act refused[] = {
	{ "inet_socket", act_inet_socket },
	{ "netlink_socket", act_netlink_socket },
	{ "stream_socket", act_stream_socket },
	{ "map_code", act_map_code },
	{ "make_code", act_make_code },
	{ "ioctl_other", act_ioctl_other },
	{ "fcntl_lease", act_fcntl_lease },
	{ "fcntl_owner", act_fcntl_owner },
	{ "set_all_users", act_set_all_users },
	{ "set_real_user", act_set_real_user },
	{ "set_saved_user", act_set_saved_user },
	{ "set_user", act_set_user },
	{ "set_all_groups", act_set_all_groups },
	{ "set_group", act_set_group },
	{ "dumpable", act_dumpable },
	{ "another_filter", act_another_filter },
	{ "signal_others", act_signal_others },
	{ "signal_group", act_signal_group },
	{ "signal_threads_of_others", act_signal_threads_of_others },
	{ "process", act_process },
	{ "namespace", act_namespace },
	{ "new_clone", act_new_clone },
	{ "forced_unmount", act_forced_unmount },
	{ "plain_unmount", act_plain_unmount },
	{ "make_link", act_make_link },
	{ "make_hard_link", act_make_hard_link },
	{ "make_directory", act_make_directory },
	{ "make_node", act_make_node },
	{ "remove_xattr_of_descriptor", act_remove_xattr_of_descriptor },
	{ "make_huge_memory_file", act_make_huge_memory_file },
	{ "watch", act_watch },
	{ "limit", act_limit },
	{ "read_others", act_read_others },
	{ "write_others", act_write_others },
};

static void test_what_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		gives(&kind_posix, &refused[i], ENOSYS);
		gives(&kind_sysv, &refused[i], ENOSYS);
		gives(&kind_all, &refused[i], ENOSYS);
	}
}

/*
 * What one kind takes and the other does not
 */
ACT(unlink, unlinkat(-1, "a", 0))
ACT(rename, syscall(SYS_renameat2, -1, "a", -1, "b", 0))
ACT(chmod, chmod("/nowhere/a", 0600))
ACT(set_xattr, setxattr("/nowhere/a", "user.a", "", 0, 0))
ACT(truncate, truncate("/nowhere/a", 0))
ACT(unshare_umask, unshare(CLONE_FS))
ACT(make_memory_file, memfd_create("a", MFD_CLOEXEC))
ACT(attach, (long)shmat(-1, NULL, 0))
ACT(make_segment, shmget(IPC_PRIVATE, 0, 0))
ACT(remove_segment, shmctl(-1, IPC_RMID, NULL))

static int act_read_own(void)
{
	return copy(getpid(), process_vm_readv);
}

static const struct act of_posix[] = {
	{ "unlink", act_unlink },     { "rename", act_rename },
	{ "chmod", act_chmod },       { "set_xattr", act_set_xattr },
	{ "truncate", act_truncate }, { "unshare_umask", act_unshare_umask },
};

static const struct act of_sysv[] = {
	{ "attach", act_attach },
	{ "make_segment", act_make_segment },
	{ "remove_segment", act_remove_segment },
	{ "read_own", act_read_own },
	{ "make_memory_file", act_make_memory_file },
};

static void may(const struct kind_ops *kind, const struct act *act, bool allowed)
{
	int status = confined(kind, act->run);
	bool done = WIFEXITED(status) && WEXITSTATUS(status) != ENOSYS;

	if (!WIFEXITED(status) || WEXITSTATUS(status) == BROKEN || done != allowed)
		fail_msg("%s of kind %s: status %#x", act->name, kind->name,
			 (unsigned int)status);
}

static void test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(of_posix); i++) {
		may(&kind_posix, &of_posix[i], true);
		may(&kind_sysv, &of_posix[i], false);
		may(&kind_all, &of_posix[i], true);
	}
	for (size_t i = 0; i < COUNT(of_sysv); i++) {
		may(&kind_posix, &of_sysv[i], false);
		may(&kind_sysv, &of_sysv[i], true);
		may(&kind_all, &of_sysv[i], true);
	}
}

/* Locking, which no command of shmctl(2) for segments of one's own is. */
ACT(lock_segment, shmctl(-1, SHM_LOCK, NULL))

static void test_commands_on_segments(void **state)
{
	const struct act lock = { "lock_segment", act_lock_segment };

	(void)state;
	may(&kind_all, &lock, false);
}

/*
 * What must go on
 */
static int act_become(void)
{
	if (syscall(SYS_setresuid, -1, geteuid(), -1) < 0)
		return -errno;
	return syscall(SYS_setresgid, -1, getegid(), -1) < 0 ? -errno : 0;
}

/* As for a caller who is root with less: see caller.c. */
static int act_set_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct own[2];

	if (syscall(SYS_capget, &header, own) < 0)
		return -errno;
	return syscall(SYS_capset, &header, own) < 0 ? -errno : 0;
}

static int act_notify(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : errno_or(close(fd));
}

static int act_register(void)
{
	struct backing_map map = { .fd = -1 };

	/* Of a descriptor that is none. */
	return ioctl(-1, BACKING_OPEN, &map) < 0 && errno == EBADF ? 0 : -EINVAL;
}

static int act_unmount(void)
{
	if (umount2("/nowhere", MNT_DETACH | MNT_FORCE) == 0 || errno != ENOENT)
		return -EINVAL;
	return umount2("/nowhere", MNT_DETACH) < 0 && errno == ENOENT ? 0 : -EINVAL;
}

static void *try_in_thread(void *ret)
{
	*(int *)ret = -act_set_user();
	return NULL;
}

static int act_thread(void)
{
	pthread_t thread;
	int error = 0;
	int r = -pthread_create(&thread, NULL, try_in_thread, &error);

	if (r == 0)
		r = -pthread_join(thread, NULL);
	return r < 0 ? r : error == ENOSYS ? 0 : -ERANGE;
}

static const struct act goes_on[] = {
	{ "become", act_become },     { "notify", act_notify },
	{ "register", act_register }, { "unmount", act_unmount },
	{ "thread", act_thread },     { "set_capabilities", act_set_capabilities },
};

static void test_what_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goes_on); i++) {
		gives(&kind_posix, &goes_on[i], 0);
		gives(&kind_sysv, &goes_on[i], 0);
		gives(&kind_all, &goes_on[i], 0);
	}
}

struct earlier {
	sem_t go;
	int error;
};

static void *try_later(void *data)
{
	struct earlier *e = data;

	sem_wait(&e->go);
	e->error = -act_set_user();
	return NULL;
}

/* A thread that was there before is confined with the others. */
static _Noreturn void confine_earlier_thread(void)
{
	struct earlier e = { .error = 0 };
	pthread_t thread;

	sem_init(&e.go, 0, 0);
	if (pthread_create(&thread, NULL, try_later, &e) != 0 ||
	    confine_process(&kind_posix) < 0)
		_exit(BROKEN);
	sem_post(&e.go);
	pthread_join(thread, NULL);
	_exit(e.error);
}

static void test_earlier_threads(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		confine_earlier_thread();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_deadly),
		cmocka_unit_test(test_what_fails),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_commands_on_segments),
		cmocka_unit_test(test_what_goes_on),
		cmocka_unit_test(test_earlier_threads),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL) != 0;
}
