/* SPDX-License-Identifier: MIT */
/*
 * One daemon for each test, so that a test that fails spoils nothing for the next, and
 * the daemon's leaks and complaints belong to the test that caused them. Its stderr goes
 * to a memory file: a pipe that nobody drains would stop a talkative daemon.
 */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"
#include "watchdog.h"

#define NOTIFY_PATH SCRATCH_DIR "/notify"
#define DAEMON_PATH SCRATCH_DIR "/shmfs"
#define ARGS_MAX    32

static struct {
	pid_t pid; /* 0: none */
	int log;   /* the same for all daemons, so that no test counts it as its own */
	unsigned int fds;  /* that the test process had before the test */
	bool debug;        /* -d */
	const char *says;  /* a complaint that is none; NULL: all are */
	struct rlimit may; /* have descriptors; 0: as many as we */
} daemon_state;

bool mount_passthrough(void)
{
	const char *io = getenv("SHMFS_TEST_IO");

	return !io || strcmp(io, "direct") != 0;
}

bool mount_privileged(void)
{
	unsigned int inside = 1, outside = 1, count = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");

	if (!map)
		return false;
	if (fscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
		count = 0;
	fclose(map);
	return geteuid() == 0 && inside == 0 && outside == 0 && count == UINT32_MAX;
}

bool mount_running(void)
{
	return daemon_state.pid != 0;
}

pid_t mount_keeper(void)
{
	return daemon_state.pid;
}

/* "" where there is no such process. */
static void name_of(pid_t pid, char name[16])
{
	char path[64];
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	comm = fopen(path, "re");
	if (!comm || fscanf(comm, "%15s", name) != 1)
		name[0] = '\0';
	if (comm)
		fclose(comm);
}

pid_t mount_kept(pid_t keeper)
{
	char path[64], name[16];
	pid_t pid, found = 0;
	FILE *children;

	name_of(keeper, name);
	if (strcmp(name, "shmfs-keeper") != 0)
		return keeper;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)keeper,
		 (int)keeper);
	children = fopen(path, "re");
	while (children && fscanf(children, "%d", &pid) == 1) {
		name_of(pid, name);
		if (strcmp(name, "shmfs") == 0)
			found = pid;
	}
	if (children)
		fclose(children);
	return found;
}

pid_t mount_pid(void)
{
	return mount_kept(daemon_state.pid);
}

char *mount_log(void)
{
	struct stat st;
	char *text;

	must(fstat(daemon_state.log, &st));
	text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(text);
	must(pread(daemon_state.log, text, (size_t)st.st_size, 0));
	return text;
}

/* Where the daemon announces that it is ready. */
static int notify_listen(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY_PATH };
	_cleanup_close_ int fd = must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	unlink(NOTIFY_PATH);
	must(bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	return take_fd(&fd);
}

static bool is_mounted(void)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	return entry != NULL;
}

static bool is_ready(int notify)
{
	char text[512] = "";

	if (!HAVE_SYSTEMD)
		return is_mounted();
	if (recv(notify, text, sizeof(text) - 1, MSG_DONTWAIT) < 0)
		return false;
	return strstr(text, "READY=1") != NULL;
}

