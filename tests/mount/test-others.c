/* SPDX-License-Identifier: MIT */
/*
 * A mount for one user and root, to which the kernel lets everybody: nobody else gets
 * anything of it, whatever is asked for, but by what was opened and handed over.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "sandbox.h"
#include "segments.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };

/* Whose mount it is, where, and what it is mounted with. */
static const struct owner {
	const struct person *who; /* NULL: root */
	const char *dir;
	const char *options;
} owners[] = {
	{ &ordinary_user, USER_DIR, "kind=all,allow_other" },
	{ &ordinary_user, USER_DIR, "kind=all,allow_root" },
	{ NULL, MOUNT_DIR, "kind=all,allow_root" },
};

static void allow_all(void)
{
	ordinary_allow();
	file_make(SCRATCH_DIR, "fuse.conf", 0644, "user_allow_other\n");
	must(mount(SCRATCH_DIR "/fuse.conf", "/etc/fuse.conf", NULL, MS_BIND, NULL));
}

static void disallow_all(void)
{
	must(umount2("/etc/fuse.conf", MNT_DETACH));
	must(unlink(SCRATCH_DIR "/fuse.conf"));
	ordinary_disallow();
}

static struct outcome mount_for(const struct owner *o)
{
	const char *const argv[] = { getenv("SHMFS_DAEMON"), o->dir, "-o", o->options,
				     NULL };

	return command_run(o->who, argv);
}

static void unmount_of(const struct owner *o)
{
	int status = -1;

	must(umount2(o->dir, 0));
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
}

/*
 * What may be asked for by a path
 */

static const struct timespec past[2] = { { 1, 2 }, { 3, 4 } };
static struct stat st;
static struct statvfs vfs;

#define ACT(name, expr)                                 \
	static int act_##name(const char *path)         \
	{                                               \
		return errno_or(expr) < 0 ? -errno : 0; \
	}

ACT(stat, stat(path, &st))
ACT(exists, access(path, F_OK))
ACT(may_read, access(path, R_OK))
ACT(open_path, open(path, O_PATH | O_CLOEXEC))
ACT(read, open(path, O_RDONLY | O_CLOEXEC))
ACT(write, open(path, O_RDWR | O_CLOEXEC))
ACT(truncate, truncate(path, PAGE))
ACT(chmod, chmod(path, 0666))
ACT(chown, chown(path, 1001, 1001))
ACT(set_times, utimensat(AT_FDCWD, path, past, 0))
ACT(get_io, getxattr(path, "user.shmfs.io", NULL, 0))
ACT(list_xattr, listxattr(path, NULL, 0))
ACT(set_xattr, setxattr(path, "user.x", "x", 1, 0))
ACT(remove_xattr, removexattr(path, "user.x"))
ACT(rename, rename(path, path))
ACT(unlink, unlink(path))
ACT(statfs, statvfs(path, &vfs))

/* Those of files alone are the first. */
#define OF_FILES 5

static int (*const acts[])(const char *path) = {
	act_open_path,    act_write,     act_truncate, act_rename,     act_unlink,
	act_stat,         act_exists,    act_may_read, act_read,       act_chmod,
	act_chown,        act_set_times, act_get_io,   act_list_xattr, act_set_xattr,
	act_remove_xattr, act_statfs,
};

/* The number of the first act that does not come to EACCES, negative; 0: all do. */
static int try_from(size_t i, const char *path)
{
	for (; i < COUNT(acts); i++)
		if (acts[i](path) != -EACCES)
			return -(int)i - 1;
	return 0;
}

static int try_file(const void *path)
{
	return try_from(0, path);
}

static int try_directory(const void *path)
{
	return try_from(OF_FILES, path);
}

static int make_things(const void *arg)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/0x00000077", (const char *)arg);
	if (open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) >= 0 || errno != EACCES)
		return -1;
	if (mknod(path, S_IFREG | 0666, 0) == 0 || errno != EACCES)
		return -2;
	if (mkdir(path, 0777) == 0 || errno != EACCES)
		return -3;
	if (symlink("x", path) == 0 || errno != EACCES)
		return -4;
	if (open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 || errno != EACCES)
		return -5;
	return chdir(arg) == 0 || errno != EACCES ? -6 : 0;
}

static void expect_nothing(const struct owner *o, const struct person *who,
			   int (*act)(const void *), const char *path)
{
	int r = person_do(who, act, path);

	if (r != 0)
		fail_msg("%s of %s: number %d", path, o->options, -r);
}

/*
 * What may be done by what was handed over
 */

