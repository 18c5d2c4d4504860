/* SPDX-License-Identifier: MIT */
/*
 * The segments of another IPC namespace, as of a container: exactly those, by the number
 * of a process or the path of a namespace file; and whatever is no IPC namespace, or not
 * for whoever asks, is named in one line with nothing mounted.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define KEY      0xc0de
#define KEY_NAME "0x0000c0de"
#define OWN      "0x00000001"
#define PAGE     4096

/* A process in an IPC namespace of its own, with one segment, until it is ended. */
struct container {
	pid_t pid;
	int end; /* it ends when this is closed */
};

static _Noreturn void be_container(int ready, int end)
{
	char byte = 0;
	char *attached;
	int id = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWIPC) == 0)
		id = shmget(KEY, PAGE, IPC_CREAT | IPC_EXCL | 0640);
	attached = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	if (attached != (void *)-1)
		strcpy(attached, "inside");
	byte = attached != (void *)-1;
	if (write(ready, &byte, 1) == 1)
		(void)!read(end, &byte, 1);
	/* What the mount has stored is seen here. */
	_exit(attached != (void *)-1 && strcmp(attached, "stored") == 0 ? 1 : 0);
}

static void start(struct container *c)
{
	int ready[2], end[2];
	char byte = 0;

	must(pipe2(ready, O_CLOEXEC));
	must(pipe2(end, O_CLOEXEC));
	c->pid = must(fork());
	if (c->pid == 0) {
		close(end[1]);
		be_container(ready[1], end[0]);
	}
	close(ready[1]);
	close(end[0]);
	c->end = end[1];
	assert_int_equal(must(read(ready[0], &byte, 1)), 1);
	assert_int_equal(byte, 1);
	close(ready[0]);
}

/* Returns its exit status: 1 if it has seen what was stored. */
static int finish(struct container *c)
{
	int status = -1;

	c->end = close_fd(c->end);
	assert_int_equal(must(waitpid(c->pid, &status, 0)), c->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Exactly the container's segment, and none of our own. */
static void check_container(const char *dir)
{
	struct stat st = file_stat(dir, KEY_NAME);
	_cleanup_close_ int fd = file_open(dir, KEY_NAME, O_RDWR);
	char text[7] = "";

	assert_int_equal(sandbox_count_entries(dir), 1);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, PAGE);
	refused(access(at(dir, OWN), F_OK), ENOENT);
	assert_int_equal(must(pread(fd, text, 6, 0)), 6);
	assert_string_equal(text, "inside");
	assert_int_equal(must(pwrite(fd, "stored", 6, 0)), 6);
}

static int make_own(void)
{
	return must(shmget(1, PAGE, IPC_CREAT | IPC_EXCL | 0600));
}

/* @before, the number, and @after it, until the next call. */
static const char *with_pid(const char *before, pid_t pid, const char *after)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s%d%s", before, (int)pid, after);
	return text;
}

static void test_by_pid(void **state)
{
	int own = make_own();
	struct container c;

	(void)state;
	start(&c);
	mount_start(with_pid("kind=sysv,ipcns=", c.pid, ""));
	check_container(MOUNT_DIR);
	mount_stop();
	assert_int_equal(finish(&c), 1);
	must(shmctl(own, IPC_RMID, NULL));
}

static void test_by_path(void **state)
{
	int own = make_own();
	struct container c;

	(void)state;
	start(&c);
	mount_start(with_pid("kind=sysv,ipcns=/proc/", c.pid, "/ns/ipc"));
	check_container(MOUNT_DIR);
	mount_stop();
	assert_int_equal(finish(&c), 1);
	must(shmctl(own, IPC_RMID, NULL));
}

/* As container engines keep them; nobody else is in it by then. */
static void test_by_bound_file(void **state)
{
	_cleanup_close_ int fd = -1;
	struct container c;

	(void)state;
	start(&c);
	file_make(SCRATCH_DIR, "ns", 0600, "");
	must(mount(with_pid("/proc/", c.pid, "/ns/ipc"), SCRATCH_DIR "/ns", NULL, MS_BIND,
		   NULL));
	assert_int_equal(finish(&c), 0);
	mount_start("kind=sysv,ipcns=" SCRATCH_DIR "/ns");
	check_container(MOUNT_DIR);
	must(unlink(MOUNT_DIR "/" KEY_NAME));
	fd = file_open(MOUNT_DIR, OWN, O_RDWR | O_CREAT);
	must(ftruncate(fd, PAGE));
	fd = close_fd(fd);
	/* It was made in there, not here. */
	refused(shmget(1, 0, 0), ENOENT);
	must(umount2(SCRATCH_DIR "/ns", 0));
	must(unlink(SCRATCH_DIR "/ns"));
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 1);
}

