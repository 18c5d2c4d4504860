/* SPDX-License-Identifier: MIT */
/*
 * All kinds in one mount: a directory for each, in which everything is as in a mount of
 * its own, and around them nothing that can be changed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define POSIX_DIR MOUNT_DIR "/posix"
#define SYSV_DIR  MOUNT_DIR "/sysv"
#define KEY       0x5eed
#define KEY_NAME  "0x00005eed"
#define PAGE      4096

static const char *const dirs[] = { POSIX_DIR, SYSV_DIR };

static void remove_segment(int *id)
{
	if (*id >= 0)
		shmctl(*id, IPC_RMID, NULL);
}

#define _cleanup_segment_ _cleanup_(remove_segment)

static int make_segment(key_t key)
{
	return must(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0644));
}

static void remove_key(void)
{
	int id = must(shmget(KEY, 0, 0));

	must(shmctl(id, IPC_RMID, NULL));
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _cleanup_dir_ _cleanup_(cleanup_dir)

static void test_root(void **state)
{
	static const char *const names[] = { ".", "..", "posix", "sysv" };
	_cleanup_dir_ DIR *dir = NULL;
	struct stat st;

	(void)state;
	mount_start("kind=all");
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	for (size_t i = 0; i < 4; i++) {
		const struct dirent *entry = readdir(dir);

		assert_non_null(entry);
		assert_string_equal(entry->d_name, names[i]);
		assert_int_equal(entry->d_type, DT_DIR);
	}
	assert_null(readdir(dir));
	must(stat(MOUNT_DIR, &st));
	assert_int_equal(st.st_mode, S_IFDIR | 0555);
	assert_int_equal(st.st_nlink, 4);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
	assert_int_equal(file_stat(MOUNT_DIR, "posix").st_mode, S_IFDIR | 01777);
	assert_int_equal(file_stat(MOUNT_DIR, "sysv").st_mode, S_IFDIR | 0777);
	refused(stat(MOUNT_DIR "/none", &st), ENOENT);
	refused(stat(POSIX_DIR "/sysv", &st), ENOENT);
}

static void test_objects(void **state)
{
	(void)state;
	mount_start("kind=all");
	file_make(POSIX_DIR, "a", 0640, "mount");
	file_expect(NATIVE_DIR, "a", "mount");
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode, S_IFREG | 0640);
	file_make(NATIVE_DIR, "b", 0600, "native");
	file_expect(POSIX_DIR, "b", "native");
	must(rename(POSIX_DIR "/b", POSIX_DIR "/c"));
	file_expect(NATIVE_DIR, "c", "native");
	must(unlink(POSIX_DIR "/c"));
	refused(access(NATIVE_DIR "/c", F_OK), ENOENT);
	must(truncate(POSIX_DIR "/a", 3));
	file_expect(NATIVE_DIR, "a", "mou");
}

static void test_segments(void **state)
{
	struct shmid_ds ds;
	char *attached;
	int id;

	(void)state;
	mount_start("kind=all");
	file_make(SYSV_DIR, KEY_NAME, 0640, "mount");
	id = must(shmget(KEY, 0, 0));
	must(shmctl(id, IPC_STAT, &ds));
	assert_int_equal(ds.shm_segsz, 5);
	assert_int_equal(ds.shm_perm.mode, 0640);
	attached = must(shmat(id, NULL, 0));
	assert_string_equal(attached, "mount");
	memcpy(attached, "shmat", 5);
	file_expect(SYSV_DIR, KEY_NAME, "shmat");
	must(shmdt(attached));
	must(unlink(SYSV_DIR "/" KEY_NAME));
	refused(shmget(KEY, 0, 0), ENOENT);
}

static void check_mapping(const char *dir, const char *name, char *native)
{
	_cleanup_close_ int fd = file_open(dir, name, O_RDWR);
	char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (!mount_passthrough()) {
		assert_ptr_equal(map, MAP_FAILED);
		assert_int_equal(errno, ENODEV);
		return;
	}
	assert_ptr_not_equal(must(map), MAP_FAILED);
	strcpy(native, "native");
	assert_string_equal(map, "native");
	strcpy(map, "mapped");
	assert_string_equal(native, "mapped");
	must(munmap(map, PAGE));
}

static void test_mapping(void **state)
{
	_cleanup_segment_ int id = make_segment(KEY);
	_cleanup_close_ int fd = file_open(NATIVE_DIR, "a", O_RDWR | O_CREAT);
	char *attached = must(shmat(id, NULL, 0));
	char *native;

	(void)state;
	must(ftruncate(fd, PAGE));
	native = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(native, MAP_FAILED);
	mount_start("kind=all");
	check_mapping(POSIX_DIR, "a", native);
	check_mapping(SYSV_DIR, KEY_NAME, attached);
	must(munmap(native, PAGE));
	must(shmdt(attached));
}

/* Of files with the same numbers in their own kinds, each is itself. */
static void test_same_file_numbers(void **state)
{
	_cleanup_segment_ int id = make_segment(KEY);
	_cleanup_close_ int a = -1, b = -1;

	(void)state;
	must(id);
	mount_start("kind=all");
	file_make(NATIVE_DIR, "a", 0600, "a");
	a = file_open(POSIX_DIR, "a", O_RDWR);
	b = file_open(SYSV_DIR, KEY_NAME, O_RDWR);
	assert_int_equal(must(pwrite(a, "A", 1, 0)), 1);
	assert_int_equal(must(pwrite(b, "B", 1, 0)), 1);
	fd_expect(a, "A");
	assert_int_equal(fd_stat(b).st_size, PAGE);
	must(unlink(POSIX_DIR "/a"));
	b = close_fd(b);
	fd_expect(a, "A");
}

