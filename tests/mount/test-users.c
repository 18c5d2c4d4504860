/* SPDX-License-Identifier: MIT */
/*
 * Who may do what is for the native kernel to say. So each act of each person on each
 * sort of file is done on a tmpfs and on the mount, and must come to the same: the
 * result, and what is left of the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OWNER 1000
#define GROUP 2000

static const struct person people[] = {
	{ .name = "root" },
	{ .name = "owner", .uid = OWNER, .gid = 1000 },
	{ .name = "owner in the group", .uid = OWNER, .gid = GROUP },
	{ .name = "member", .uid = 1001, .gid = GROUP },
	{ .name = "member by the way",
	  .uid = 1002,
	  .gid = 1002,
	  .group_count = 3,
	  .groups = { 1, GROUP, 3000 } },
	{ .name = "stranger",
	  .uid = 1003,
	  .gid = 1003,
	  .group_count = 1,
	  .groups = { 2001 } },
};

static int opened(const char *dir, const char *name, int flags)
{
	int fd = errno_or(open(at(dir, name), flags | O_CLOEXEC, 0640));

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

#define ACT(name, expr)                                 \
	static int act_##name(const void *arg)          \
	{                                               \
		const char *dir = arg;                  \
                                                        \
		return errno_or(expr) < 0 ? -errno : 0; \
	}

#define ACT_OPEN(name, flags)                   \
	static int act_##name(const void *arg)  \
	{                                       \
		return opened(arg, "f", flags); \
	}

static const struct timespec past[2] = { { 1, 2 }, { 3, 4 } };

ACT_OPEN(read, O_RDONLY)
ACT_OPEN(write, O_WRONLY)
ACT_OPEN(read_write, O_RDWR)
ACT_OPEN(append, O_WRONLY | O_APPEND)
ACT_OPEN(open_or_create, O_RDWR | O_CREAT)
ACT_OPEN(open_truncating, O_WRONLY | O_TRUNC)
ACT_OPEN(read_truncating, O_RDONLY | O_TRUNC)
ACT_OPEN(path, O_PATH)
ACT(exists, access(at(dir, "f"), F_OK))
ACT(access_read, access(at(dir, "f"), R_OK))
ACT(access_write, access(at(dir, "f"), W_OK))
ACT(access_execute, access(at(dir, "f"), X_OK))
ACT(access_all, faccessat(AT_FDCWD, at(dir, "f"), R_OK | W_OK | X_OK, AT_EACCESS))
ACT(truncate, truncate(at(dir, "f"), 1))
ACT(chmod, chmod(at(dir, "f"), 0751))
ACT(chown_self, chown(at(dir, "f"), getuid(), (gid_t)-1))
ACT(chown_away, chown(at(dir, "f"), 77, (gid_t)-1))
ACT(chgrp_own, chown(at(dir, "f"), (uid_t)-1, getgid()))
ACT(chgrp_member, chown(at(dir, "f"), (uid_t)-1, GROUP))
ACT(chgrp_away, chown(at(dir, "f"), (uid_t)-1, 77))
ACT(touch, utimensat(AT_FDCWD, at(dir, "f"), NULL, 0))
ACT(set_times, utimensat(AT_FDCWD, at(dir, "f"), past, 0))
ACT(unlink, unlink(at(dir, "f")))
ACT(rename, rename(at(dir, "f"), at(dir, "g")))
ACT(set_xattr, setxattr(at(dir, "f"), "user.x", "x", 1, 0))
ACT(get_xattr, getxattr(at(dir, "f"), "user.kept", NULL, 0))
ACT(remove_xattr, removexattr(at(dir, "f"), "user.kept"))
ACT(list_xattr, listxattr(at(dir, "f"), NULL, 0))

/*
 * Two reasons to refuse it; on FUSE the kernel comes to the second before the daemon is
 * asked about the first, so they count as one.
 */
static int act_noatime(const void *arg)
{
	int r = opened(arg, "f", O_RDONLY | O_NOATIME);

	return r == -EACCES ? -EPERM : r;
}

/* Takes a file of the caller's own in the place of the one that is there. */
static int act_replace(const void *arg)
{
	int r = opened(arg, "mine", O_RDWR | O_CREAT | O_EXCL);

	return r < 0 ? r : errno_or(rename(at(arg, "mine"), at(arg, "f")));
}

static int act_exchange(const void *arg)
{
	int r = opened(arg, "mine", O_RDWR | O_CREAT | O_EXCL);

	return r < 0 ? r
		     : errno_or(renameat2(AT_FDCWD, at(arg, "mine"), AT_FDCWD,
					  at(arg, "f"), RENAME_EXCHANGE));
}

