/* SPDX-License-Identifier: MIT */
/*
 * How the daemon unmounts: by itself, only what is its own, and where it has no right to,
 * by a process that waited for this.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"

static bool is_mounted(const char *dir)
{
	_cleanup_free_ char *entry = mount_entry(dir);

	return entry != NULL;
}

/* The one child of process @parent. */
static pid_t only_child(pid_t parent)
{
	pid_t pid = 0, more = 0;
	char path[64];
	FILE *children;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent,
		 (int)parent);
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d %d", &pid, &more), 1);
	fclose(children);
	return pid;
}

/* The child of @keeper that is not @kept. */
static pid_t other_child(pid_t keeper, pid_t kept)
{
	pid_t pids[2] = { 0, 0 };
	char path[64];
	FILE *children;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)keeper,
		 (int)keeper);
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d %d", &pids[0], &pids[1]),
			 keeper == kept ? 1 : 2);
	fclose(children);
	return pids[0] == kept ? pids[1] : pids[0];
}

static int reap(pid_t pid)
{
	int status = -1;

	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	return status;
}

/* What makes libfuse run umount(8): an mtab that is a file (3.14), and a utab (3.18). */
static void want_umount(void)
{
	sandbox_tmpfs("/etc", "mode=755");
	file_make("/etc", "mtab", 0644, "");
	sandbox_tmpfs("/run", "mode=755");
	must(mkdir("/run/mount", 0755));
	file_make("/run/mount", "utab", 0644, "");
	must(mount("/bin/false", "/bin/umount", NULL, MS_BIND, NULL));
}

static void test_no_program_is_run_to_unmount(void **state)
{
	(void)state;
	want_umount();
	mount_start(NULL);
	must(kill(mount_pid(), SIGTERM));
	mount_reap();
	must(umount2("/bin/umount", 0));
	must(umount2("/run", 0));
	must(umount2("/etc", 0));
	assert_false(is_mounted(MOUNT_DIR));
}

#define HERS   SCRATCH_DIR "/hers"
#define MOVED  SCRATCH_DIR "/moved"
#define OTHERS SCRATCH_DIR "/others"

/* Who owns a directory above the mount point leads its path to another mount. */
static void test_no_other_mount_is_unmounted(void **state)
{
	struct outcome o;
	pid_t pid;

	(void)state;
	must(mkdir(HERS, 0777));
	must(mkdir(HERS "/shm", 0755));
	must(mkdir(OTHERS, 0755));
	must(mkdir(OTHERS "/shm", 0755));
	must(mount("other", OTHERS "/shm", "tmpfs", 0, NULL));
	/* In the background it becomes our child when its parent has left. */
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	o = daemon_run(HERS "/shm");
	assert_int_equal(o.status, 0);
	pid = only_child(getpid());
	must(rename(HERS, MOVED));
	must(symlink(OTHERS, HERS));
	must(kill(pid, SIGTERM));
	assert_int_equal(reap(pid), 0);
	assert_true(is_mounted(OTHERS "/shm"));
	must(umount2(MOVED "/shm", MNT_DETACH));
	must(umount2(OTHERS "/shm", 0));
	must(unlink(HERS));
	must(rmdir(MOVED "/shm"));
	must(rmdir(MOVED));
	must(rmdir(OTHERS "/shm"));
	must(rmdir(OTHERS));
}

static void check_ordinary(pid_t pid)
{
	static const char *const lines[] = { "NoNewPrivs:\t1\n",
					     HAVE_SECCOMP ? "Seccomp:\t2\n"
							  : "Seccomp:\t",
					     "CapPrm:\t0000000000000000\n" };
	_cleanup_free_ char *text = NULL;
	char path[64];
	struct stat st;
	size_t size = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	assert_non_null(status);
	assert_true(getdelim(&text, &size, '\0', status) > 0);
	fclose(status);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(text, lines[i]));
	/* What would be hers is root's where no memory may be dumped. */
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	must(stat(path, &st));
	assert_int_equal(st.st_uid, 0);
}

/* It has given up what fusermount3 needs, and still unmounts by it when told to end. */
static void test_ordinary_user(void **state)
{
	pid_t keeper, daemon, helper;
	struct outcome o;

	(void)state;
	person_needs_root();
	ordinary_allow();
	o = ordinary_mount(NULL);
	if (o.status != 0)
		fail_msg("she cannot mount: %s", o.err);
	keeper = only_child(getpid());
	daemon = mount_kept(keeper);
	helper = other_child(keeper, daemon);
	check_ordinary(daemon);
	/* As if both had been told to end, like all processes of a terminal. */
	must(kill(helper, SIGTERM));
	must(kill(daemon, SIGTERM));
	assert_int_equal(reap(keeper), 0);
	assert_false(is_mounted(USER_DIR));
	ordinary_disallow();
}

/* The helper ends with a daemon that had no time to tell it anything. */
static void test_killed_daemon_leaves_no_helper(void **state)
{
	pid_t keeper, daemon, helper;

	(void)state;
	person_needs_root();
	ordinary_allow();
	assert_int_equal(ordinary_mount(NULL).status, 0);
	keeper = only_child(getpid());
	daemon = mount_kept(keeper);
	helper = other_child(keeper, daemon);
	must(kill(keeper, SIGKILL));
	assert_int_equal(reap(keeper), SIGKILL);
	if (daemon != keeper) {
		must(kill(daemon, SIGKILL));
		assert_int_equal(reap(daemon), SIGKILL);
	}
	assert_int_equal(reap(helper), 0);
	must(umount2(USER_DIR, MNT_DETACH));
	ordinary_disallow();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_no_program_is_run_to_unmount),
		mount_test_unmounted(test_no_other_mount_is_unmounted),
		mount_test_unmounted(test_ordinary_user),
		mount_test_unmounted(test_killed_daemon_leaves_no_helper),
	};

	return cmocka_run_group_tests_name("unmount", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
