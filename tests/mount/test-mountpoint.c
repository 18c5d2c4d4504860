/* SPDX-License-Identifier: MIT */
/*
 * Root mounts below a directory of a user, who makes the path lead elsewhere when the
 * mount point has been checked: the moment in which mount(2) is called, which the kernel
 * lets the test have.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HERS SCRATCH_DIR "/hers"
#define SPOT HERS "/spot"
#define AWAY HERS "/away from here"

static bool is_shmfs(const char *dir)
{
	_cleanup_free_ char *entry = mount_entry(dir);

	return entry && strstr(entry, " fuse.shmfs ");
}

/* Calls of mount(2) wait for whoever has the descriptor that it returns. */
static int watch_mounting(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { COUNT(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return errno_or((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				     SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static _Noreturn void run_daemon(const char *dir, int told)
{
	char *const argv[] = { getenv("SHMFS_DAEMON"), (char *)dir, (char *)"-f", NULL };
	int fd = watch_mounting();

	if (write(told, &fd, sizeof(fd)) != sizeof(fd))
		_exit(126);
	/* Until the test has it, too. */
	raise(SIGSTOP);
	execv(argv[0], argv);
	_exit(127);
}

/* Starts it; its notifications of mount(2) are in *@ret. */
static pid_t start(const char *dir, int *ret)
{
	_cleanup_close_ int process = -1;
	int told[2], fd = -1, status;
	pid_t pid;

	must(pipe2(told, O_CLOEXEC));
	pid = must(fork());
	if (pid == 0)
		run_daemon(dir, told[1]);
	assert_int_equal(must(read(told[0], &fd, sizeof(fd))), sizeof(fd));
	must(close(told[0]));
	must(close(told[1]));
	assert_true(fd >= 0);
	must(waitpid(pid, &status, WUNTRACED));
	process = must((int)syscall(SYS_pidfd_open, pid, 0));
	*ret = must((int)syscall(SYS_pidfd_getfd, process, fd, 0));
	must(kill(pid, SIGCONT));
	return pid;
}

/* When the daemon is about to mount, @meanwhile happens. */
static void let_mount(int notifications, void (*meanwhile)(void))
{
	struct seccomp_notif asked;
	struct seccomp_notif_resp answer;

	memset(&asked, 0, sizeof(asked));
	must(ioctl(notifications, SECCOMP_IOCTL_NOTIF_RECV, &asked));
	meanwhile();
	memset(&answer, 0, sizeof(answer));
	answer.id = asked.id;
	answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	must(ioctl(notifications, SECCOMP_IOCTL_NOTIF_SEND, &answer));
}

static void lead_to_roots(void)
{
	must(rename(SPOT, AWAY));
	must(symlink(PLAIN_DIR, SPOT));
}

static void put_another(void)
{
	must(rename(SPOT, AWAY));
	must(mkdir(SPOT, 0755));
	must(mount("other", SPOT, "tmpfs", 0, NULL));
}

/* Mounted on what was checked, and unmounted there: it has the path that this has then.
 */
static void check(void (*meanwhile)(void), const char *other)
{
	_cleanup_close_ int notifications = -1;
	int status = -1;
	pid_t pid;

	must(mkdir(HERS, 0755));
	must(mkdir(SPOT, 0755));
	pid = start(SPOT, &notifications);
	let_mount(notifications, meanwhile);
	await_that(is_shmfs(AWAY) || is_shmfs(other) || is_shmfs(SPOT));
	assert_true(is_shmfs(AWAY));
	file_make(NATIVE_DIR, "f", 0600, "text");
	file_expect(AWAY, "f", "text");
	must(kill(pid, SIGTERM));
	must(waitpid(pid, &status, 0));
	assert_int_equal(status, 0);
	assert_false(is_shmfs(AWAY));
	must(rmdir(AWAY));
	must(unlink(NATIVE_DIR "/f"));
}

static void test_path_leads_elsewhere(void **state)
{
	(void)state;
	check(lead_to_roots, PLAIN_DIR);
	must(unlink(SPOT));
	must(rmdir(HERS));
}

/* Another mount has the path: neither is it covered, nor unmounted in the end. */
static void test_another_mount_in_its_place(void **state)
{
	_cleanup_free_ char *entry = NULL;

	(void)state;
	check(put_another, SPOT);
	entry = mount_entry(SPOT);
	assert_non_null(strstr(entry, " tmpfs "));
	must(umount2(SPOT, 0));
	must(rmdir(SPOT));
	must(rmdir(HERS));
}

/* Which has the same path, but is not there to be seen. */
static void test_hidden_mount(void **state)
{
	struct outcome o;

	(void)state;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	must(mkdir(HERS, 0755));
	must(mkdir(SPOT, 0755));
	assert_int_equal(daemon_run(SPOT).status, 0);
	o = daemon_run(SPOT);
	assert_int_equal(o.status, 1);
	assert_non_null(strstr(o.err, "mounted on '" SPOT "' already"));
	must(mount("hiding", HERS, "tmpfs", 0, NULL));
	must(mkdir(SPOT, 0755));
	assert_int_equal(daemon_run(SPOT).status, 0);
	must(umount2(SPOT, 0));
	must(umount2(HERS, 0));
	assert_true(is_shmfs(SPOT));
	must(umount2(SPOT, 0));
	while (waitpid(-1, NULL, 0) > 0)
		;
	must(rmdir(SPOT));
	must(rmdir(HERS));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_path_leads_elsewhere),
		mount_test_unmounted(test_another_mount_in_its_place),
		mount_test_unmounted(test_hidden_mount),
	};

	return cmocka_run_group_tests_name("mountpoint", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
