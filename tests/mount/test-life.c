/* SPDX-License-Identifier: MIT */
/*
 * How the daemon begins and ends, and that it does not grow in between.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"
#include "weigh.h"

static bool is_mounted(const char *dir)
{
	_cleanup_free_ char *entry = mount_entry(dir);

	return entry != NULL;
}

/* A daemon in the background becomes our child when its parent has left. */
static void adopt(void)
{
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

static void reap_adopted(void)
{
	int status = -1;

	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
	refused(waitpid(-1, &status, WNOHANG), ECHILD);
}

static void test_background(void **state)
{
	struct outcome o;

	(void)state;
	adopt();
	file_make(NATIVE_DIR, "a", 0600, "text");
	o = daemon_run(MOUNT_DIR);
	assert_int_equal(o.status, 0);
	assert_string_equal(o.out, "");
	/* No waiting: the command ends when the mount is live. */
	assert_true(is_mounted(MOUNT_DIR));
	file_expect(MOUNT_DIR, "a", "text");
	must(umount2(MOUNT_DIR, 0));
	reap_adopted();
}

static void test_background_daemon_keeps_nothing_of_the_caller(void **state)
{
	_cleanup_close_ int out =
		must(open(SCRATCH_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct outcome o;
	char path[64], cwd[256];
	ssize_t n;
	pid_t pid;
	FILE *children;

	(void)state;
	adopt();
	must(fchdir(out));
	o = daemon_run("source", "shm", "-o", "rw,suid,dev");
	must(chdir("/"));
	assert_int_equal(o.status, 0);
	assert_true(is_mounted(MOUNT_DIR));
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d", &pid), 1);
	fclose(children);
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	n = must(readlink(path, cwd, sizeof(cwd) - 1));
	cwd[n] = '\0';
	assert_string_equal(cwd, "/");
	assert_int_equal(must(getsid(pid)), pid);
	must(kill(pid, SIGTERM));
	reap_adopted();
	assert_false(is_mounted(MOUNT_DIR));
}

static void test_signals(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		mount_start(NULL);
		must(kill(mount_pid(), signals[i]));
		mount_reap();
		assert_false(is_mounted(MOUNT_DIR));
	}
}

/* fusermount3 stays then, until nobody has what it was given: and goes. */
static void test_auto_unmount(void **state)
{
	(void)state;
	adopt();
	mount_start("auto_unmount");
	mount_stop();
	refused(waitpid(-1, NULL, 0), ECHILD);
	mount_start("auto_unmount");
	must(kill(mount_pid(), SIGTERM));
	mount_reap();
	assert_false(is_mounted(MOUNT_DIR));
	refused(waitpid(-1, NULL, 0), ECHILD);
}

/* Until it is told to end, or the mount is gone. */
static int churn(const void *arg)
{
	const pid_t *parent = arg;

	while (getppid() == *parent) {
		int fd = open(MOUNT_DIR "/churn", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0 && errno == ENOTCONN)
			break;
		close_fd(fd);
		unlink(NATIVE_DIR "/churn");
	}
	return 0;
}

/* Also a second and a third one, while requests and notifications are under way. */
static void test_repeated_signals(void **state)
{
	const pid_t self = getpid();

	(void)state;
	for (int i = 0; i < 5; i++) {
		pid_t pid;

		mount_start(NULL);
		pid = must(fork());
		if (pid == 0)
			_exit(churn(&self));
		for (int n = 0; n < 100; n++)
			file_make(MOUNT_DIR, "a", 0600, "");
		for (int n = 0; n < 3; n++)
			must(kill(mount_pid(), SIGTERM));
		mount_reap();
		assert_false(is_mounted(MOUNT_DIR));
		must(kill(pid, SIGKILL));
		must(waitpid(pid, NULL, 0));
	}
}

static void test_without_standard_descriptors(void **state)
{
	const char *const argv[] = { "sh", "-c",
				     "exec \"$SHMFS_DAEMON\" " MOUNT_DIR " <&- >&- 2>&-",
				     NULL };
	struct outcome o;

	(void)state;
	adopt();
	o = command_run(NULL, argv);
	assert_int_equal(o.status, 0);
	file_make(MOUNT_DIR, "a", 0600, "text");
	file_expect(NATIVE_DIR, "a", "text");
	must(umount2(MOUNT_DIR, 0));
	reap_adopted();
}

static void test_signal_while_files_are_open(void **state)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)state;
	mount_start(NULL);
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	must(kill(mount_pid(), SIGTERM));
	mount_reap();
	assert_false(is_mounted(MOUNT_DIR));
	refused(fstat(fd, &st), ENOTCONN);
	assert_true(S_ISREG(file_stat(NATIVE_DIR, "a").st_mode));
}