static int act_create(const void *arg)
{
	return opened(arg, "mine", O_RDWR | O_CREAT | O_EXCL);
}

static int act_list(const void *arg)
{
	int fd = errno_or(open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(close(fd));
}

static const struct act {
	const char *name;
	int (*run)(const void *dir);
} acts[] = {
	{ "read", act_read },
	{ "write", act_write },
	{ "read_write", act_read_write },
	{ "append", act_append },
	{ "open_or_create", act_open_or_create },
	{ "open_truncating", act_open_truncating },
	{ "read_truncating", act_read_truncating },
	{ "noatime", act_noatime },
	{ "path", act_path },
	{ "exists", act_exists },
	{ "access_read", act_access_read },
	{ "access_write", act_access_write },
	{ "access_execute", act_access_execute },
	{ "access_all", act_access_all },
	{ "truncate", act_truncate },
	{ "chmod", act_chmod },
	{ "chown_self", act_chown_self },
	{ "chown_away", act_chown_away },
	{ "chgrp_own", act_chgrp_own },
	{ "chgrp_member", act_chgrp_member },
	{ "chgrp_away", act_chgrp_away },
	{ "touch", act_touch },
	{ "set_times", act_set_times },
	{ "unlink", act_unlink },
	{ "rename", act_rename },
	{ "set_xattr", act_set_xattr },
	{ "get_xattr", act_get_xattr },
	{ "remove_xattr", act_remove_xattr },
	{ "list_xattr", act_list_xattr },
	{ "replace", act_replace },
	{ "exchange", act_exchange },
	{ "create", act_create },
	{ "list", act_list },
};

/* A file to act on, and the directory that it lies in. */
struct scene {
	mode_t mode;
	mode_t dir_mode;
	uid_t dir_owner;
};

static const char *const names[] = { "f", "g", "mine" };

static void arrange(const char *dir, const struct scene *s)
{
	for (size_t i = 0; i < COUNT(names); i++)
		unlink(at(dir, names[i]));
	file_make(dir, "f", 0600, "content");
	/* Where there are no such attributes, there are none on either side. */
	(void)setxattr(at(dir, "f"), "user.kept", "x", 1, 0);
	must(chown(at(dir, "f"), OWNER, GROUP));
	must(chmod(at(dir, "f"), s->mode));
	must(chown(dir, s->dir_owner, GROUP));
	must(chmod(dir, s->dir_mode));
}

/* What is left under a name: nothing (all zero), or the attributes that acts may change.
 */
static struct stat left(const char *dir, const char *name)
{
	struct stat st, kept = { 0 };

	if (lstat(at(dir, name), &st) < 0)
		return kept;
	kept.st_mode = st.st_mode;
	kept.st_uid = st.st_uid;
	kept.st_gid = st.st_gid;
	kept.st_size = st.st_size;
	return kept;
}

static void compare(const struct person *who, const struct act *act,
		    const struct scene *s)
{
	int expected, found;

	arrange(NATIVE_DIR, s);
	arrange(PLAIN_DIR, s);
	expected = person_do(who, act->run, PLAIN_DIR);
	found = person_do(who, act->run, MOUNT_DIR);
	if (found != expected)
		fail_msg("%s of a file of mode %o in one of mode %o by %s: %s, not %s",
			 act->name, s->mode, s->dir_mode, who->name, strerror(-found),
			 strerror(-expected));
	for (size_t i = 0; i < COUNT(names); i++) {
		struct stat plain = left(PLAIN_DIR, names[i]);
		struct stat native = left(NATIVE_DIR, names[i]);

		if (memcmp(&plain, &native, sizeof(plain)) != 0)
			fail_msg(
				"%s of a file of mode %o in one of mode %o by %s left another %s",
				act->name, s->mode, s->dir_mode, who->name, names[i]);
	}
}

static void compare_all(const struct scene *s)
{
	for (size_t p = 0; p < COUNT(people); p++)
		for (size_t a = 0; a < COUNT(acts); a++)
			compare(&people[p], &acts[a], s);
}

static void test_modes_of_files(void **state)
{
	/* 0604 and 0064 deny to a nearer class what they grant to a farther one. */
	static const mode_t modes[] = { 0000, 0400, 0200, 0600, 0640, 0604, 0064,
					0666, 0111, 0711, 0777, 0070, 0007 };

	(void)state;
	person_needs_root();
	for (size_t m = 0; m < COUNT(modes); m++) {
		const struct scene s = { .mode = modes[m], .dir_mode = 01777 };

		compare_all(&s);
	}
}

static void test_modes_of_the_directory(void **state)
{
	static const mode_t modes[] = { 0777, 0755, 0711, 0733, 0700, 0770, 0707 };

	(void)state;
	person_needs_root();
	for (size_t m = 0; m < COUNT(modes); m++) {
		const struct scene s = { .mode = 0666, .dir_mode = modes[m] };

		compare_all(&s);
	}
}

static void test_owner_of_the_directory(void **state)
{
	const struct scene sticky = { .mode = 0600,
				      .dir_mode = 01777,
				      .dir_owner = 1003 };
	const struct scene group = { .mode = 0600, .dir_mode = 03775, .dir_owner = 1003 };

	(void)state;
	person_needs_root();
	compare_all(&sticky);
	compare_all(&group);
}

static void copy_program(const char *dir, mode_t mode)
{
	_cleanup_close_ int in = must(open("/bin/true", O_RDONLY | O_CLOEXEC));
	_cleanup_close_ int out = -1;
	char buffer[65536];
	ssize_t n;

	unlink(at(dir, "true"));
	out = file_open(dir, "true", O_WRONLY | O_CREAT);
	while ((n = must(read(in, buffer, sizeof(buffer)))) > 0)
		assert_int_equal(must(write(out, buffer, (size_t)n)), n);
	must(fchown(out, OWNER, GROUP));
	must(fchmod(out, mode));
}

static int execute(const void *dir)
{
	char *const argv[] = { (char *)"true", NULL };

	execv(at(dir, "true"), argv);
	return -errno;
}

static int read_program(const void *dir)
{
	return open(at(dir, "true"), O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0;
}

/* As natively, but that it takes the right to read as well. */
static void test_execution(void **state)
{
	static const mode_t modes[] = { 0755, 0644, 0111, 0100, 0010,
					0001, 0110, 0411, 0000 };

	(void)state;
	person_needs_root();
	for (size_t m = 0; m < COUNT(modes); m++) {
		copy_program(NATIVE_DIR, modes[m]);
		copy_program(PLAIN_DIR, modes[m]);
		for (size_t p = 0; p < COUNT(people); p++) {
			int expected = person_do(&people[p], execute, PLAIN_DIR);
			int found = person_do(&people[p], execute, MOUNT_DIR);

			if (expected == 0)
				expected = person_do(&people[p], read_program, PLAIN_DIR);
			if (found != expected)
				fail_msg("execution of mode %o by %s: %s, not %s",
					 modes[m], people[p].name, strerror(-found),
					 strerror(-expected));
		}
	}
}

/* Many at once: nobody acts with what the daemon borrowed from another. */
static int act_in_turn(const void *arg)
{
	const struct person *who = arg;
	char own[32];

	snprintf(own, sizeof(own), "of-%u", (unsigned int)who->uid);
	for (int i = 0; i < 300; i++) {
		struct stat st;
		int fd = open(at(MOUNT_DIR, own), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			      0600);

		if (fd < 0 || fstat(fd, &st) < 0 || close(fd) < 0)
			return -errno;
		if (st.st_uid != who->uid || st.st_gid != who->gid)
			return -ERANGE;
		if (open(MOUNT_DIR "/roots", O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES)
			return -EPERM;
		if (unlink(MOUNT_DIR "/roots") == 0 || unlink(at(MOUNT_DIR, own)) < 0)
			return -EPERM;
	}
	return 0;
}

static int act_as(const void *arg)
{
	return person_do(arg, act_in_turn, arg);
}

static void test_people_at_once(void **state)
{
	pid_t pids[COUNT(people)];

	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "roots", 0600, "");
	for (size_t i = 3; i < COUNT(people); i++) {
		pids[i] = must(fork());
		if (pids[i] == 0)
			_exit(act_as(&people[i]) ? 1 : 0);
	}
	for (int i = 0; i < 300; i++)
		file_expect(MOUNT_DIR, "roots", "");
	for (size_t i = 3; i < COUNT(people); i++) {
		int status = -1;

		assert_int_equal(must(waitpid(pids[i], &status, 0)), pids[i]);
		assert_int_equal(status, 0);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_modes_of_files),
		mount_test(test_modes_of_the_directory),
		mount_test(test_owner_of_the_directory),
		mount_test(test_execution),
		mount_test(test_people_at_once),
	};

	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
