/* SPDX-License-Identifier: MIT */
/*
 * What the manual says that the mount does otherwise than /dev/shm itself, where no other
 * test has met it: each is seen on both sides. A row that is none any more fails here.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

#define NATIVE (NATIVE_DIR "/a")
#define MOUNT  (MOUNT_DIR "/a")

static const struct person alice = { "alice", 1000, 1000, 1, { 2000 } };

/* Runs a program that waits until its input is closed. */
static pid_t start_program(const char *path, int *ret_input)
{
	int ends[2], ready[2];
	pid_t pid;

	must(pipe2(ends, O_CLOEXEC));
	must(pipe2(ready, O_CLOEXEC));
	pid = must(fork());
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		execl(path, "cat", NULL);
		_exit(errno);
	}
	close(ends[0]);
	close(ready[1]);
	/* It is closed by executing. */
	(void)!read(ready[0], &(char){ 0 }, 1);
	close(ready[0]);
	*ret_input = ends[1];
	return pid;
}

static int end_program(pid_t pid, int input)
{
	int status = 0;

	close(input);
	must(waitpid(pid, &status, 0));
	return WEXITSTATUS(status);
}

/* (difference: busy-program) */
static void test_busy_program(void **state)
{
	int input, fd;
	pid_t pid;

	(void)state;
	assert_int_equal(system("cp /bin/cat " NATIVE_DIR "/a"), 0);
	must(chmod(NATIVE, 0755));
	pid = start_program(MOUNT, &input);
	refused(open(MOUNT, O_WRONLY | O_CLOEXEC), ETXTBSY);
	fd = must(open(NATIVE, O_WRONLY | O_CLOEXEC));
	assert_int_equal(end_program(pid, input), 0);
	pid = start_program(MOUNT, &input);
	assert_int_equal(end_program(pid, input), 0);
	pid = start_program(NATIVE, &input);
	assert_int_equal(end_program(pid, input), ETXTBSY);
	close(fd);
	pid = start_program(NATIVE, &input);
	refused(open(MOUNT, O_WRONLY | O_CLOEXEC), ETXTBSY);
	assert_int_equal(end_program(pid, input), 0);
	fd = must(open(MOUNT, O_WRONLY | O_CLOEXEC));
	pid = start_program(NATIVE, &input);
	assert_int_equal(end_program(pid, input), ETXTBSY);
	close(fd);
}

/* (difference: lease) */
static void test_lease(void **state)
{
	int fd;

	(void)state;
	signal(SIGIO, SIG_IGN);
	file_make(NATIVE_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	must(fcntl(fd, F_SETLEASE, F_RDLCK));
	close(must(open(NATIVE, O_WRONLY | O_NONBLOCK | O_CLOEXEC)));
	assert_int_equal(fcntl(fd, F_GETLEASE), F_RDLCK);
	refused(open(MOUNT, O_WRONLY | O_NONBLOCK | O_CLOEXEC), EWOULDBLOCK);
	close(fd);
}

static int ask_natively(const void *arg)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open(NATIVE, O_RDWR | O_CLOEXEC);

	(void)arg;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type == F_WRLCK && lock.l_pid == -1 ? 0 : -EILSEQ;
}

/* (difference: lock-owner) */
static void test_lock_owner(void **state)
{
	struct flock lock = { .l_type = F_WRLCK };
	int here, there;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	here = file_open(MOUNT_DIR, "a", O_RDWR);
	there = file_open(NATIVE_DIR, "a", O_RDWR);
	must(fcntl(here, F_SETLK, &lock));
	assert_int_equal(person_do(NULL, ask_natively, NULL), 0);
	refused(fcntl(there, F_SETLK, &lock), EAGAIN);
	lock.l_type = F_UNLCK;
	must(fcntl(here, F_SETLK, &lock));
	lock.l_type = F_WRLCK;
	must(fcntl(there, F_SETLK, &lock));
	refused(fcntl(here, F_SETLK, &lock), EAGAIN);
	close(here);
	close(there);
}

/* What is waited for by who holds what the other waits for. */
static int wait_crosswise(const void *arg)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
	int fd = open(MOUNT, O_RDWR | O_CLOEXEC);
	const int *ready = arg;

	if (fcntl(fd, F_SETLK, &lock) < 0 || write(*ready, "", 1) != 1)
		return -errno;
	lock.l_start = 0;
	return fcntl(fd, F_SETLKW, &lock) < 0 ? -errno : 0;
}

static void on_alarm(int number)
{
	(void)number;
}

/* (difference: deadlock) */
static void test_deadlock(void **state)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	int fd, ends[2];
	pid_t other;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(fcntl(fd, F_SETLK, &lock));
	must(pipe2(ends, O_CLOEXEC));
	other = person_start(NULL, wait_crosswise, &ends[1]);
	assert_int_equal(must(read(ends[0], &(char){ 0 }, 1)), 1);
	sigaction(SIGALRM, &action, NULL);
	ualarm(200000, 200000);
	lock.l_start = 1;
	refused(fcntl(fd, F_SETLKW, &lock), EINTR);
	ualarm(0, 0);
	lock = (struct flock){ .l_type = F_UNLCK };
	must(fcntl(fd, F_SETLK, &lock));
	assert_int_equal(person_end(NULL, other), 0);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static int watch(const char *dir)
{
	int fd = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));

	must(inotify_add_watch(fd, dir, IN_CREATE));
	return fd;
}

static bool has_seen(int fd)
{
	char events[4096];

	return read(fd, events, sizeof(events)) > 0;
}

/* (difference: inotify) */
static void test_inotify(void **state)
{
	int native = watch(NATIVE_DIR), mount = watch(MOUNT_DIR);

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	assert_true(has_seen(native));
	assert_false(has_seen(mount));
	file_make(MOUNT_DIR, "b", 0600, "");
	assert_true(has_seen(native));
	assert_true(has_seen(mount));
	close(native);
	close(mount);
}