static int use_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	char text[8] = "";

	if (pread(fd, text, 4, 0) != 4 || strcmp(text, "text") != 0)
		return -1;
	if (pwrite(fd, "TEXT", 4, 0) != 4 || fsync(fd) < 0)
		return -2;
	if (ftruncate(fd, 4) < 0 || fallocate(fd, 0, 0, 4) < 0)
		return -3;
	if (lseek(fd, 0, SEEK_DATA) != 0)
		return -4;
	if (flock(fd, LOCK_EX) < 0 || fcntl(fd, F_SETLK, &lock) < 0 ||
	    fcntl(fd, F_GETLK, &lock) < 0)
		return -5;
	return 0;
}

struct handed {
	int file;
	int dir;
};

/* The owner's for a stranger: by it, but not by the way of its node. */
static int use_handed(const void *arg)
{
	const struct handed *h = arg;
	char path[64];
	int r = use_file(h->file);

	if (r < 0)
		return r;
	if (fchmod(h->file, 0666) == 0 || errno != EACCES)
		return -10;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", h->file);
	if (open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return -11;
	if (openat(h->dir, "a", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return -12;
	if (fstatat(h->dir, "a", &st, 0) == 0 || errno != EACCES)
		return -13;
	return 0;
}

static void try_handed(const struct owner *o, const char *path, const char *dir)
{
	struct handed h = { must(open(path, O_RDWR | O_CLOEXEC)),
			    must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) };
	int r = person_do(&bob, use_handed, &h);

	if (r != 0)
		fail_msg("handed over, %s of %s: number %d", path, o->options, -r);
	must(close(h.file));
	must(close(h.dir));
}

static int look_and_open(const void *path)
{
	int fd = stat(path, &st) < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

static void play(const struct owner *o)
{
	char posix[128], sysv[128], posix_dir[64], sysv_dir[64];
	struct outcome started = mount_for(o);

	if (started.status != 0)
		fail_msg("%s: %s", o->options, started.err);
	snprintf(posix_dir, sizeof(posix_dir), "%s/posix", o->dir);
	snprintf(sysv_dir, sizeof(sysv_dir), "%s/sysv", o->dir);
	snprintf(posix, sizeof(posix), "%s/a", posix_dir);
	snprintf(sysv, sizeof(sysv), "%s/%s", sysv_dir, key_name(0x55));
	/* Whoever may look has looked. */
	assert_int_equal(person_do(NULL, look_and_open, posix), 0);
	assert_int_equal(person_do(NULL, look_and_open, sysv), 0);
	assert_int_equal(person_do(o->who, look_and_open, posix), 0);
	assert_int_equal(sandbox_count_entries(sysv_dir), 1);
	expect_nothing(o, &bob, try_file, posix);
	expect_nothing(o, &bob, try_file, sysv);
	expect_nothing(o, &bob, try_directory, o->dir);
	expect_nothing(o, &bob, make_things, posix_dir);
	expect_nothing(o, &bob, make_things, sysv_dir);
	try_handed(o, posix, posix_dir);
	/* Nothing of that was done. */
	file_expect(NATIVE_DIR, "a", "TEXT");
	unmount_of(o);
}

static void test_others(void **state)
{
	(void)state;
	person_needs_root();
	allow_all();
	for (size_t i = 0; i < COUNT(owners); i++) {
		int id = segment_make_as(&ordinary_user, 0x55, PAGE, 0666);

		file_make(NATIVE_DIR, "a", 0666, "text");
		play(&owners[i]);
		segment_remove(id);
		must(unlink(NATIVE_DIR "/a"));
	}
	disallow_all();
}

/* The kernel would show them what it keeps without asking. */
static void test_nothing_is_kept_for_them(void **state)
{
	static const struct owner refused[] = {
		{ &ordinary_user, USER_DIR, "coherence=notify,allow_other" },
		{ &ordinary_user, USER_DIR, "coherence=notify,allow_root" },
		{ NULL, MOUNT_DIR, "coherence=notify,allow_root" },
	};
	static const struct owner accepted[] = {
		{ &ordinary_user, USER_DIR, "coherence=notify" },
		{ NULL, MOUNT_DIR, "coherence=notify" },
	};

	(void)state;
	person_needs_root();
	allow_all();
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct outcome o = mount_for(&refused[i]);

		assert_int_equal(o.status, 1);
		assert_non_null(strstr(o.err, "users who may not ask"));
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
	for (size_t i = 0; i < COUNT(accepted); i++) {
		assert_int_equal(mount_for(&accepted[i]).status, 0);
		unmount_of(&accepted[i]);
	}
	disallow_all();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test_unmounted(test_others),
		mount_test_unmounted(test_nothing_is_kept_for_them),
	};

	return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
