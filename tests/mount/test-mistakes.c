/* SPDX-License-Identifier: MIT */
/*
 * The mistakes that people make first, and the lines that they read then, word for word:
 * those of shmfs say what happened and what to do about it, those of other programs are
 * what its pages explain.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "daemon/backing.h"
#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "sandbox.h"
#include "util/cleanup.h"

/* Runs a command as we are. */
#define run_command(...) command_run(NULL, (const char *const[]){ __VA_ARGS__, NULL })
/* What the daemon says to her. */
#define ordinary_run(...)           \
	command_run(&ordinary_user, \
		    (const char *const[]){ getenv("SHMFS_DAEMON"), __VA_ARGS__, NULL })

/* It has ended with @status and said @err, and nothing else. */
static void said(struct outcome o, int status, const char *err)
{
	if (o.status != status || strcmp(o.err, err) != 0 || o.out[0] != '\0')
		fail_msg("status %d (not %d) and\n%s%s(not)\n%s", o.status, status, o.err,
			 o.out, err);
}

/* The same, and nothing is mounted. */
static void refuses(struct outcome o, int status, const char *err)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	said(o, status, err);
	assert_null(entry);
	while (waitpid(-1, NULL, 0) > 0)
		; /* what that left to be adopted */
}

/* The end of a daemon in the background, which must be a good one. */
static void unmount_from(const char *dir)
{
	int status = -1;

	said(run_command("umount", dir), 0, "");
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
}

static void unmount(void)
{
	unmount_from(MOUNT_DIR);
}

static void test_mount_point(void **state)
{
	(void)state;
	refuses(daemon_run("/mnt/none"), 1,
		"shmfs: mount point '/mnt/none' does not exist: make it first (mkdir -p)\n");
	file_make(SCRATCH_DIR, "file", 0600, "");
	refuses(daemon_run("/mnt/file"), 1,
		"shmfs: mount point '/mnt/file' is not a directory\n");
	must(unlink("/mnt/file"));
	refuses(daemon_run("-f"), 2,
		"shmfs: no mount point given; usage: shmfs [SOURCE] MOUNTPOINT [-o "
		"OPTION,...]\n");
	refuses(daemon_run("/dev/shm"), 1,
		"shmfs: '/dev/shm' is what would be shown: mount it on another directory\n");
}

static void test_options(void **state)
{
	(void)state;
	refuses(daemon_run(MOUNT_DIR, "-o", "passthru=auto"), 2,
		"shmfs: unknown option 'passthru=auto': see 'shmfs --help' for those there "
		"are\n");
	refuses(daemon_run(MOUNT_DIR, "--kind=sysv"), 2,
		"shmfs: unknown option '--kind=sysv': see 'shmfs --help' for those there "
		"are\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "kind=sys"), 2,
		"shmfs: kind=sys: must be posix, sysv or all\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "passthrough=yes"), 2,
		"shmfs: passthrough=yes: must be auto, require or off\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "coherence="), 2,
		"shmfs: coherence=: must be strict or notify\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "restart=always"), 2,
		"shmfs: restart=always: must be crash or no\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "poll=5000"), 2,
		"shmfs: poll=5000: must be 0 to 1000 microseconds\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "max_read=1M"), 2,
		"shmfs: max_read=1M: must be 0 to 4294967295 bytes\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "shm_dir="), 2,
		"shmfs: shm_dir=: must be the directory of a tmpfs\n");
	refuses(daemon_run("kind=sysv", MOUNT_DIR), 2,
		"shmfs: 'kind=sysv' is an option: put -o before it\n");
	refuses(daemon_run(MOUNT_DIR, "kind=sysv"), 2,
		"shmfs: 'kind=sysv' is an option: put -o before it\n");
	refuses(daemon_run("ro", MOUNT_DIR), 2,
		"shmfs: 'ro' is an option: put -o before it\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "passthrough"), 2,
		"shmfs: option 'passthrough' needs a value: see 'shmfs --help'\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "remount,ro"), 1,
		"shmfs: no shmfs is mounted on '/mnt/shm'\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "shm_dir=/proc"), 1,
		"shmfs: shm_dir=/proc: Invalid argument: it must be the directory of a "
		"tmpfs\n");
	refuses(daemon_run(MOUNT_DIR, "-o", "kind=sysv,ipcns=999999999"), 1,
		"shmfs: ipcns=999999999: there is no such process\n");
}