/* (difference: poll) (difference: filesystem) (difference: directory-flags) */
static void test_kernel_answers(void **state)
{
	_cleanup_close_ int epoll = must(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event event = { .events = EPOLLIN };
	int here, there, block = 0, flags;
	struct statfs st;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	here = file_open(MOUNT_DIR, "a", O_RDWR);
	there = file_open(NATIVE_DIR, "a", O_RDWR);
	refused(epoll_ctl(epoll, EPOLL_CTL_ADD, there, &event), EPERM);
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, here, &event));
	assert_int_equal(must(epoll_wait(epoll, &event, 1, 0)), 1);
	if (mount_privileged()) {
		refused(ioctl(there, FIBMAP, &block), EINVAL);
		must(ioctl(here, FIBMAP, &block));
		assert_int_equal(block, 0);
	}
	assert_int_equal(must(fcntl(there, F_GET_SEALS)), F_SEAL_SEAL);
	refused(fcntl(here, F_GET_SEALS), EINVAL);
	must(fstatfs(here, &st));
	assert_int_equal(st.f_type, FUSE_SUPER_MAGIC);
	assert_true(fd_stat(here).st_dev != fd_stat(there).st_dev);
	assert_int_equal(fd_stat(here).st_ino, fd_stat(there).st_ino);
	close(here);
	close(there);
	here = must(open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_true(ioctl(here, FS_IOC_GETFLAGS, &flags) < 0);
	close(here);
}

/* Whether process @pid has @path open. */
static bool has_open(pid_t pid, const char *path)
{
	char link[64], target[256];

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(link, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strcmp(target, path) == 0)
			return true;
	}
	return false;
}

/* (difference: users) */
static void test_users(void **state)
{
	int fd;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	assert_true(has_open(getpid(), MOUNT));
	assert_false(has_open(getpid(), NATIVE));
	assert_true(has_open(mount_pid(), NATIVE));
	assert_true(has_open(mount_keeper(), NATIVE));
	close(fd);
}

/* A user namespace with a map, of a child that has to be killed; -1: there can be none.
 */
static int namespace_of_another(pid_t *ret_child)
{
	static const char *const maps[] = { "uid_map", "gid_map" };
	char path[64];
	int ready[2];
	bool done;

	must(pipe2(ready, O_CLOEXEC));
	*ret_child = must(fork());
	if (*ret_child == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	done = read(ready[0], &(char){ 0 }, 1) == 1;
	close(ready[0]);
	if (!done)
		return -1;
	for (int i = 0; i < 2; i++) {
		_cleanup_close_ int fd = -1;

		snprintf(path, sizeof(path), "/proc/%d/%s", (int)*ret_child, maps[i]);
		fd = must(open(path, O_WRONLY | O_CLOEXEC));
		must(write(fd, "0 1000 1", 8));
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)*ret_child);
	return must(open(path, O_RDONLY | O_CLOEXEC));
}

/* mount_setattr(2) and what goes with it, Linux 5.12. */
static int idmap(const char *dir, int userns)
{
	const struct {
		uint64_t set, clear, propagation, userns;
	} attributes = { .set = 0x100000 /* MOUNT_ATTR_IDMAP */,
			 .userns = (uint64_t)userns };
	_cleanup_close_ int tree =
		errno_or((int)syscall(SYS_open_tree, AT_FDCWD, dir, 1 /* a clone */));

	return tree < 0
		       ? tree
		       : errno_or((int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH,
					       &attributes, sizeof(attributes)));
}

/* (difference: idmap) */
static void test_idmap(void **state)
{
	pid_t child;
	int ns, native;

	(void)state;
	person_needs_root();
	ns = namespace_of_another(&child);
	native = ns < 0 ? ns : idmap(NATIVE_DIR, ns);
	/* tmpfs has it since Linux 6.3. */
	if (native == 0)
		assert_int_equal(idmap(MOUNT_DIR, ns), -EINVAL);
	if (ns >= 0)
		close(ns);
	must(kill(child, SIGKILL));
	must(waitpid(child, NULL, 0));
	if (native < 0)
		skip();
}

/* (difference: copy) */
static void test_copy(void **state)
{
	enum { SIZE = 20 << 20, MOST = 16 << 20 };
	int from, to;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	must(truncate(NATIVE, SIZE));
	from = file_open(MOUNT_DIR, "a", O_RDONLY);
	to = file_open(MOUNT_DIR, "b", O_RDWR | O_CREAT);
	assert_int_equal(must(copy_file_range(from, NULL, to, NULL, SIZE, 0)), MOST);
	close(from);
	close(to);
}

static int open_path(const void *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : errno_or(close(fd));
}

/* A /proc that hides processes makes no difference where the daemon has its own. */
static void test_groups(void **state)
{
	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "a", 0640, "");
	must(chown(NATIVE, 0, 2000));
	if (mount("proc", "/proc", "proc", 0, "hidepid=2,gid=3000") < 0)
		skip();
	mount_start(NULL);
	assert_int_equal(person_do(&alice, open_path, NATIVE), 0);
	assert_int_equal(person_do(&alice, open_path, MOUNT), 0);
	must(umount2("/proc", MNT_DETACH));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_busy_program), mount_test(test_lease),
		mount_test(test_lock_owner),   mount_test(test_deadlock),
		mount_test(test_inotify),      mount_test(test_kernel_answers),
		mount_test(test_users),        mount_test(test_idmap),
		mount_test(test_copy),         mount_test_unmounted(test_groups),
	};

	return cmocka_run_group_tests_name("differences", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
