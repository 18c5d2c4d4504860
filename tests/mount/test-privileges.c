/* SPDX-License-Identifier: MIT */
/*
 * What the daemon may do once it serves, as the kernel has it about each of its threads;
 * and what it does not take from whoever starts it.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1000 };

#define BIT(capability) (UINT64_C(1) << (capability))

/* As SECURITY.md names them. */
#define OF_ALL   (BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SYS_ADMIN))
#define OF_POSIX (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER))
#define OF_SYSV  BIT(CAP_IPC_OWNER)

static const struct {
	const char *options;
	const char *dir; /* where its files are */
	uint64_t capabilities;
} kinds[] = {
	{ "kind=posix", MOUNT_DIR, OF_ALL | OF_POSIX },
	{ "kind=posix,coherence=notify", MOUNT_DIR, OF_ALL | OF_POSIX },
	{ "kind=sysv", MOUNT_DIR, OF_ALL | OF_SYSV },
	{ "kind=all", MOUNT_DIR "/posix", OF_ALL | OF_POSIX | OF_SYSV },
};

/*
 * A daemon in the background becomes our child when its parent has left.
 */
static pid_t start_in_background(const char *dir)
{
	struct outcome o;
	char path[64];
	pid_t pid = 0;
	FILE *children;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	o = daemon_run(dir, "-o",
		       mount_passthrough() ? "passthrough=require" : "passthrough=off");
	if (o.status != 0)
		fail_msg("the daemon did not start: %s", o.err);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d", &pid), 1);
	fclose(children);
	return pid;
}

static int reap(pid_t pid)
{
	int status = -1;

	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	return status;
}

static bool is_mounted(const char *dir)
{
	_cleanup_free_ char *entry = mount_entry(dir);

	return entry != NULL;
}

/*
 * Threads
 */

/* The value of line @name of a status file, for a moment. */
static const char *value_of(FILE *status, const char *name)
{
	static char line[256];

	rewind(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			return line + strlen(name) + 1;
	fail_msg("no %s", name);
	return NULL;
}

static uint64_t number_of(FILE *status, const char *name, int base)
{
	return strtoull(value_of(status, name), NULL, base);
}

/* A thread may act as a caller just now: then nothing is effective. */
static void check_thread(const char *path, uint64_t capabilities)
{
	FILE *status = fopen(path, "re");
	unsigned int real = 1, saved = 1;

	/* It has ended. */
	if (!status)
		return;
	assert_int_equal(number_of(status, "CapPrm", 16), capabilities);
	assert_int_equal(number_of(status, "CapBnd", 16), capabilities);
	assert_int_equal(number_of(status, "CapEff", 16) & ~capabilities, 0);
	assert_int_equal(number_of(status, "CapInh", 16), 0);
	assert_int_equal(number_of(status, "CapAmb", 16), 0);
	assert_int_equal(number_of(status, "NoNewPrivs", 10), 1);
	/* Without one of its own it may have been started under another. */
	if (HAVE_SECCOMP)
		assert_int_equal(number_of(status, "Seccomp", 10), 2);
	assert_int_equal(sscanf(value_of(status, "Uid"), "%u %*u %u", &real, &saved), 2);
	assert_int_equal(real, 0);
	assert_int_equal(saved, 0);
	fclose(status);
}

static unsigned int check_threads(pid_t pid, uint64_t capabilities)
{
	char path[512];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid,
			 entry->d_name);
		check_thread(path, capabilities);
		n++;
	}
	closedir(tasks);
	return n;
}

static int use(const void *arg)
{
	const char *dir = arg;
	DIR *list;

	for (int i = 0; i < 2000; i++) {
		struct stat st;

		if (stat(dir, &st) < 0)
			return -errno;
		close_fd(open(at(dir, "0x00000001"), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
		list = opendir(dir);
		if (!list)
			return -errno;
		while (readdir(list))
			;
		closedir(list);
	}
	return 0;
}

static void test_threads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int status = 0;
		pid_t pid;

		mount_start(kinds[i].options);
		pid = must(fork());
		if (pid == 0)
			_exit(person_do(&alice, use, kinds[i].dir) < 0);
		/* As long as threads come and go, and act. */
		while (must(waitpid(pid, &status, WNOHANG)) == 0)
			assert_true(check_threads(mount_pid(), kinds[i].capabilities) >
				    1);
		assert_int_equal(status, 0);
		assert_true(check_threads(mount_pid(), kinds[i].capabilities) > 1);
		mount_stop();
	}
}

/*
 * Memory
 */
static void test_no_core_is_allowed(void **state)
{
	struct rlimit limit;

	(void)state;
	mount_start(NULL);
	must(prlimit(mount_pid(), RLIMIT_CORE, NULL, &limit));
	/* The kernel takes it for none at all, also where cores go to programs. */
	assert_int_equal(limit.rlim_cur, 1);
	assert_int_equal(limit.rlim_max, 1);
	mount_stop();
}