static void test_not_root(void **state)
{
	(void)state;
	ordinary_allow();
	refuses(ordinary_run(MOUNT_DIR), 1,
		"shmfs: cannot mount on '/mnt/shm': fusermount3: user has no write access "
		"to mountpoint /mnt/shm: mount on a directory of your own, or as root\n");
	must(chmod("/dev/fuse", 0600));
	refuses(ordinary_run(USER_DIR), 1,
		"shmfs: cannot mount on '/mnt/alice': failed to open /dev/fuse: Permission "
		"denied: mount as root, or let users open it (chmod 666 /dev/fuse)\n");
	ordinary_disallow();
}

/* She may mount, but what the kernel grants to root alone she does without. */
static void test_not_root_but_mounted(void **state)
{
	(void)state;
	ordinary_allow();
	refuses(ordinary_run(USER_DIR, "-o", "passthrough=require"), 1,
		"shmfs: passthrough=require: not permitted: it needs CAP_SYS_ADMIN and "
		"Linux 6.9 or later\n");
	said(ordinary_mount(NULL), 0,
	     "shmfs: /dev/shm on /mnt/alice: direct (not permitted: it needs CAP_SYS_ADMIN "
	     "and Linux 6.9 or later); shared mappings are refused (ENODEV)\n");
	ordinary_unmount();
	ordinary_disallow();
}

/* What /dev/fuse is while the module is not loaded: there are such numbers, no device. */
static void test_no_module(void **state)
{
	(void)state;
	must(mount("dev", PLAIN_DIR, "tmpfs", 0, NULL));
	must(mknod(PLAIN_DIR "/fuse", S_IFCHR | 0666, makedev(10, 99)));
	must(mount(PLAIN_DIR "/fuse", "/dev/fuse", NULL, MS_BIND, NULL));
	refuses(daemon_run(MOUNT_DIR), 1,
		"shmfs: cannot mount on '/mnt/shm': there is no /dev/fuse: modprobe fuse, or "
		"give it to the container\n");
	must(umount2("/dev/fuse", MNT_DETACH));
	must(umount2(PLAIN_DIR, MNT_DETACH));
}

/* As in a container that has root and the device, but may not mount. */
static void test_no_capability(void **state)
{
	(void)state;
	refuses(run_command("setpriv", "--bounding-set", "-sys_admin", "--inh-caps",
			    "-sys_admin", getenv("SHMFS_DAEMON"), MOUNT_DIR),
		1,
		"shmfs: cannot mount on '/mnt/shm': fusermount3: mount failed: Operation "
		"not permitted: mounting takes root, and in a container CAP_SYS_ADMIN\n");
}

/* To be a daemon on a kernel before 6.9: it has no such ioctl. */
static int run_on_old_kernel(const void *arg)
{
	const char *const argv[] = { getenv("SHMFS_DAEMON"), MOUNT_DIR, NULL };
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)BACKING_OPEN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	dup2(*(const int *)arg, STDERR_FILENO);
	execv(argv[0], (char *const *)argv);
	return -errno;
}

/* It is mounted, but its files cannot be mapped shared, which is better than wrongly. */
static void map_refused(void)
{
	_cleanup_close_ int fd = -1;
	char io[32] = "";

	file_make(MOUNT_DIR, "a", 0600, "text");
	file_expect(NATIVE_DIR, "a", "text");
	must(getxattr(MOUNT_DIR "/a", "user.shmfs.io", io, sizeof(io) - 1));
	assert_string_equal(io, "direct");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	refused((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
}

static void test_old_kernel(void **state)
{
	_cleanup_close_ int err = must(memfd_create("err", MFD_CLOEXEC));
	struct outcome o = { 0 };

	(void)state;
	o.status = -person_do(NULL, run_on_old_kernel, &err);
	must(pread(err, o.err, sizeof(o.err) - 1, 0));
	said(o, 0,
	     "shmfs: /dev/shm on /mnt/shm: direct (this kernel does not have it: it needs "
	     "Linux 6.9 or later); shared mappings are refused (ENODEV)\n");
	map_refused();
	unmount();
}

/* Who asked for it needs not be told. */
static void test_direct(void **state)
{
	(void)state;
	said(daemon_run(MOUNT_DIR, "-o", "passthrough=off"), 0, "");
	map_refused();
	unmount();
}

static void test_full(void **state)
{
	(void)state;
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "size=1m"));
	mount_start("reserve");
	said(run_command("dd", "if=/dev/zero", "of=/mnt/shm/a", "bs=1M", "count=2",
			 "status=none"),
	     1, "dd: error writing '/mnt/shm/a': No space left on device\n");
	said(run_command("truncate", "-s", "2M", "/mnt/shm/b"), 1,
	     "truncate: failed to truncate '/mnt/shm/b' at 2097152 bytes: No space left on "
	     "device\n");
}