static void test_root_is_refused(void **state)
{
	static const char *const names[] = { "posix", "sysv" };
	char value[8];
	struct stat st;

	(void)state;
	mount_start("kind=all");
	refused(open(MOUNT_DIR "/a", O_RDWR | O_CREAT | O_CLOEXEC, 0600), EPERM);
	refused(mknod(MOUNT_DIR "/a", S_IFREG | 0600, 0), EPERM);
	refused(mknod(MOUNT_DIR "/a", S_IFIFO | 0600, 0), EPERM);
	refused(mkdir(MOUNT_DIR "/a", 0700), EPERM);
	refused(symlink("posix", MOUNT_DIR "/a"), EPERM);
	refused(unlink(MOUNT_DIR "/a"), ENOENT);
	refused(rmdir(MOUNT_DIR "/a"), ENOENT);
	for (size_t i = 0; i < 2; i++) {
		const char *dir = dirs[i];

		refused(mkdir(dir, 0700), EEXIST);
		refused(mkdir(at(dir, "d"), 0700), EPERM);
		refused(unlink(dir), EISDIR);
		refused(rmdir(dir), EPERM);
		refused(rename(dir, MOUNT_DIR "/a"), EPERM);
		refused(rename(dir, at(dirs[1 - i], names[i])), EPERM);
		refused(open(dir, O_RDWR | O_CLOEXEC), EISDIR);
		refused(truncate(dir, 0), EISDIR);
	}
	refused(chmod(MOUNT_DIR, 0755), EPERM);
	refused(chown(MOUNT_DIR, 1, 1), EPERM);
	refused(utimensat(AT_FDCWD, MOUNT_DIR, NULL, 0), EPERM);
	refused(setxattr(MOUNT_DIR, "user.x", "1", 1, 0), EOPNOTSUPP);
	refused(getxattr(MOUNT_DIR, "user.x", value, sizeof(value)), EOPNOTSUPP);
	refused(getxattr(MOUNT_DIR, "user.shmfs.io", value, sizeof(value)), ENODATA);
	must(stat(MOUNT_DIR, &st));
	assert_int_equal(st.st_mode, S_IFDIR | 0555);
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 2);
}

