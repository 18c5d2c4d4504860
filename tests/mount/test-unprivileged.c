/* SPDX-License-Identifier: MIT */
/*
 * An ordinary user mounts for herself: it works, and is of no use against anybody.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
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
#include "ordinary.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };

static bool is_mounted(const char *dir)
{
	_cleanup_free_ char *entry = mount_entry(dir);

	return entry != NULL;
}

/* Her daemon, which is our child. */
static pid_t her_daemon(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	pid_t pid = 0;

	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d", &pid), 1);
	fclose(children);
	return pid;
}

static void mount_hers(const char *options)
{
	struct outcome o;

	person_needs_root();
	ordinary_allow();
	o = ordinary_mount(options);
	if (o.status != 0)
		fail_msg("she cannot mount: %s", o.err);
}

static void unmount_hers(void)
{
	ordinary_unmount();
	ordinary_disallow();
}

#define TRY(expr)                      \
	do {                           \
		if ((expr) < 0)        \
			return -errno; \
	} while (0)

static int use_data(int fd)
{
	char text[5] = "";
	struct stat st;

	TRY(write(fd, "hello", 5));
	TRY(pread(fd, text, 4, 1));
	TRY(ftruncate(fd, 10000));
	TRY(posix_fallocate(fd, 0, 20000));
	TRY(fstat(fd, &st));
	if (strcmp(text, "ello") != 0 || st.st_size != 20000 || st.st_uid != getuid())
		return -EIO;
	/* Without passthrough nothing is shared that would not be the object. */
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED ||
	    errno != ENODEV)
		return -EIO;
	return 0;
}

