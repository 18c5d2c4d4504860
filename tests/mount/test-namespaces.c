/* SPDX-License-Identifier: MIT */
/*
 * A daemon in a user namespace does not see all groups, and one behind a /proc of another
 * PID namespace sees those of other processes. Neither gives anybody more than there is
 * natively, and the first gives members of such groups less (difference: strangers).
 *
 * Each scene is played by processes in namespaces of their own, which say what is wrong
 * on standard error: assertions are for the test process alone.
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The user namespace has the numbers 0 to 65535, those but 0 moved by this. */
#define MOVED   199999
#define OUTSIDE 5     /* a group that it does not have */
#define NOBODY  65534 /* what is shown in the place of such, and a group, too */
#define MEMBERS 7
#define OWNER   3
#define VICTIMS 60
#define SECRET  4242

static int fails(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return -1;
}

/* Goes to the background when it serves, so its status is known then. */
static int start_daemon(const char *log)
{
	char *const argv[] = { getenv("SHMFS_DAEMON"), (char *)MOUNT_DIR, NULL };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = log ? open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

		if (fd >= 0)
			dup2(fd, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return fails("the daemon does not start");
	return 0;
}

static int open_as(uid_t uid, gid_t gid, int count, const gid_t *groups, const char *path,
		   int flags)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		/* Negative: those that it has. */
		if ((count >= 0 && setgroups((size_t)count, groups) < 0) ||
		    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(255);
		_exit(open(path, flags | O_CLOEXEC) < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

/*
 * User namespaces
 */

static const struct file {
	const char *name;
	gid_t group; /* outside */
	mode_t mode;
	bool unclear; /* its group is shown as NOBODY */
} files[] = {
	{ "nobodys", MOVED + NOBODY, 0640, true },
	{ "not-for-nobody", MOVED + NOBODY, 0604, true },
	{ "outsides", OUTSIDE, 0640, true },
	{ "not-for-outside", OUTSIDE, 0604, true },
	{ "members", MOVED + MEMBERS, 0640, false },
	{ "not-for-members", MOVED + MEMBERS, 0604, false },
	{ "alls", MOVED + MEMBERS, 0644, false },
	{ "its-owners", MOVED + MEMBERS, 0600, false },
};

static const gid_t nobody[] = { NOBODY };

static const struct someone {
	const char *name;
	uid_t uid;
	gid_t gid;
	int count;
	bool unclear; /* a group is shown as NOBODY */
} people[] = {
	{ "a user without groups", 1000, 1000, 0, false },
	{ "a member of what is outside and of members", 1000, 1000, -1, true },
	{ "the same of nobody's number", NOBODY, 1000, -1, true },
	{ "one of nobody", 1000, 1000, 1, true },
	{ "one whose own group that is", 1000, NOBODY, 0, false },
	{ "the owner", OWNER, 1000, -1, true },
};

/* As natively, but for what cannot be told apart: that is refused, never granted. */
static int compare(const struct someone *who, const struct file *f)
{
	static const int flags[] = { O_RDONLY, O_RDWR };

	for (size_t i = 0; i < COUNT(flags); i++) {
		int native = open_as(who->uid, who->gid, who->count, nobody,
				     at(NATIVE_DIR, f->name), flags[i]);
		int found = open_as(who->uid, who->gid, who->count, nobody,
				    at(MOUNT_DIR, f->name), flags[i]);

		if (found == native || (found == EACCES && who->unclear && f->unclear))
			continue;
		fprintf(stderr, "%s by %s: %s, not %s\n", f->name, who->name,
			strerror(found), strerror(native));
		return -1;
	}
	return 0;
}

static int use_in_user_namespace(void)
{
	int r = 0;

	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fails("to be root");
	if (start_daemon(NULL) < 0)
		return -1;
	for (size_t p = 0; p < COUNT(people); p++)
		for (size_t f = 0; f < COUNT(files); f++)
			r |= compare(&people[p], &files[f]);
	if (umount2(MOUNT_DIR, 0) < 0)
		return fails("umount");
	return r;
}

static int play_user_namespace(int unshared, int mapped)
{
	static const gid_t groups[] = { OUTSIDE, MOVED + MEMBERS };
	char byte = 0;

	if (setgroups(COUNT(groups), groups) < 0 ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return fails("unshare");
	if (write(unshared, &byte, 1) != 1 || read(mapped, &byte, 1) != 1)
		return -1;
	return use_in_user_namespace();
}

static void write_map(pid_t pid, const char *name)
{
	char path[64], map[64];
	int n = snprintf(map, sizeof(map), "0 0 1\n1 %d 65535\n", MOVED + 1);
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = must(open(path, O_WRONLY | O_CLOEXEC));
	assert_int_equal(must(write(fd, map, (size_t)n)), n);
}

static void test_user_namespace(void **state)
{
	int unshared[2], mapped[2], status = -1;
	char byte = 0;
	pid_t pid;

	(void)state;
	person_needs_root();
	for (size_t i = 0; i < COUNT(files); i++) {
		file_make(NATIVE_DIR, files[i].name, 0600, "text");
		must(chown(at(NATIVE_DIR, files[i].name), MOVED + OWNER, files[i].group));
		must(chmod(at(NATIVE_DIR, files[i].name), files[i].mode));
	}
	must(pipe2(unshared, O_CLOEXEC));
	must(pipe2(mapped, O_CLOEXEC));
	pid = must(fork());
	if (pid == 0)
		_exit(play_user_namespace(unshared[1], mapped[0]) < 0);
	must(close(unshared[1]));
	/* One that could not says so, and ends. */
	assert_int_equal(must(read(unshared[0], &byte, 1)), 1);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	must(write(mapped[1], &byte, 1));
	must(waitpid(pid, &status, 0));
	assert_int_equal(status, 0);
	must(close(unshared[0]));
	must(close(mapped[0]));
	must(close(mapped[1]));
}

/*
 * PID namespaces
 */

#define LOG SCRATCH_DIR "/said"

/* Runs @play as the first process of a PID namespace. */
static int in_pid_namespace(int (*play)(void))
{
	int status = -1;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return fails("unshare");
	pid = fork();
	if (pid == 0)
		_exit(play() < 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return fails("fork");
	return status == 0 ? 0 : -1;
}

/* Whose numbers are those of members of SECRET in the namespace around. */
static int ask_as_others(void)
{
	static const gid_t secret[] = { SECRET };
	int wrong = 0;

	if (start_daemon(LOG) < 0)
		return -1;
	for (int i = 0; i < VICTIMS / 2; i++)
		wrong += open_as(1001, 1001, 0, NULL, MOUNT_DIR "/secret", O_RDONLY) !=
			 EACCES;
	if (wrong > 0)
		fprintf(stderr, "%d of %d are let in\n", wrong, VICTIMS / 2);
	/* Where groups do not decide nothing is missing. */
	if (open_as(1001, 1001, 1, secret, MOUNT_DIR "/secret", O_RDONLY) != EACCES ||
	    open_as(1001, 1001, 1, secret, MOUNT_DIR "/alls", O_RDONLY) != 0 ||
	    open_as(0, 0, 0, NULL, MOUNT_DIR "/secret", O_RDWR) != 0)
		return fails("groups");
	umount2(MOUNT_DIR, MNT_DETACH);
	return wrong > 0 ? -1 : 0;
}

static int surround(void)
{
	static const gid_t secret[] = { SECRET };

	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return fails("/proc");
	for (int i = 0; i < VICTIMS; i++)
		if (fork() == 0) {
			if (setgroups(1, secret) == 0)
				pause();
			_exit(1);
		}
	return in_pid_namespace(ask_as_others);
}

static int play(int (*scene)(void))
{
	int status = -1;
	pid_t pid = must(fork());

	if (pid == 0)
		_exit(in_pid_namespace(scene) < 0);
	must(waitpid(pid, &status, 0));
	return status;
}

static void make_secret(void)
{
	file_make(NATIVE_DIR, "alls", 0644, "");
	file_make(NATIVE_DIR, "secret", 0600, "");
	must(chown(NATIVE_DIR "/secret", 0, SECRET));
	must(chmod(NATIVE_DIR "/secret", 0640));
}

static void test_proc_of_others(void **state)
{
	_cleanup_close_ int said = -1;
	char text[512] = "";

	(void)state;
	person_needs_root();
	make_secret();
	assert_int_equal(play(surround), 0);
	said = must(open(LOG, O_RDONLY | O_CLOEXEC));
	must(read(said, text, sizeof(text) - 1));
	assert_non_null(strstr(text, "/proc is of another PID namespace"));
	must(unlink(LOG));
}

/* With a /proc of its own there is nothing to say, and groups decide. */
static int ask_at_home(void)
{
	static const gid_t secret[] = { SECRET };
	struct stat st;

	if (mount("proc", "/proc", "proc", 0, NULL) < 0 || start_daemon(LOG) < 0)
		return fails("/proc");
	if (open_as(1001, 1001, 1, secret, MOUNT_DIR "/secret", O_RDONLY) != 0 ||
	    open_as(1001, 1001, 0, NULL, MOUNT_DIR "/secret", O_RDONLY) != EACCES)
		return fails("groups");
	umount2(MOUNT_DIR, MNT_DETACH);
	if (stat(LOG, &st) < 0 || (mount_passthrough() && st.st_size > 0))
		return fails("it said something");
	return 0;
}

static void test_own_proc(void **state)
{
	(void)state;
	person_needs_root();
	make_secret();
	assert_int_equal(play(ask_at_home), 0);
	must(unlink(LOG));
}

/* It is where its children will not be, and could not tell who asks them. */
static int start_outside(void)
{
	static const char said[] = "use unshare --fork";
	char *const argv[] = { getenv("SHMFS_DAEMON"), (char *)MOUNT_DIR, (char *)"-f",
			       NULL };
	_cleanup_close_ int log = open(LOG, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char text[512] = "";
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		/* It would be looked for by a child, which cannot see us. */
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		dup2(log, STDERR_FILENO);
		if (unshare(CLONE_NEWPID) == 0)
			execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 1 || pread(log, text, sizeof(text) - 1, 0) < 0 ||
	    !strstr(text, said))
		return fails(text);
	return 0;
}

static void test_children_elsewhere(void **state)
{
	(void)state;
	person_needs_root();
	assert_int_equal(play(start_outside), 0);
	must(unlink(LOG));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_user_namespace),
		mount_test_unmounted(test_proc_of_others),
		mount_test_unmounted(test_own_proc),
		mount_test_unmounted(test_children_elsewhere),
	};

	return cmocka_run_group_tests_name("namespaces", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