static const struct person user = { .name = "a user", .uid = 1000, .gid = 1000 };

static int act_as_user(const void *arg)
{
	(void)arg;
	if (access(MOUNT_DIR, R_OK | X_OK) < 0)
		return -1;
	if (access(MOUNT_DIR, W_OK) == 0 || errno != EACCES)
		return -2;
	if (open(MOUNT_DIR "/a", O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0)
		return -3;
	if (open(POSIX_DIR "/a", O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0)
		return -4;
	if (truncate(SYSV_DIR "/" KEY_NAME, PAGE) == 0 || errno != EACCES)
		return -5;
	return 0;
}

static void test_users(void **state)
{
	_cleanup_segment_ int id = make_segment(KEY);

	(void)state;
	must(id);
	mount_start("kind=all");
	assert_int_equal(person_do(&user, act_as_user, NULL), 0);
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_uid, 1000);
}

static void test_from_one_to_another(void **state)
{
	_cleanup_close_ int from = -1, to = -1;
	loff_t in = 0, out = 0;

	(void)state;
	mount_start("kind=all");
	file_make(POSIX_DIR, KEY_NAME, 0600, "text");
	refused(rename(POSIX_DIR "/" KEY_NAME, SYSV_DIR "/" KEY_NAME), EXDEV);
	refused(rename(POSIX_DIR "/" KEY_NAME, MOUNT_DIR "/" KEY_NAME), EPERM);
	refused(link(POSIX_DIR "/" KEY_NAME, SYSV_DIR "/" KEY_NAME), EXDEV);
	refused(link(POSIX_DIR "/" KEY_NAME, MOUNT_DIR "/" KEY_NAME), EPERM);
	must(link(POSIX_DIR "/" KEY_NAME, POSIX_DIR "/b"));
	assert_int_equal(file_stat(POSIX_DIR, "b").st_ino,
			 file_stat(POSIX_DIR, KEY_NAME).st_ino);
	file_make(SYSV_DIR, KEY_NAME, 0600, "abcd");
	refused(rename(SYSV_DIR "/" KEY_NAME, POSIX_DIR "/a"), EXDEV);
	refused(link(SYSV_DIR "/" KEY_NAME, POSIX_DIR "/a"), EXDEV);
	/* The kernel copies by itself what we cannot. */
	from = file_open(POSIX_DIR, KEY_NAME, O_RDONLY);
	to = file_open(SYSV_DIR, KEY_NAME, O_RDWR);
	assert_int_equal(must(copy_file_range(from, &in, to, &out, 4, 0)), 4);
	fd_expect(to, "text");
	to = close_fd(to);
	remove_key();
}

static void run_well(const char *const argv[], struct outcome *ret)
{
	*ret = command_run(NULL, argv);
	if (ret->status != 0 || ret->err[0])
		fail_msg("%s: status %d: %s", argv[0], ret->status, ret->err);
}

#define RUN(outcome, ...) run_well((const char *const[]){ __VA_ARGS__, NULL }, outcome)

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_commands(void **state)
{
	_cleanup_segment_ int id = make_segment(KEY);
	struct outcome o;

	(void)state;
	must(id);
	mount_start("kind=all");
	file_make(NATIVE_DIR, "a", 0644, "text");
	RUN(&o, "find", MOUNT_DIR);
	assert_int_equal(count_lines(o.out), 5);
	assert_non_null(strstr(o.out, POSIX_DIR "/a\n"));
	assert_non_null(strstr(o.out, SYSV_DIR "/" KEY_NAME "\n"));
	RUN(&o, "ls", "-lR", MOUNT_DIR);
	assert_non_null(strstr(o.out, " " KEY_NAME "\n"));
	RUN(&o, "du", "-a", MOUNT_DIR);
	assert_int_equal(count_lines(o.out), 5);
	RUN(&o, "df", MOUNT_DIR, POSIX_DIR, SYSV_DIR);
	assert_int_equal(count_lines(o.out), 4);
	RUN(&o, "df", "-i", MOUNT_DIR, POSIX_DIR, SYSV_DIR);
	assert_int_equal(count_lines(o.out), 4);
}

static void test_copying(void **state)
{
	struct outcome o;

	(void)state;
	mount_start("kind=all");
	file_make(POSIX_DIR, KEY_NAME, 0600, "text");
	RUN(&o, "cp", "-r", POSIX_DIR "/.", SYSV_DIR);
	file_expect(SYSV_DIR, KEY_NAME, "text");
	must(unlink(POSIX_DIR "/" KEY_NAME));
	RUN(&o, "cp", "-r", SYSV_DIR "/.", POSIX_DIR);
	file_expect(NATIVE_DIR, KEY_NAME, "text");
	RUN(&o, "cp", "-r", MOUNT_DIR, PLAIN_DIR "/copy");
	file_expect(PLAIN_DIR "/copy/sysv", KEY_NAME, "text");
	file_expect(PLAIN_DIR "/copy/posix", KEY_NAME, "text");
	must(chmod(PLAIN_DIR "/copy", 0700));
	remove_key();
}

static void test_space(void **state)
{
	_cleanup_segment_ int id = make_segment(KEY);
	struct statvfs native, root, posix, sysv;

	(void)state;
	must(id);
	mount_start("kind=all");
	must(statvfs(NATIVE_DIR, &native));
	must(statvfs(MOUNT_DIR, &root));
	must(statvfs(POSIX_DIR, &posix));
	must(statvfs(SYSV_DIR "/" KEY_NAME, &sysv));
	assert_int_equal(posix.f_blocks, native.f_blocks);
	assert_int_equal(posix.f_files, native.f_files);
	assert_int_equal(root.f_blocks, 0);
	assert_int_equal(root.f_files, 0);
	assert_int_equal(root.f_namemax, 255);
	assert_int_equal(root.f_bsize, sysconf(_SC_PAGESIZE));
	assert_true(sysv.f_files > 0);
	assert_int_equal(sysv.f_files - sysv.f_ffree, 1);
}

struct seen {
	ino_t inodes[32];
	unsigned int n;
};

/* Each file of @path, once, with the same number in the listing and in stat(2). */
static void see(struct seen *seen, const char *path)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	struct stat st;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		/* What is above the mount is not ours. */
		if (strcmp(path, MOUNT_DIR) == 0 && strcmp(entry->d_name, "..") == 0)
			continue;
		must(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW));
		assert_int_equal(entry->d_ino, st.st_ino);
		if (entry->d_name[0] == '.')
			continue;
		assert_true(seen->n < 32);
		for (unsigned int i = 0; i < seen->n; i++)
			assert_int_not_equal(seen->inodes[i], st.st_ino);
		seen->inodes[seen->n++] = st.st_ino;
	}
}

