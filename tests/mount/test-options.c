/* SPDX-License-Identifier: MIT */
/*
 * The command line: what each option does, and that a wrong one is named, in one line,
 * with nothing mounted.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void not_mounted(void)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	if (entry)
		fail_msg("mounted: %s", entry);
}

/* One line on stderr, of ours, that names the culprit. */
static void check_refusal(const struct outcome *o, int status, const char *culprit)
{
	const char *end = strchr(o->err, '\n');

	if (o->status != status || !end || end[1] != '\0' || !strstr(o->err, culprit) ||
	    strncmp(o->err, "shmfs: ", 7) != 0 || o->out[0] != '\0')
		fail_msg("status %d (not %d) and, about %s:\n%s%s", o->status, status,
			 culprit, o->err, o->out);
}

struct wrong {
	const char *mountpoint;
	const char *options;
	int status;
	const char *culprit;
};

/* Neither a mount nor a process. */
static void nothing_left(void)
{
	not_mounted();
	refused(waitpid(-1, NULL, WNOHANG), ECHILD);
}

static void check_wrong(const struct wrong *w)
{
	struct outcome o = daemon_run(w->mountpoint, "-o", w->options);

	check_refusal(&o, w->status, w->culprit);
	nothing_left();
	o = daemon_run("source", w->mountpoint, "-f", "-o", w->options);
	check_refusal(&o, w->status, w->culprit);
	nothing_left();
}

static void test_wrong_options(void **state)
{
	static char long_name[8192] = "fsname=";
	static const struct wrong wrongs[] = {
		{ MOUNT_DIR, "nonsense", 2, "nonsense" },
		{ MOUNT_DIR, "rw,nonsense=5,dev", 2, "nonsense" },
		{ MOUNT_DIR, "kind=foo", 2, "kind=foo" },
		{ MOUNT_DIR, "kind=", 2, "kind=" },
		{ MOUNT_DIR, "kind=sysv,shm_dir=/dev/shm", 2, "shm_dir=" },
		{ MOUNT_DIR, "kind=sysv,reserve", 2, "reserve" },
		{ MOUNT_DIR, "kind=sysv,coherence=notify", 2, "no events" },
		{ MOUNT_DIR, "kind=all,coherence=notify", 2, "no events" },
		{ MOUNT_DIR, "ipcns=1", 2, "ipcns=" },
		{ MOUNT_DIR, "kind=sysv,ipcns=", 2, "ipcns=" },
		{ MOUNT_DIR, "kind=all,shm_dir=/proc", 1, "tmpfs" },
		{ MOUNT_DIR, "passthrough=maybe", 2, "passthrough=maybe" },
		{ MOUNT_DIR, "passthrough", 2, "passthrough" },
		{ MOUNT_DIR, "coherence=lax", 2, "coherence=lax" },
		{ MOUNT_DIR, "coherence", 2, "coherence" },
		{ MOUNT_DIR, "coherence=", 2, "coherence=" },
		{ MOUNT_DIR, "max_read=many", 2, "max_read=many" },
		{ MOUNT_DIR, "max_read=-1", 2, "max_read=-1" },
		{ MOUNT_DIR, "max_read=4294967296", 2, "0 to 4294967295" },
		{ MOUNT_DIR, "poll=often", 2, "poll=often" },
		{ MOUNT_DIR, "poll=1001", 2, "0 to 1000" },
		{ MOUNT_DIR, "poll=", 2, "poll=" },
		{ MOUNT_DIR, "reserve=yes", 2, "reserve=yes" },
		{ MOUNT_DIR, "two\nlines", 2, "'two?lines'" },
		{ MOUNT_DIR, "shm_dir=", 2, "shm_dir=" },
		{ MOUNT_DIR, "shm_dir=" SCRATCH_DIR "/none", 1, SCRATCH_DIR "/none" },
		{ MOUNT_DIR, "shm_dir=" SCRATCH_DIR "/file", 1, SCRATCH_DIR "/file" },
		{ MOUNT_DIR, "shm_dir=/proc", 1, "tmpfs" },
		{ MOUNT_DIR, "fsname=", 2, "fsname=" },
		{ MOUNT_DIR, "subtype=", 2, "subtype=" },
		{ SCRATCH_DIR "/none", "rw", 1, SCRATCH_DIR "/none" },
		{ SCRATCH_DIR "/file", "rw", 1, SCRATCH_DIR "/file" },
		{ SCRATCH_DIR "/file/below", "rw", 1, SCRATCH_DIR "/file/below" },
		{ "", "rw", 1, "mount point ''" },
		/* What only the kernel says: no mount has so long a name. */
		{ MOUNT_DIR, long_name, 1, "cannot mount on '" MOUNT_DIR "'" },
	};

	(void)state;
	/* The processes that a daemon leaves become ours. */
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	memset(long_name + strlen(long_name), 'x', 5000);
	file_make(SCRATCH_DIR, "file", 0600, "");
	for (size_t i = 0; i < COUNT(wrongs); i++)
		check_wrong(&wrongs[i]);
	must(unlink(SCRATCH_DIR "/file"));
}