static int use_locks(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	int other = open(USER_DIR "/a", O_RDWR | O_CLOEXEC);

	TRY(other);
	TRY(fcntl(fd, F_SETLK, &lock));
	TRY(flock(fd, LOCK_EX));
	if (flock(other, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return -EIO;
	return close(other) < 0 ? -errno : 0;
}

static int use_names(void)
{
	char value[4];

	TRY(chmod(USER_DIR "/a", 0640));
	TRY(setxattr(USER_DIR "/a", "user.x", "y", 1, 0));
	TRY(getxattr(USER_DIR "/a", "user.x", value, sizeof(value)));
	TRY(rename(USER_DIR "/a", USER_DIR "/b"));
	if (sandbox_count_entries(USER_DIR) != 2 || access(USER_DIR "/a", F_OK) == 0)
		return -EIO;
	return unlink(USER_DIR "/b") < 0 ? -errno : 0;
}

static int use(const void *arg)
{
	int fd = open(USER_DIR "/a", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	(void)arg;
	TRY(fd);
	r = use_data(fd);
	if (r == 0)
		r = use_locks(fd);
	if (r == 0)
		r = use_names();
	/* Root's is not hers here, either. */
	if (r == 0 &&
	    (open(USER_DIR "/roots", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES))
		r = -EIO;
	return r;
}

static void test_use(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "roots", 0600, "secret");
	mount_hers(NULL);
	assert_int_equal(person_do(&ordinary_user, use, NULL), 0);
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
	unmount_hers();
}

static int enter(const void *arg)
{
	struct stat st;

	(void)arg;
	if (stat(USER_DIR, &st) == 0 || errno != EACCES)
		return -EIO;
	if (open(USER_DIR "/roots", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return -EIO;
	return chdir(USER_DIR) == 0 || errno != EACCES ? -EIO : 0;
}

/* Her daemon could make them wait for as long as she likes: it is not asked. */
static void test_others_do_not_get_in(void **state)
{
	pid_t pid;

	(void)state;
	file_make(NATIVE_DIR, "roots", 0666, "");
	mount_hers(NULL);
	pid = mount_kept(her_daemon());
	must(kill(pid, SIGSTOP));
	assert_int_equal(person_do(&bob, enter, NULL), 0);
	assert_int_equal(person_do(NULL, enter, NULL), 0);
	must(kill(pid, SIGCONT));
	unmount_hers();
}

static int open_roots(const void *arg)
{
	int fd = open(USER_DIR "/roots", O_RDONLY | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? -errno : close(fd);
}

/* Where the machine lets users let others in, those get no right of hers. */
static void test_allowed_others(void **state)
{
	struct outcome o;

	(void)state;
	person_needs_root();
	ordinary_allow();
	file_make(NATIVE_DIR, "roots", 0666, "");
	file_make(SCRATCH_DIR, "fuse.conf", 0644, "user_allow_other\n");
	must(mount(SCRATCH_DIR "/fuse.conf", "/etc/fuse.conf", NULL, MS_BIND, NULL));
	o = ordinary_mount("allow_other");
	if (o.status != 0)
		fail_msg("she cannot let others in: %s", o.err);
	assert_int_equal(person_do(&ordinary_user, open_roots, NULL), 0);
	assert_int_equal(person_do(&bob, open_roots, NULL), -EACCES);
	assert_int_equal(person_do(NULL, open_roots, NULL), 0);
	must(chmod(NATIVE_DIR "/roots", 0600));
	assert_int_equal(person_do(NULL, open_roots, NULL), -EACCES);
	must(umount2("/etc/fuse.conf", MNT_DETACH));
	must(unlink(SCRATCH_DIR "/fuse.conf"));
	unmount_hers();
}

/* One line, status 1 or 2, nothing mounted and nobody left. */
static void expect_refusal(struct outcome o, const char *what, const char *why)
{
	const char *end = strchr(o.err, '\n');

	if (o.status != 1 && o.status != 2)
		fail_msg("%s: status %d: %s", what, o.status, o.err);
	if (!end || end[1] || !strstr(o.err, why))
		fail_msg("%s: not one line about '%s': %s", what, why, o.err);
	if (is_mounted(USER_DIR) || waitpid(-1, NULL, 0) >= 0 || errno != ECHILD)
		fail_msg("%s: something is left", what);
}

static void test_options(void **state)
{
	static const char own[] = "kind=sysv,ipcns=/proc/self/ns/ipc";
	char ipcns[64];
	const struct {
		const char *options, *why;
	} refused[] = {
		{ "allow_other", "user_allow_other" },
		{ "allow_root", "user_allow_other" },
		{ "passthrough=require", "passthrough=require" },
		{ "shm_dir=" SCRATCH_DIR "/roots", "Permission denied" },
		{ ipcns, "not permitted" },
		{ own, "not permitted" },
	};

	(void)state;
	person_needs_root();
	ordinary_allow();
	must(mkdir(SCRATCH_DIR "/roots", 0700));
	snprintf(ipcns, sizeof(ipcns), "kind=sysv,ipcns=%d", (int)getpid());
	for (size_t i = 0; i < COUNT(refused); i++)
		expect_refusal(ordinary_mount(refused[i].options), refused[i].options,
			       refused[i].why);
	must(rmdir(SCRATCH_DIR "/roots"));
	ordinary_disallow();
}

static struct outcome mount_on(const char *dir)
{
	const char *const argv[] = { getenv("SHMFS_DAEMON"), dir, NULL };

	return command_run(&ordinary_user, argv);
}

static void test_mount_points_of_others(void **state)
{
	(void)state;
	person_needs_root();
	ordinary_allow();
	must(mkdir(SCRATCH_DIR "/roots", 0700));
	must(mkdir(SCRATCH_DIR "/roots/dir", 0777));
	must(symlink(PLAIN_DIR, USER_DIR "/link"));
	must(chmod(PLAIN_DIR, 0755));
	expect_refusal(mount_on(PLAIN_DIR), "root's directory", "no write access");
	expect_refusal(mount_on(USER_DIR "/link"), "a link to it", "no write access");
	expect_refusal(mount_on(SCRATCH_DIR "/roots/dir"), "a hidden one",
		       "Permission denied");
	expect_refusal(mount_on("/proc/self/fd"), "procfs", "");
	assert_false(is_mounted(SCRATCH_DIR "/roots/dir"));
	must(chmod(PLAIN_DIR, 01777));
	/* Sticky, and not hers. */
	expect_refusal(mount_on(PLAIN_DIR), "a sticky directory", "");
	must(unlink(USER_DIR "/link"));
	must(rmdir(SCRATCH_DIR "/roots/dir"));
	must(rmdir(SCRATCH_DIR "/roots"));
	ordinary_disallow();
}

#define SPOT USER_DIR "/spot"
#define LINK USER_DIR "/link"

/* Until it is killed: the mount point and a link to root's take turns. */
static int swap(const void *arg)
{
	(void)arg;
	for (;;)
		renameat2(AT_FDCWD, SPOT, AT_FDCWD, LINK, RENAME_EXCHANGE);
	return 0;
}

static void reap_all(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* A mount is on her directory, if there is one, whatever that is called by now. */
static void expect_none_on_roots(void)
{
	_cleanup_free_ char *entry = mount_entry(PLAIN_DIR);

	assert_non_null(strstr(entry, " tmpfs "));
	assert_int_equal(file_stat(SCRATCH_DIR, "plain").st_uid, 0);
}

static void remove_both(void)
{
	umount2(SPOT, MNT_DETACH | UMOUNT_NOFOLLOW);
	umount2(LINK, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (unlink(LINK) == 0)
		return;
	must(unlink(SPOT));
	must(rename(LINK, SPOT));
}

static void test_mount_point_is_swapped(void **state)
{
	pid_t swapper;

	(void)state;
	person_needs_root();
	ordinary_allow();
	must(mkdir(SPOT, 0755));
	must(chown(SPOT, ordinary_user.uid, ordinary_user.gid));
	must(chmod(PLAIN_DIR, 0755));
	for (int i = 0; i < 12; i++) {
		must(symlink(PLAIN_DIR, LINK));
		swapper = person_start(&ordinary_user, swap, NULL);
		mount_on(SPOT);
		must(kill(swapper, SIGKILL));
		must(waitpid(swapper, NULL, 0));
		expect_none_on_roots();
		remove_both();
		reap_all();
	}
	must(rmdir(SPOT));
	ordinary_disallow();
}

static struct outcome run_id(const char *dir)
{
	const char *const argv[] = { at(dir, "id"), "-u", NULL };

	return command_run(&ordinary_user, argv);
}

/* What is root's to run and to open natively is not on her mount, whatever she asks for:
 * mount(8) may ask for it by itself, so it is no error. */
static void test_set_id_and_devices(void **state)
{
	const char *const copy[] = { "cp", "/usr/bin/id", NATIVE_DIR "/id", NULL };
	_cleanup_free_ char *entry = NULL;

	(void)state;
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, NULL));
	mount_hers("suid,dev");
	assert_int_equal(command_run(NULL, copy).status, 0);
	must(chmod(NATIVE_DIR "/id", 04755));
	must(mknod(NATIVE_DIR "/zero", S_IFCHR | 0666, makedev(1, 5)));
	assert_string_equal(run_id(NATIVE_DIR).out, "0\n");
	assert_string_equal(run_id(USER_DIR).out, "1000\n");
	entry = mount_entry(USER_DIR);
	assert_non_null(strstr(entry, "nosuid"));
	assert_non_null(strstr(entry, "nodev"));
	unmount_hers();
}

/* With what would replace it. Objects stay, the mount goes as any other of hers. */
static void test_killed_daemon(void **state)
{
	static const char *const argv[] = { "fusermount3", "-u", USER_DIR, NULL };
	pid_t keeper, pid;

	(void)state;
	mount_hers(NULL);
	file_make(NATIVE_DIR, "hers", 0666, "text");
	keeper = her_daemon();
	pid = mount_kept(keeper);
	assert_int_not_equal(pid, keeper);
	must(kill(keeper, SIGKILL));
	must(kill(pid, SIGKILL));
	reap_all();
	assert_int_equal(person_do(&ordinary_user, open_roots, NULL), -ENOTCONN);
	assert_int_equal(command_run(&ordinary_user, argv).status, 0);
	assert_false(is_mounted(USER_DIR));
	file_expect(NATIVE_DIR, "hers", "text");
	ordinary_disallow();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_use),
		mount_test_unmounted(test_others_do_not_get_in),
		mount_test_unmounted(test_allowed_others),
		mount_test_unmounted(test_options),
		mount_test_unmounted(test_mount_points_of_others),
		mount_test_unmounted(test_mount_point_is_swapped),
		mount_test_unmounted(test_set_id_and_devices),
		mount_test_unmounted(test_killed_daemon),
	};

	return cmocka_run_group_tests_name("unprivileged", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