static void test_inode_numbers(void **state)
{
	/* The first of a namespace has the number 0, which readdir(3) does not show. */
	_cleanup_segment_ int first = make_segment(IPC_PRIVATE);
	struct seen seen = { .n = 0 };
	struct stat st;
	int ids[8];

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		ids[i] = make_segment(IPC_PRIVATE);
		assert_true(ids[i] > 0);
		file_make(NATIVE_DIR, (const char[]){ (char)('a' + i), '\0' }, 0600, "");
	}
	if (first == 0)
		must(shmctl(first, IPC_RMID, NULL));
	mount_start("kind=all");
	/* Twice: what the kernel knows already it may ask for otherwise. */
	for (int round = 0; round < 2; round++) {
		seen.n = 0;
		see(&seen, MOUNT_DIR);
		see(&seen, POSIX_DIR);
		see(&seen, SYSV_DIR);
		assert_true(seen.n >= 2 + 8 + 8);
	}
	must(stat(MOUNT_DIR, &st));
	for (unsigned int i = 0; i < seen.n; i++)
		assert_int_not_equal(seen.inodes[i], st.st_ino);
	for (unsigned int i = 0; i < 8; i++)
		remove_segment(&ids[i]);
}

/* In the log, from @from on. */
static unsigned int count_requests(size_t from, const char *name)
{
	_cleanup_free_ char *log = mount_log();
	unsigned int n = 0;

	for (char *at = log + from; (at = strstr(at, name)); at++)
		n++;
	return n;
}