/* What nobody tells us we could not tell the kernel: in a user namespace without watches.
 */
static void test_no_watch(void **state)
{
	const char script[] = "echo 0 >/proc/sys/user/max_inotify_instances || exit 77\n"
			      "exec \"$SHMFS_DAEMON\" -o coherence=notify " MOUNT_DIR;
	struct outcome o =
		command_run(NULL, (const char *const[]){ "unshare", "-Ur", "sh", "-c",
							 script, NULL });

	(void)state;
	if (o.status == 77 || strstr(o.err, "unshare"))
		skip();
	check_refusal(&o, 1, "cannot be watched");
	not_mounted();
}

/* Where nothing tells of segments. */
static void test_no_sysvipc(void **state)
{
	const char script[] = "mount -t tmpfs none /proc/sysvipc || exit 77\n"
			      "exec \"$SHMFS_DAEMON\" -o \"$0\" " MOUNT_DIR;
	static const char *const kinds[] = { "kind=sysv", "kind=all" };
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		o = command_run(NULL, (const char *const[]){ "unshare", "-m", "sh", "-c",
							     script, kinds[i], NULL });
		if (o.status == 77)
			skip();
		check_refusal(&o, 1, "kind=sysv: ");
		assert_non_null(strstr(o.err, "/proc/sysvipc"));
		not_mounted();
	}
}

static void test_wrong_arguments(void **state)
{
	struct outcome o;

	(void)state;
	o = command_run(NULL, (const char *const[]){ getenv("SHMFS_DAEMON"), NULL });
	check_refusal(&o, 2, "mount point");
	o = daemon_run(MOUNT_DIR, "-z");
	check_refusal(&o, 2, "-z");
	o = daemon_run(MOUNT_DIR, "--nonsense");
	check_refusal(&o, 2, "--nonsense");
	o = daemon_run("source", MOUNT_DIR, "third");
	check_refusal(&o, 2, "third");
	o = daemon_run(MOUNT_DIR, "-o");
	check_refusal(&o, 2, "-o");
	o = daemon_run("-o", "rw", "-f");
	check_refusal(&o, 2, "no mount point");
	o = daemon_run("--", MOUNT_DIR, "-f", "-h");
	check_refusal(&o, 2, "'-h'");
	not_mounted();
}

static void test_help_and_version(void **state)
{
	const char full[] = "exec \"$SHMFS_DAEMON\" --help >/dev/full";
	struct outcome o;

	(void)state;
	o = daemon_run("-h");
	assert_int_equal(o.status, 0);
	assert_non_null(strstr(o.out, "passthrough=auto|require|off"));
	assert_string_equal(o.err, "");
	o = daemon_run(MOUNT_DIR, "--help");
	assert_int_equal(o.status, 0);
	o = daemon_run("-V");
	assert_int_equal(o.status, 0);
	assert_memory_equal(o.out, "shmfs ", 6);
	o = daemon_run("--version");
	assert_int_equal(o.status, 0);
	o = command_run(NULL, (const char *const[]){ "sh", "-c", full, NULL });
	check_refusal(&o, 1, "standard output");
	not_mounted();
}

static void test_mounted_already(void **state)
{
	struct outcome o;

	(void)state;
	mount_start(NULL);
	o = daemon_run(MOUNT_DIR);
	check_refusal(&o, 1, MOUNT_DIR);
	file_make(MOUNT_DIR, "a", 0600, "still");
	file_expect(NATIVE_DIR, "a", "still");
}