/* Nor is one dumped where it would be allowed. */
static void test_no_core_is_dumped(void **state)
{
	const struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };
	siginfo_t end = { .si_code = 0 };
	pid_t pid;

	(void)state;
	must(chdir(SCRATCH_DIR));
	pid = start_in_background(MOUNT_DIR);
	/* Not every root may raise limits; then the limit alone has been tested. */
	if (prlimit(pid, RLIMIT_CORE, &any, NULL) < 0)
		assert_int_equal(errno, EPERM);
	must(kill(pid, SIGABRT));
	must(waitid(P_PID, (id_t)pid, &end, WEXITED));
	must(chdir("/"));
	must(umount2(MOUNT_DIR, MNT_DETACH));
	assert_int_equal(end.si_status, SIGABRT);
	assert_int_equal(end.si_code, CLD_KILLED);
}

static int open_memory(const void *arg)
{
	return open(arg, O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0;
}

/* A user for whom a thread acts gets nothing of the process by that. */
static void test_nobody_looks_into_it(void **state)
{
	char path[64];
	struct stat st;

	(void)state;
	mount_start(NULL);
	assert_int_equal(person_do(&alice, use, MOUNT_DIR), 0);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)mount_pid());
	must(stat(path, &st));
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(person_do(&alice, open_memory, path), -EACCES);
	mount_stop();
	unlink(NATIVE_DIR "/0x00000001");
}

/*
 * What is inherited
 */
#define INHERITED SCRATCH_DIR "/inherited"

static bool has_open(pid_t pid, const char *path)
{
	char dir[64], target[256];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
	fds = opendir(dir);
	assert_non_null(fds);
	while ((entry = readdir(fds))) {
		ssize_t n =
			readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		found = found || strcmp(target, path) == 0;
	}
	closedir(fds);
	return found;
}

static void test_no_descriptor_is_inherited(void **state)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int high = -1;

	(void)state;
	file_make(SCRATCH_DIR, "inherited", 0600, "");
	fd = must(open(INHERITED, O_RDWR));
	high = must(fcntl(fd, F_DUPFD, 500));
	mount_start(NULL);
	assert_false(has_open(mount_pid(), INHERITED));
	mount_stop();
	must(unlink(INHERITED));
}

/* The time zone is a file that the C library reads for the lines of the log. */
static void test_no_environment_is_believed(void **state)
{
	_cleanup_close_ int watch = must(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	struct inotify_event event;
	pid_t pid;

	(void)state;
	file_make(SCRATCH_DIR, "zone", 0644, "TZif");
	must(inotify_add_watch(watch, SCRATCH_DIR "/zone", IN_OPEN));
	setenv("TZ", ":" SCRATCH_DIR "/zone", 1);
	pid = start_in_background(MOUNT_DIR);
	unsetenv("TZ");
	must(umount2(MOUNT_DIR, 0));
	assert_int_equal(reap(pid), 0);
	refused(read(watch, &event, sizeof(event)), EAGAIN);
	must(unlink(SCRATCH_DIR "/zone"));
}

/* A limit of the shell that starts it is no limit of all users. */
static void test_no_limit_of_files_is_inherited(void **state)
{
	_cleanup_close_ int fd = -1;
	struct rlimit before, low;

	(void)state;
	must(getrlimit(RLIMIT_FSIZE, &before));
	low = (struct rlimit){ 1000, before.rlim_max };
	must(setrlimit(RLIMIT_FSIZE, &low));
	/* Of the daemon's own doing, whichever way the data goes. */
	mount_start("reserve");
	must(setrlimit(RLIMIT_FSIZE, &before));
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	must(ftruncate(fd, 1 << 20));
	assert_int_equal(must(pwrite(fd, "text", 4, 1 << 20)), 4);
	fd = close_fd(fd);
	mount_stop();
}

#define SUID_DIR SCRATCH_DIR "/suid"

static void copy_daemon(mode_t mode)
{
	const char *const argv[] = { "cp", getenv("SHMFS_DAEMON"), SUID_DIR "/shmfs",
				     NULL };

	assert_int_equal(command_run(NULL, argv).status, 0);
	must(chmod(SUID_DIR "/shmfs", mode));
}

/* Started with another's rights, it would use them as its options say. */
static void test_set_ids_are_refused(void **state)
{
	static const mode_t modes[] = { 04755, 02755 };
	static const char *const argv[] = { SUID_DIR "/shmfs", MOUNT_DIR, NULL };

	(void)state;
	must(mkdir(SUID_DIR, 0755));
	must(mount("suid", SUID_DIR, "tmpfs", 0, "mode=755"));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct outcome o;

		copy_daemon(modes[i]);
		o = command_run(&alice, argv);
		assert_int_equal(o.status, 1);
		assert_non_null(strstr(o.err, "set-user-ID"));
		assert_false(is_mounted(MOUNT_DIR));
	}
	must(umount2(SUID_DIR, 0));
	must(rmdir(SUID_DIR));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_threads),
		mount_test_unmounted(test_no_core_is_allowed),
		mount_test_unmounted(test_no_core_is_dumped),
		mount_test_unmounted(test_nobody_looks_into_it),
		mount_test_unmounted(test_no_descriptor_is_inherited),
		mount_test_unmounted(test_no_environment_is_believed),
		mount_test_unmounted(test_no_limit_of_files_is_inherited),
		mount_test_unmounted(test_set_ids_are_refused),
	};

	return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