static void end_by(const char *program, const char *option)
{
	const char *const argv[] = { program, option ? option : MOUNT_DIR,
				     option ? MOUNT_DIR : NULL, NULL };
	struct outcome o;

	mount_start(NULL);
	o = command_run(NULL, argv);
	if (o.status != 0)
		fail_msg("%s: %s", program, o.err);
	mount_reap();
	assert_false(is_mounted(MOUNT_DIR));
}

static void test_unmounting(void **state)
{
	(void)state;
	end_by("umount", NULL);
	end_by("fusermount3", "-u");
}

static void test_busy_mount_stays(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	mount_start(NULL);
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	refused(umount2(MOUNT_DIR, 0), EBUSY);
	fd_expect(fd, "");
	/* Detached, it ends with its last file. */
	must(umount2(MOUNT_DIR, MNT_DETACH));
	assert_int_equal(must(write(fd, "text", 4)), 4);
	fd_expect(fd, "text");
	fd = close_fd(fd);
	mount_reap();
	file_expect(NATIVE_DIR, "a", "text");
}

#define PROGRAMS "/usr/local/sbin"

/* Puts the daemon where mount(8), which keeps no PATH, finds it. */
static void install(void)
{
	sandbox_tmpfs(PROGRAMS, "mode=755");
	must(symlink(getenv("SHMFS_DAEMON"), PROGRAMS "/shmfs"));
}

/* As mount(8) runs it for fstab: found by name, with options of its own making. */
static void test_mount_command(void **state)
{
	/* A source that is no path, which mount(8) would complete. */
	static const char *const argv[] = { "mount",   "-t", "fuse.shmfs",  "its-source",
					    MOUNT_DIR, "-o", "rw,dev,suid", NULL };
	_cleanup_free_ char *entry = NULL;
	struct outcome o;

	(void)state;
	if (access("/sbin/mount.fuse3", X_OK) < 0 ||
	    strstr(getenv("SHMFS_DAEMON"), PROGRAMS) != NULL)
		skip();
	adopt();
	install();
	o = command_run(NULL, argv);
	if (o.status != 0)
		fail_msg("mount: %s", o.err);
	entry = mount_entry(MOUNT_DIR);
	assert_non_null(entry);
	assert_non_null(strstr(entry, " - fuse.shmfs its-source "));
	assert_non_null(strstr(entry, "nosuid,nodev"));
	file_make(MOUNT_DIR, "a", 0600, "text");
	file_expect(NATIVE_DIR, "a", "text");
	must(umount2(MOUNT_DIR, 0));
	reap_adopted();
	must(umount2(PROGRAMS, MNT_DETACH));
}