/* A /dev without fuse, for the process that calls this and its children. */
static int hide_fuse(void)
{
	_cleanup_close_ int null = -1;
	char path[64];

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	null = open("/dev/null", O_PATH | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", null);
	if (null < 0 || mount("dev", "/dev", "tmpfs", 0, NULL) < 0 ||
	    mkdir("/dev/shm", 01777) < 0 || mknod("/dev/null", S_IFREG | 0666, 0) < 0 ||
	    mount(path, "/dev/null", NULL, MS_BIND, NULL) < 0 ||
	    mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777") < 0)
		return -errno;
	return 0;
}

static int run_without_fuse(const void *arg)
{
	const char *const argv[] = { getenv("SHMFS_DAEMON"), MOUNT_DIR, NULL };
	int r = hide_fuse();

	if (r < 0)
		return r;
	dup2(*(const int *)arg, STDERR_FILENO);
	execv(argv[0], (char *const *)argv);
	return -errno;
}

static void test_no_dev_fuse(void **state)
{
	FILE *err = tmpfile();
	struct outcome o = { 0 };
	int fd;

	(void)state;
	assert_non_null(err);
	fd = fileno(err);
	o.status = -person_do(NULL, run_without_fuse, &fd);
	must(pread(fd, o.err, sizeof(o.err) - 1, 0));
	fclose(err);
	check_refusal(&o, 1, "fuse");
	not_mounted();
}

static void test_read_only(void **state)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_start("ro");
	refused(open(MOUNT_DIR "/a", O_RDWR | O_CLOEXEC), EROFS);
	refused(open(MOUNT_DIR "/a", O_WRONLY | O_TRUNC | O_CLOEXEC), EROFS);
	refused(open(MOUNT_DIR "/b", flags, 0600), EROFS);
	refused(mknod(MOUNT_DIR "/b", S_IFREG | 0600, 0), EROFS);
	refused(unlink(MOUNT_DIR "/a"), EROFS);
	refused(rename(MOUNT_DIR "/a", MOUNT_DIR "/b"), EROFS);
	refused(truncate(MOUNT_DIR "/a", 0), EROFS);
	refused(chmod(MOUNT_DIR "/a", 0644), EROFS);
	refused(chown(MOUNT_DIR "/a", 1, 1), EROFS);
	refused(utimensat(AT_FDCWD, MOUNT_DIR "/a", NULL, 0), EROFS);
	refused(setxattr(MOUNT_DIR "/a", "user.x", "", 0, 0), EROFS);
	refused(access(MOUNT_DIR "/a", W_OK), EROFS);
	file_expect(MOUNT_DIR, "a", "text");
	file_make(NATIVE_DIR, "a", 0600, "other");
	file_expect(MOUNT_DIR, "a", "other");
}

static void copy_true(void)
{
	const char *const argv[] = { "cp", "/bin/true", NATIVE_DIR "/true", NULL };
	struct outcome o = command_run(NULL, argv);

	assert_int_equal(o.status, 0);
}

static int execute(const void *path)
{
	char *const argv[] = { (char *)"true", NULL };

	execv(path, argv);
	return -errno;
}

static void test_exec(void **state)
{
	(void)state;
	copy_true();
	mount_start("exec");
	assert_int_equal(person_do(NULL, execute, MOUNT_DIR "/true"), 0);
	mount_stop();
	mount_start("noexec");
	assert_int_equal(person_do(NULL, execute, MOUNT_DIR "/true"), -EACCES);
}

static void has_word(const char *line, const char *word)
{
	if (!strstr(line, word))
		fail_msg("no '%s' in: %s", word, line);
}

static void check_entry(const char *options, const char *type_and_name)
{
	_cleanup_free_ char *entry = NULL;

	mount_start(options);
	entry = mount_entry(MOUNT_DIR);
	assert_non_null(entry);
	has_word(entry, "nosuid");
	has_word(entry, "nodev");
	has_word(entry, type_and_name);
	if (geteuid() == 0)
		has_word(entry, "allow_other");
	mount_stop();
}

static void test_mount_table(void **state)
{
	(void)state;
	check_entry(NULL, " - fuse.shmfs shmfs ");
	check_entry("suid,dev", " - fuse.shmfs shmfs ");
	check_entry("fsname=objects", " - fuse.shmfs objects ");
	check_entry("max_read=65536", "max_read=65536");
}

static void test_options_of_mount_and_fstab(void **state)
{
	(void)state;
	mount_start("rw,dev,suid,exec,async,atime,defaults,auto,noauto,nofail,user,users,"
		    "nouser,owner,group,_netdev,x-systemd.automount,x-anything=at-all");
	file_make(MOUNT_DIR, "a", 0600, "text");
	mount_stop();
	mount_start("ro,nodev,nosuid,sync,dirsync,noatime");
	file_expect(MOUNT_DIR, "a", "text");
	mount_stop();
	mount_start("default_permissions,allow_other,max_read=4096");
	file_make(MOUNT_DIR, "a", 0600, "text");
	must(truncate(NATIVE_DIR "/a", 100000));
	must(truncate(NATIVE_DIR "/a", 4));
	file_expect(MOUNT_DIR, "a", "text");
}

static void test_log_says_how(void **state)
{
	_cleanup_free_ char *log = NULL;

	(void)state;
	mount_start(NULL);
	log = mount_log();
	if (mount_passthrough())
		assert_string_equal(log, "shmfs: /dev/shm on /mnt/shm: passthrough\n");
	else
		assert_string_equal(
			log, "shmfs: /dev/shm on /mnt/shm: direct (passthrough=off)\n");
}

static void expect_log(const char *options, const char *text)
{
	_cleanup_free_ char *log = NULL;

	mount_start(options);
	log = mount_log();
	if (!strstr(log, text))
		fail_msg("no '%s' in: %s", text, log);
	mount_stop();
}

static void test_log_says_what(void **state)
{
	(void)state;
	expect_log("shm_dir=" PLAIN_DIR, "shmfs: " PLAIN_DIR " on /mnt/shm: ");
	expect_log("kind=sysv", "shmfs: System V segments on /mnt/shm: ");
	expect_log("kind=all", "shmfs: all kinds on /mnt/shm: ");
}

static void test_other_directory(void **state)
{
	(void)state;
	file_make(PLAIN_DIR, "a", 0600, "plain");
	file_make(NATIVE_DIR, "b", 0600, "native");
	mount_start("shm_dir=" PLAIN_DIR);
	file_expect(MOUNT_DIR, "a", "plain");
	refused(access(MOUNT_DIR "/b", F_OK), ENOENT);
	file_make(MOUNT_DIR, "c", 0600, "mount");
	file_expect(PLAIN_DIR, "c", "mount");
}

static void test_reserve(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "size=1m"));
	mount_start("reserve");
	file_make(MOUNT_DIR, "a", 0600, "text");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(truncate(MOUNT_DIR "/a", 500000));
	assert_true(file_stat(NATIVE_DIR, "a").st_blocks >= 500000 / 512);
	refused(truncate(MOUNT_DIR "/a", 5000000), ENOSPC);
	refused(ftruncate(fd, 5000000), ENOSPC);
	/* To shrink takes no memory, however sparse the object. */
	must(truncate(NATIVE_DIR "/a", 50000000));
	must(truncate(MOUNT_DIR "/a", 40000000));
	must(truncate(MOUNT_DIR "/a", 500000));
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_size, 500000);
	must(ftruncate(fd, 4));
	fd_expect(fd, "text");
	fd = close_fd(fd);
	mount_stop();
	mount_start(NULL);
	must(truncate(MOUNT_DIR "/a", 5000000));
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_size, 5000000);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_wrong_options),
		mount_test_unmounted(test_no_watch),
		mount_test_unmounted(test_no_sysvipc),
		mount_test_unmounted(test_wrong_arguments),
		mount_test_unmounted(test_help_and_version),
		mount_test_unmounted(test_mounted_already),
		mount_test_unmounted(test_no_dev_fuse),
		mount_test_unmounted(test_read_only),
		mount_test_unmounted(test_exec),
		mount_test_unmounted(test_mount_table),
		mount_test_unmounted(test_options_of_mount_and_fstab),
		mount_test_unmounted(test_log_says_how),
		mount_test_unmounted(test_log_says_what),
		mount_test_unmounted(test_other_directory),
		mount_test_unmounted(test_reserve),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