static void test_names(void **state)
{
	char path[300], line[400];

	(void)state;
	mount_start(NULL);
	snprintf(path, sizeof(path), "/mnt/shm/%0256d", 0);
	snprintf(line, sizeof(line), "touch: cannot touch '%s': File name too long\n",
		 path);
	said(run_command("touch", path), 1, line);
	said(run_command("mkdir", "/mnt/shm/a"), 1,
	     "mkdir: cannot create directory '/mnt/shm/a': Operation not permitted\n");
	/* There may be one natively: it is no shared memory. */
	must(mkdir(NATIVE_DIR "/a", 0755));
	said(run_command("ls", MOUNT_DIR), 0, "");
	said(run_command("ls", "/mnt/shm/a"), 2,
	     "ls: cannot access '/mnt/shm/a': No such file or directory\n");
}

static void test_busy(void **state)
{
	int fd;

	(void)state;
	said(daemon_run(MOUNT_DIR, "-o", "passthrough=off"), 0, "");
	said(daemon_run(MOUNT_DIR), 1,
	     "shmfs: shmfs is mounted on '/mnt/shm' already: unmount it first (umount)\n");
	file_make(MOUNT_DIR, "a", 0600, "");
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	said(run_command("umount", MOUNT_DIR), 32, "umount: /mnt/shm: target is busy.\n");
	close_fd(fd);
	unmount();
}

#define COVERED SCRATCH_DIR "/covered"

/* What another mount hides is not there: nobody could unmount it. */
static void test_hidden(void **state)
{
	(void)state;
	must(mkdir(COVERED, 0755));
	must(mkdir(COVERED "/shm", 0755));
	said(daemon_run(COVERED "/shm", "-o", "passthrough=off"), 0, "");
	sandbox_tmpfs(COVERED, "mode=755");
	must(mkdir(COVERED "/shm", 0755));
	said(daemon_run(COVERED "/shm", "-o", "passthrough=off"), 0, "");
	unmount_from(COVERED "/shm");
	must(umount2(COVERED, 0));
	unmount_from(COVERED "/shm");
	must(rmdir(COVERED "/shm"));
	must(rmdir(COVERED));
}

/* All that there is of the daemon; what it made is adopted by us, and killed too. */
static void kill_daemon(void)
{
	char pid[16];

	do {
		FILE *children = fopen("/proc/thread-self/children", "re");

		assert_non_null(children);
		while (fscanf(children, "%15s", pid) == 1)
			must(kill((pid_t)strtol(pid, NULL, 10), SIGKILL));
		fclose(children);
	} while (waitpid(-1, NULL, 0) > 0);
}

static void test_killed_daemon(void **state)
{
	(void)state;
	said(daemon_run(MOUNT_DIR, "-o", "passthrough=off"), 0, "");
	kill_daemon();
	said(run_command("ls", MOUNT_DIR), 2,
	     "ls: cannot access '/mnt/shm': Transport endpoint is not connected\n");
	said(daemon_run(MOUNT_DIR), 1,
	     "shmfs: on '/mnt/shm' is a mount whose daemon is dead: unmount it first "
	     "(umount)\n");
	said(run_command("umount", MOUNT_DIR), 0, "");
	said(daemon_run(MOUNT_DIR, "-o", "passthrough=off"), 0, "");
	unmount();
}

/* What the kernel has cached of the mount does not hide that. */
static void test_killed_daemon_while_cached(void **state)
{
	(void)state;
	said(daemon_run(MOUNT_DIR, "-o", "passthrough=off,coherence=notify"), 0, "");
	file_stat(SCRATCH_DIR, "shm");
	kill_daemon();
	said(daemon_run(MOUNT_DIR), 1,
	     "shmfs: on '/mnt/shm' is a mount whose daemon is dead: unmount it first "
	     "(umount)\n");
	said(run_command("umount", MOUNT_DIR), 0, "");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_mount_point),
		mount_test_unmounted(test_options),
		mount_test_unmounted(test_not_root),
		mount_test_unmounted(test_not_root_but_mounted),
		mount_test_unmounted(test_no_module),
		mount_test_unmounted(test_no_capability),
		mount_test_unmounted(test_old_kernel),
		mount_test_unmounted(test_direct),
		mount_test_unmounted(test_full),
		mount_test_unmounted(test_names),
		mount_test_unmounted(test_busy),
		mount_test_unmounted(test_hidden),
		mount_test_unmounted(test_killed_daemon),
		mount_test_unmounted(test_killed_daemon_while_cached),
	};

	/* Processes that a daemon leaves become ours; other programs speak plainly. */
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	setenv("LC_ALL", "C", 1);
	return cmocka_run_group_tests_name("mistakes", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