static int use_as_alice(const void *arg)
{
	int fd = open(USER_DIR "/hers", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	char io[32] = "";

	(void)arg;
	if (fd < 0 || write(fd, "text", 4) != 4 || close(fd) < 0)
		return -errno;
	if (getxattr(USER_DIR "/hers", "user.shmfs.io", io, sizeof(io)) < 0)
		return -errno;
	if (open(USER_DIR "/roots", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return -ERANGE;
	return strcmp(io, "direct") ? -EINVAL : 0;
}

/* One line, in which is what fusermount3 wrote. */
static void check_refused(const char *const argv[])
{
	struct outcome o = command_run(&ordinary_user, argv);
	const char *end = strchr(o.err, '\n');

	if (o.status != 1 || !end || end[1] != '\0' || !strstr(o.err, "fusermount3: ") ||
	    strncmp(o.err, "shmfs: ", 7) != 0)
		fail_msg("status %d: %s", o.status, o.err);
	refused(waitpid(-1, NULL, WNOHANG), ECHILD);
}

static void test_user_who_may_not(void **state)
{
	const char *daemon = getenv("SHMFS_DAEMON");

	(void)state;
	person_needs_root();
	ordinary_allow();
	check_refused((const char *const[]){ daemon, MOUNT_DIR, NULL });
	check_refused((const char *const[]){ daemon, "-f", MOUNT_DIR, NULL });
	check_refused(
		(const char *const[]){ daemon, USER_DIR, "-o", "allow_other", NULL });
	assert_false(is_mounted(MOUNT_DIR));
	assert_false(is_mounted(USER_DIR));
	ordinary_disallow();
}

/* Without root: through fusermount3, for one user, and never with passthrough. */
static void test_ordinary_user(void **state)
{
	struct outcome o;
	struct stat st;

	(void)state;
	person_needs_root();
	ordinary_allow();
	file_make(NATIVE_DIR, "roots", 0600, "");
	o = ordinary_mount("passthrough=require");
	assert_int_equal(o.status, 1);
	if (!strstr(o.err, "passthrough"))
		fail_msg("alice may not mount: %s", o.err);
	assert_false(is_mounted(USER_DIR));
	while (waitpid(-1, NULL, 0) > 0)
		; /* what that left to be adopted */
	o = ordinary_mount(NULL);
	if (o.status != 0)
		fail_msg("alice cannot mount: %s", o.err);
	assert_int_equal(person_do(&ordinary_user, use_as_alice, NULL), 0);
	refused(stat(USER_DIR "/hers", &st), EACCES);
	st = file_stat(NATIVE_DIR, "hers");
	assert_int_equal(st.st_uid, ordinary_user.uid);
	assert_int_equal(st.st_gid, ordinary_user.gid);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	ordinary_unmount();
	ordinary_disallow();
}

static void open_and_close(int i)
{
	close(file_open(MOUNT_DIR, "a", i % 2 ? O_RDWR : O_RDONLY));
}

static const char *numbered(int i)
{
	static char name[32];

	snprintf(name, sizeof(name), "object-%d", i);
	return name;
}

static void create_and_unlink(int i)
{
	close(file_open(MOUNT_DIR, numbered(i), O_RDWR | O_CREAT | O_EXCL));
	must(unlink(at(MOUNT_DIR, numbered(i))));
}

static void come_and_go_natively(int i)
{
	must(mknod(at(NATIVE_DIR, numbered(i)), S_IFREG | 0600, 0));
	file_stat(MOUNT_DIR, numbered(i));
	close(file_open(MOUNT_DIR, numbered(i), O_RDONLY));
	must(unlink(at(NATIVE_DIR, numbered(i))));
}

static void unlink_while_open(int i)
{
	int fd = file_open(MOUNT_DIR, numbered(i), O_RDWR | O_CREAT | O_EXCL);

	must(unlink(at(i % 2 ? MOUNT_DIR : NATIVE_DIR, numbered(i))));
	must(ftruncate(fd, 100));
	must(close(fd));
}

static void rename_natively(int i)
{
	must(rename(at(NATIVE_DIR, i ? numbered(i - 1) : "a"),
		    at(NATIVE_DIR, numbered(i))));
	file_stat(MOUNT_DIR, numbered(i));
}

static void lock_and_list(int i)
{
	struct flock range = { .l_type = F_WRLCK };
	int fd = file_open(MOUNT_DIR, "a", O_RDWR);
	DIR *dir;

	(void)i;
	must(fcntl(fd, F_SETLK, &range));
	must(close(fd));
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	while (readdir(dir))
		;
	closedir(dir);
}

/* Memory that may have grown in 10,000 rounds after the warm-up: a leak of 100 bytes is
 * more. */
#define BOUND_KB 900

static void check_memory(unsigned long kb_before, unsigned long threads_before)
{
	unsigned long kb = daemon_status("VmRSS");
	unsigned long threads = daemon_status("Threads");
	unsigned long bound = kb_before + BOUND_KB;

	if (threads > threads_before)
		bound += (threads - threads_before) * THREAD_KB;
	if (!is_instrumented() && kb > bound)
		fail_msg("%lu kB grew to %lu kB, %lu threads to %lu", kb_before, kb,
			 threads_before, threads);
}

static void does_not_grow(void (*round)(int), int rounds)
{
	unsigned long kb, threads;
	unsigned int fds;
	int i = 0;

	mount_start(NULL);
	file_make(NATIVE_DIR, "a", 0600, "");
	/* When it serves, it is done with telling that it does, and with the socket. */
	must(access(MOUNT_DIR, F_OK));
	fds = daemon_fds();
	for (; i < rounds / 5; i++)
		round(i);
	kb = daemon_status("VmRSS");
	threads = daemon_status("Threads");
	for (; i < rounds + rounds / 5; i++)
		round(i);
	/* Closing is told to the daemon a little later. */
	await_that(daemon_fds() == fds);
	check_memory(kb, threads);
	mount_stop();
}

static void test_open_and_close(void **state)
{
	(void)state;
	does_not_grow(open_and_close, 10000);
}

static void test_create_and_unlink(void **state)
{
	(void)state;
	does_not_grow(create_and_unlink, 10000);
}

static void test_native_coming_and_going(void **state)
{
	(void)state;
	does_not_grow(come_and_go_natively, 10000);
}

static void test_unlink_while_open(void **state)
{
	(void)state;
	does_not_grow(unlink_while_open, 10000);
}

static void test_native_renaming(void **state)
{
	(void)state;
	does_not_grow(rename_natively, 10000);
}

static void test_locking_and_listing(void **state)
{
	(void)state;
	does_not_grow(lock_and_list, 3000);
}

#define MANY 3000

/* Objects that are only looked at cost no descriptor each. */
static void test_no_descriptor_per_object(void **state)
{
	unsigned int fds;

	(void)state;
	mount_start(NULL);
	fds = daemon_fds();
	for (int i = 0; i < MANY; i++) {
		must(mknod(at(NATIVE_DIR, numbered(i)), S_IFREG | 0600, 0));
		file_stat(MOUNT_DIR, numbered(i));
	}
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), MANY);
	await_that(daemon_fds() <= fds + 8);
	mount_stop();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_background),
		mount_test_unmounted(test_background_daemon_keeps_nothing_of_the_caller),
		mount_test_unmounted(test_signals),
		mount_test_unmounted(test_auto_unmount),
		mount_test_unmounted(test_repeated_signals),
		mount_test_unmounted(test_without_standard_descriptors),
		mount_test_unmounted(test_signal_while_files_are_open),
		mount_test_unmounted(test_unmounting),
		mount_test_unmounted(test_busy_mount_stays),
		mount_test_unmounted(test_mount_command),
		mount_test_unmounted(test_ordinary_user),
		mount_test_unmounted(test_user_who_may_not),
		mount_test_unmounted(test_open_and_close),
		mount_test_unmounted(test_create_and_unlink),
		mount_test_unmounted(test_native_coming_and_going),
		mount_test_unmounted(test_unlink_while_open),
		mount_test_unmounted(test_native_renaming),
		mount_test_unmounted(test_locking_and_listing),
		mount_test_unmounted(test_no_descriptor_per_object),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(180, run);
}