/* Awaits readiness, or fails the test when the daemon ends instead. */
static void await_ready(int notify)
{
	_cleanup_close_ int exited =
		must((int)syscall(SYS_pidfd_open, daemon_state.pid, 0));
	_cleanup_close_ int mounts =
		must(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
	struct pollfd fds[] = {
		{ .fd = notify, .events = POLLIN },
		{ .fd = exited, .events = POLLIN },
		{ .fd = mounts, .events = POLLPRI },
	};

	while (!is_ready(notify)) {
		must(poll(fds, 3, -1));
		if (fds[1].revents) {
			mount_reap();
			fail_msg("the daemon ended before it was ready");
		}
	}
}

static void split(char *words, char **argv, size_t *n)
{
	char *rest = NULL;

	for (char *word = strtok_r(words, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest))
		if (*n < ARGS_MAX - 8)
			argv[(*n)++] = word;
}

static _Noreturn void exec_daemon(const char *options)
{
	const char *wrapper = getenv("SHMFS_TEST_WRAPPER");
	char *words = strdup(wrapper ? wrapper : "");
	char *argv[ARGS_MAX] = { NULL };
	size_t n = 0;

	split(words, argv, &n);
	argv[n++] = getenv("SHMFS_DAEMON");
	argv[n++] = (char *)MOUNT_DIR;
	argv[n++] = daemon_state.debug ? (char *)"-d" : (char *)"-f";
	argv[n++] = (char *)"-o";
	argv[n++] = (char *)options;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NOTIFY_SOCKET", NOTIFY_PATH, 1);
	/* It would touch all of each buffer, and buffers are large: tests weigh memory.
	 */
	unsetenv("MALLOC_PERTURB_");
	if (daemon_state.may.rlim_max > 0)
		must(setrlimit(RLIMIT_NOFILE, &daemon_state.may));
	dup2(daemon_state.log, STDERR_FILENO);
	execvp(argv[0], argv);
	fprintf(stderr, "cannot run %s: error: %s\n", argv[0], strerror(errno));
	_exit(127);
}

void mount_start(const char *options)
{
	_cleanup_close_ int notify = notify_listen();
	_cleanup_free_ char *all = NULL;
	bool own = options && strstr(options, "passthrough=");
	const char *more = getenv("SHMFS_TEST_OPTIONS");

	assert_false(mount_running());
	assert_true(asprintf(&all, "%s%s%s%s%s", more ? more : "", more ? "," : "",
			     options ? options : "", options && !own ? "," : "",
			     own                   ? ""
			     : mount_passthrough() ? "passthrough=require"
						   : "passthrough=off") > 0);
	must(ftruncate(daemon_state.log, 0));
	must(lseek(daemon_state.log, 0, SEEK_SET));
	daemon_state.pid = must(fork());
	if (daemon_state.pid == 0)
		exec_daemon(all);
	await_ready(notify);
}

void mount_limit_fds(unsigned int soft, unsigned int hard)
{
	daemon_state.may = (struct rlimit){ .rlim_cur = soft, .rlim_max = hard };
}

void mount_log_requests(void)
{
	daemon_state.debug = true;
}

void mount_may_say(const char *text)
{
	daemon_state.says = text;
}

/* Valgrind tells so of system calls that it does not know; its errors look otherwise. */
static bool is_remark(const char *line)
{
	return line[0] == '-' && line[1] == '-';
}

/*
 * The first line of the log that a good run does not have, to be freed, or NULL. What a
 * request was answered with is no complaint.
 */
static char *find_complaint(void)
{
	static const char pattern[] = "error|warning|fail|assert|==[0-9]+==|sanitizer";
	char *log = mount_log();
	char *rest = NULL;
	char *found = NULL;
	regex_t suspicious;

	assert_int_equal(
		regcomp(&suspicious, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
	for (char *line = strtok_r(log, "\n", &rest); line && !found;
	     line = strtok_r(NULL, "\n", &rest))
		if (!strstr(line, "unique: ") && !is_remark(line) &&
		    !(daemon_state.says && strstr(line, daemon_state.says)) &&
		    regexec(&suspicious, line, 0, NULL, 0) == 0)
			found = strdup(line);
	regfree(&suspicious);
	free(log);
	return found;
}

static void check_end(int status)
{
	_cleanup_free_ char *complaint = find_complaint();
	_cleanup_free_ char *log = mount_log();

	if (status == 0 && !complaint)
		return;
	print_error("the daemon's log:\n%s", log);
	if (status != 0)
		fail_msg("the daemon ended with status %#x", (unsigned int)status);
	fail_msg("the daemon complained: %s", complaint);
}

void mount_reap(void)
{
	pid_t pid = daemon_state.pid;
	int status = 0;

	assert_true(mount_running());
	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	daemon_state.pid = 0;
	check_end(status);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
	return info.si_pid == pid;
}

void mount_await_other(pid_t pid)
{
	for (;;) {
		pid_t now = mount_pid();

		if (now != 0 && now != pid)
			return;
		if (has_ended(daemon_state.pid)) {
			mount_reap();
			fail_msg("the keeper ended, and no daemon took over");
		}
		poll(NULL, 0, 1);
	}
}

void mount_replace(int number)
{
	pid_t pid = mount_pid();

	assert_int_not_equal(pid, 0);
	assert_int_not_equal(pid, mount_keeper());
	must(kill(pid, number));
	mount_await_other(pid);
}

void mount_forget(void)
{
	daemon_state.pid = 0;
}

void mount_stop(void)
{
	must(umount2(MOUNT_DIR, 0));
	mount_reap();
}

/* Away with a daemon whose mount is busy or stuck: the test has failed by then. */
static void kill_daemon(void)
{
	pid_t pid;

	umount2(MOUNT_DIR, MNT_DETACH);
	if (!mount_running())
		return;
	pid = mount_pid();
	kill(daemon_state.pid, SIGKILL);
	if (pid > 0)
		kill(pid, SIGKILL);
	waitpid(daemon_state.pid, NULL, 0);
	daemon_state.pid = 0;
}

int mount_setup_dirs(void **state)
{
	(void)state;
	daemon_state.fds = sandbox_count_fds();
	mount_limit_fds(0, 0);
	daemon_state.debug = false;
	daemon_state.says = NULL;
	sandbox_tmpfs(NATIVE_DIR, "mode=1777");
	sandbox_tmpfs(PLAIN_DIR, "mode=1777");
	return 0;
}

int mount_setup(void **state)
{
	mount_setup_dirs(state);
	mount_start(NULL);
	return 0;
}

static bool unmount(void)
{
	if (!mount_running())
		return true;
	if (umount2(MOUNT_DIR, 0) == 0)
		return true;
	print_error("unmounting: %s\n", strerror(errno));
	kill_daemon();
	return false;
}

int mount_teardown(void **state)
{
	unsigned int fds = sandbox_count_fds();
	bool unmounted;

	(void)state;
	if (fds > daemon_state.fds)
		close_range((unsigned int)daemon_state.log + 1, ~0U, 0);
	unmounted = unmount();
	umount2(PLAIN_DIR, MNT_DETACH);
	umount2(NATIVE_DIR, MNT_DETACH);
	if (mount_running())
		mount_reap();
	assert_true(unmounted);
	assert_false(is_mounted());
	assert_int_equal(fds, daemon_state.fds);
	return 0;
}

static void cannot(const char *why)
{
	const char *require = getenv("SHMFS_REQUIRE_MOUNT");

	fprintf(stderr, "mount: %s\n", why);
	exit(require && !strcmp(require, "1") ? 1 : SANDBOX_SKIP);
}

static bool kernel_has_passthrough(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 9);
}

static void check_machine(void)
{
	_cleanup_close_ int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fuse < 0)
		cannot("no /dev/fuse that can be opened");
	/* In a user namespace there is one user, no passthrough and nobody to become. */
	if (!mount_privileged())
		cannot("needs root in the initial user namespace");
	if (mount_passthrough() && !kernel_has_passthrough())
		cannot("passthrough needs Linux 6.9");
}

/*
 * Other users run the daemon, too, and the tree may be where they may not enter, such as
 * below root's home. So everybody runs a copy of it.
 */
static void copy_daemon(int from)
{
	_cleanup_close_ int to =
		open(DAEMON_PATH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n;

	do
		n = sendfile(to, from, NULL, INT_MAX);
	while (n > 0);
	if (n < 0 || setenv("SHMFS_DAEMON", DAEMON_PATH, 1) < 0) {
		perror("mount: " DAEMON_PATH);
		exit(1);
	}
}

static void make_surroundings(void)
{
	_cleanup_close_ int daemon = open(getenv("SHMFS_DAEMON"), O_RDONLY | O_CLOEXEC);

	if (daemon < 0) {
		perror(getenv("SHMFS_DAEMON"));
		exit(1);
	}
	umask(0);
	sandbox_tmpfs(SCRATCH_DIR, "mode=755");
	if (mkdir(MOUNT_DIR, 0755) < 0 || mkdir(PLAIN_DIR, 0755) < 0) {
		perror("mount: " SCRATCH_DIR);
		exit(1);
	}
	umask(022);
	copy_daemon(daemon);
	daemon_state.log = memfd_create("log", MFD_CLOEXEC);
	if (daemon_state.log < 0) {
		perror("mount: memfd_create");
		exit(1);
	}
}

int mount_main(unsigned int seconds, int (*run)(void))
{
	if (!getenv("SHMFS_DAEMON")) {
		fprintf(stderr, "mount: SHMFS_DAEMON must name the daemon\n");
		return 1;
	}
	sandbox_enter();
	check_machine();
	make_surroundings();
	return watchdog_run(seconds, run);
}