static size_t log_length(void)
{
	_cleanup_free_ char *log = mount_log();

	return strlen(log);
}

/* The directories are there for good: a path costs no more than in a mount of one kind.
 */
static void test_requests_of_a_path(void **state)
{
	struct stat st;
	size_t from;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_log_requests();
	mount_start("kind=all");
	must(stat(POSIX_DIR "/a", &st));
	from = log_length();
	must(stat(POSIX_DIR "/a", &st));
	assert_int_equal(count_requests(from, "opcode: LOOKUP"), 1);
	assert_int_equal(count_requests(from, "opcode: GETATTR"), 1);
	assert_int_equal(count_requests(from, "opcode: "), 2);
}

/* The kernel is told by the directory that the name was in. */
static void test_native_removal_is_told(void **state)
{
	struct stat st;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	mount_log_requests();
	mount_start("kind=all");
	must(stat(POSIX_DIR "/a", &st));
	assert_int_equal(count_requests(0, "FORGET"), 0);
	must(unlink(NATIVE_DIR "/a"));
	await_that(count_requests(0, "FORGET") > 0);
	refused(stat(POSIX_DIR "/a", &st), ENOENT);
}

static void test_options(void **state)
{
	(void)state;
	mount_start("kind=all,shm_dir=" PLAIN_DIR ",reserve");
	file_make(POSIX_DIR, "a", 0600, "text");
	file_expect(PLAIN_DIR, "a", "text");
	must(truncate(POSIX_DIR "/a", 1 << 20));
	assert_true(file_stat(PLAIN_DIR, "a").st_blocks >= (1 << 20) / 512);
	mount_stop();
	mount_start("kind=all,ro");
	refused(open(POSIX_DIR "/b", O_RDWR | O_CREAT | O_CLOEXEC, 0600), EROFS);
	refused(open(SYSV_DIR "/" KEY_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600), EROFS);
}

/*
 * What may be open is shared out: half of 256 descriptors, see limits.c, or a few less
 * where valgrind takes some; and half of that for each kind, whatever the other has open.
 */
static void test_few_descriptors(void **state)
{
	_cleanup_segment_ int id = make_segment(KEY);
	_cleanup_close_ int segment = -1;
	int fds[65];
	int n = 0;

	(void)state;
	must(id);
	mount_limit_fds(256, 256);
	mount_start("kind=all");
	file_make(NATIVE_DIR, "a", 0600, "text");
	while (n < 65 && (fds[n] = open(POSIX_DIR "/a", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	assert_in_range(n, 56, 64);
	assert_int_equal(errno, ENFILE);
	segment = file_open(SYSV_DIR, KEY_NAME, O_RDONLY);
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 2);
	while (n > 0)
		close(fds[--n]);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_root),
		mount_test_unmounted(test_objects),
		mount_test_unmounted(test_segments),
		mount_test_unmounted(test_mapping),
		mount_test_unmounted(test_same_file_numbers),
		mount_test_unmounted(test_root_is_refused),
		mount_test_unmounted(test_users),
		mount_test_unmounted(test_from_one_to_another),
		mount_test_unmounted(test_commands),
		mount_test_unmounted(test_copying),
		mount_test_unmounted(test_space),
		mount_test_unmounted(test_inode_numbers),
		mount_test_unmounted(test_requests_of_a_path),
		mount_test_unmounted(test_native_removal_is_told),
		mount_test_unmounted(test_options),
		mount_test_unmounted(test_few_descriptors),
	};

	return cmocka_run_group_tests_name("all", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
