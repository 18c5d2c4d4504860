/* SPDX-License-Identifier: MIT */
/*
 * What the daemon says to a service manager that has started it, on a socket as that has
 * it, and what it says of systemd-logind.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define SOCKET_PATH SCRATCH_DIR "/manager"

static const char *io_option(void)
{
	return mount_passthrough() ? "passthrough=require" : "passthrough=off";
}

static int listen_at(const struct sockaddr_un *address, socklen_t length)
{
	_cleanup_close_ int fd = must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	must(bind(fd, (const struct sockaddr *)address, length));
	return take_fd(&fd);
}

/* A daemon in the foreground that has NOTIFY_SOCKET from who starts it. */
static pid_t start(const char *notify)
{
	pid_t pid = must(fork());

	if (pid == 0) {
		setenv("NOTIFY_SOCKET", notify, 1);
		execl(getenv("SHMFS_DAEMON"), "shmfs", "-f", MOUNT_DIR, "-o", io_option(),
		      NULL);
		_exit(127);
	}
	return pid;
}

static void expect_told(int manager, const char *begin, const char *part)
{
	char text[1024];
	ssize_t n = must(recv(manager, text, sizeof(text) - 1, 0));

	text[n] = '\0';
	if (strncmp(text, begin, strlen(begin)) != 0 || !strstr(text, part))
		fail_msg("told '%s'", text);
}

static void expect_nothing_told(int manager)
{
	char byte;

	refused(recv(manager, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

static void expect_life(int manager, const char *notify, bool by_signal)
{
	pid_t pid = start(notify);
	int status;

	expect_told(manager, "READY=1\nSTATUS=" NATIVE_DIR " on " MOUNT_DIR ": ",
		    mount_passthrough() ? "passthrough" : "direct");
	/* It is live by the time that it is told of. */
	must(access(MOUNT_DIR "/.", R_OK));
	expect_nothing_told(manager);
	must(by_signal ? kill(pid, SIGTERM) : umount2(MOUNT_DIR, 0));
	expect_told(manager, "STOPPING=1", "");
	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
	expect_nothing_told(manager);
}

static void test_manager_with_a_path(void **state)
{
	const struct sockaddr_un path = { AF_UNIX, SOCKET_PATH };
	_cleanup_close_ int manager = -1;

	(void)state;
	if (!HAVE_SYSTEMD)
		skip();
	manager = listen_at(&path, sizeof(path));
	expect_life(manager, SOCKET_PATH, true);
	expect_life(manager, SOCKET_PATH, false);
	must(unlink(SOCKET_PATH));
}

static void test_manager_with_an_abstract_name(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int manager = -1;
	char name[32];
	int n = snprintf(name, sizeof(name), "@shmfs-test-%d", (int)getpid());

	(void)state;
	if (!HAVE_SYSTEMD)
		skip();
	memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
	manager = listen_at(&address,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	expect_life(manager, name, true);
}

/* A mount that fails tells its manager by ending, and nothing else. */
static void test_manager_of_a_failure(void **state)
{
	const struct sockaddr_un path = { AF_UNIX, SOCKET_PATH };
	_cleanup_close_ int manager = -1;
	struct outcome o;

	(void)state;
	manager = listen_at(&path, sizeof(path));
	must(setenv("NOTIFY_SOCKET", SOCKET_PATH, 1));
	o = daemon_run("-f", "-o", "shm_dir=/proc", MOUNT_DIR);
	must(unsetenv("NOTIFY_SOCKET"));
	assert_int_equal(o.status, 1);
	expect_nothing_told(manager);
	must(unlink(SOCKET_PATH));
}

/* A machine where logind runs, set as @setting says. */
static void have_logind(const char *setting)
{
	FILE *f;

	sandbox_tmpfs("/run", "mode=755");
	must(mkdir("/run/systemd", 0755));
	must(mkdir("/run/systemd/system", 0755));
	must(mkdir("/run/systemd/seats", 0755));
	must(mkdir("/run/systemd/logind.conf.d", 0755));
	f = fopen("/run/systemd/logind.conf.d/zz-test.conf", "we");
	assert_non_null(f);
	fprintf(f, "[Login]\nRemoveIPC=%s\n", setting);
	assert_int_equal(fclose(f), 0);
}

/* How often a mount with @options says that objects are removed. */
static int count_warnings(const char *options)
{
	struct outcome o = daemon_run("-o", io_option(), "-o", options, MOUNT_DIR);
	int status, n = 0;

	assert_int_equal(o.status, 0);
	must(umount2(MOUNT_DIR, 0));
	/* It went to the background, and is ours since. */
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
	for (const char *at = o.err; (at = strstr(at, "RemoveIPC=")); at++)
		n++;
	return n;
}

static void test_logind_removes(void **state)
{
	(void)state;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	have_logind("yes");
	assert_int_equal(count_warnings("rw"), 1);
	assert_int_equal(count_warnings("kind=all"), 1);
	/* What is not the users' is not removed, nor what other namespaces have. */
	if (mount_privileged())
		assert_int_equal(count_warnings("allow_root"), 0);
	assert_int_equal(count_warnings("shm_dir=" PLAIN_DIR), 0);
	must(umount2("/run", 0));
}

static void test_logind_leaves(void **state)
{
	(void)state;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	have_logind("no");
	assert_int_equal(count_warnings("rw"), 0);
	must(umount2("/run", 0));
	/* And where there is no logind. */
	assert_int_equal(count_warnings("rw"), 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_manager_with_a_path),
		mount_test_unmounted(test_manager_with_an_abstract_name),
		mount_test_unmounted(test_manager_of_a_failure),
		mount_test_unmounted(test_logind_removes),
		mount_test_unmounted(test_logind_leaves),
	};

	return cmocka_run_group_tests_name("manager", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(30, run);
}