/* Objects have a directory, which is another matter. */
static void test_all(void **state)
{
	int own = make_own();
	struct container c;

	(void)state;
	start(&c);
	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_start(with_pid("kind=all,ipcns=", c.pid, ""));
	check_container(MOUNT_DIR "/sysv");
	file_expect(MOUNT_DIR "/posix", "a", "text");
	mount_stop();
	assert_int_equal(finish(&c), 1);
	mount_start("kind=all");
	assert_int_equal(sandbox_count_entries(MOUNT_DIR "/sysv"), 1);
	must(access(MOUNT_DIR "/sysv/" OWN, F_OK));
	must(shmctl(own, IPC_RMID, NULL));
}

/* The process that serves is not the one that was started. */
static void test_in_background(void **state)
{
	struct container c;
	struct outcome o;
	int status = -1;

	(void)state;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	start(&c);
	o = daemon_run(MOUNT_DIR, "-o", with_pid("kind=sysv,ipcns=", c.pid, ""));
	assert_int_equal(o.status, 0);
	check_container(MOUNT_DIR);
	must(umount2(MOUNT_DIR, 0));
	assert_int_equal(finish(&c), 1);
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
}

static void not_mounted(void)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	if (entry)
		fail_msg("mounted: %s", entry);
}

/* One line of ours that begins with the option and says @why. */
static void check_refusal(const struct person *who, const char *value, const char *why)
{
	char options[128], line[160];
	const char *end;
	struct outcome o;

	snprintf(options, sizeof(options), "kind=sysv,ipcns=%s", value);
	snprintf(line, sizeof(line), "shmfs: ipcns=%s: ", value);
	o = command_run(who, (const char *const[]){ getenv("SHMFS_DAEMON"), MOUNT_DIR,
						    "-o", options, NULL });
	end = strchr(o.err, '\n');
	if (o.status != 1 || !end || end[1] != '\0' || !strstr(o.err, why) ||
	    strncmp(o.err, line, strlen(line)) != 0 || o.out[0] != '\0')
		fail_msg("%s: status %d and:\n%s%s", value, o.status, o.err, o.out);
	not_mounted();
}

static void test_no_namespace(void **state)
{
	(void)state;
	file_make(SCRATCH_DIR, "file", 0600, "");
	must(mkfifo(SCRATCH_DIR "/fifo", 0600));
	/* Numbers that no process has. */
	check_refusal(NULL, "0", "no such process");
	check_refusal(NULL, "2147483647", "no such process");
	check_refusal(NULL, "99999999999999999999", "no such process");
	check_refusal(NULL, "-1", "No such file");
	check_refusal(NULL, SCRATCH_DIR "/none", "No such file");
	check_refusal(NULL, SCRATCH_DIR "/file", "not a namespace file");
	check_refusal(NULL, SCRATCH_DIR "/fifo", "not a namespace file");
	check_refusal(NULL, SCRATCH_DIR, "not a namespace file");
	check_refusal(NULL, "/dev/null", "not a namespace file");
	check_refusal(NULL, "/proc/self/status", "not a namespace file");
	check_refusal(NULL, "/proc/self/ns/mnt", "not one of IPC");
	check_refusal(NULL, "/proc/self/ns/user", "not one of IPC");
	must(unlink(SCRATCH_DIR "/file"));
	must(unlink(SCRATCH_DIR "/fifo"));
}

static const struct person user = { .name = "a user", .uid = 1000, .gid = 1000 };

static void test_not_permitted(void **state)
{
	struct container c;

	(void)state;
	start(&c);
	check_refusal(&user, with_pid("", c.pid, ""), "not permitted");
	check_refusal(&user, with_pid("/proc/", c.pid, "/ns/ipc"), "Permission denied");
	/* To see one's own is not to enter it. */
	check_refusal(&user, "/proc/self/ns/ipc", "CAP_SYS_ADMIN");
	/* The type is looked at first. */
	check_refusal(&user, "/proc/self/ns/mnt", "not one of IPC");
	assert_int_equal(finish(&c), 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_by_pid),
		mount_test_unmounted(test_by_path),
		mount_test_unmounted(test_by_bound_file),
		mount_test_unmounted(test_all),
		mount_test_unmounted(test_in_background),
		mount_test_unmounted(test_no_namespace),
		mount_test_unmounted(test_not_permitted),
	};

	return cmocka_run_group_tests_name("ipcns", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
