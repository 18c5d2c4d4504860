/* SPDX-License-Identifier: MIT */
/*
 * Segments as names in a directory: all of them are listed, nobody's is touched by it,
 * and a name leads to the segment that has it by now.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"
#define B   MOUNT_DIR "/0x00001235"
#define C   MOUNT_DIR "/0x00001236"

#define ROOT_INODE UINT64_C(0x80000000)

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1000 };
static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };

/* How often @name is listed; with which inode and type. */
static unsigned int listed(const char *name, struct dirent *ret)
{
	DIR *dir = opendir(MOUNT_DIR);
	struct dirent *entry;
	unsigned int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, name) == 0) {
			*ret = *entry;
			n++;
		}
	closedir(dir);
	return n;
}

static void expect_listed(const char *name, uint64_t inode)
{
	struct dirent entry;

	if (listed(name, &entry) != 1)
		fail_msg("%s is not listed once", name);
	assert_int_equal(entry.d_ino, inode);
	assert_true(entry.d_type == DT_REG || entry.d_type == DT_UNKNOWN);
}

static void expect_unlisted(const char *name)
{
	struct dirent entry;

	assert_int_equal(listed(name, &entry), 0);
}

/* Their names, also of those that nobody but root may even read. */
static void test_all_are_listed(void **state)
{
	int first = segment_make(KEY, PAGE, 0600);
	int private = segment_make(IPC_PRIVATE, PAGE, 0600);
	int secret = segment_make_as(&alice, 0x7fffffff, PAGE, 0);
	int high = segment_make_as(&bob, (key_t)0xdeadbeef, PAGE, 0);
	int removed = segment_make(KEY + 1, PAGE, 0600);
	char *attached = segment_attach(removed, 0);

	(void)state;
	segment_remove(removed);
	assert_int_equal(first, 0);
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 5);
	/* readdir(3) passes over inode 0. */
	expect_listed("0x00001234", ROOT_INODE);
	expect_listed(id_name(private), (uint64_t) private);
	expect_listed("0x7fffffff", (uint64_t)secret);
	expect_listed("0xdeadbeef", (uint64_t)high);
	expect_listed(id_name(removed), (uint64_t)removed);
	expect_unlisted("0x00001235");
	expect_unlisted(id_name(secret));
	assert_int_equal(file_stat(MOUNT_DIR, "0x00001234").st_ino, 0);
	segment_detach(attached);
	expect_unlisted(id_name(removed));
}

static int list_and_look(const void *arg)
{
	DIR *dir = opendir(MOUNT_DIR);
	unsigned int expected = *(const unsigned int *)arg;
	struct dirent *entry;
	struct stat st;
	unsigned int n = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		n += S_ISREG(st.st_mode);
	}
	return n == expected ? 0 : -ERANGE;
}

/* As `ipcs -m` shows all to everybody. */
static void test_everybody_sees_all(void **state)
{
	const unsigned int n = 3;

	(void)state;
	segment_make_as(&alice, KEY, PAGE, 0);
	segment_make_as(&bob, IPC_PRIVATE, PAGE, 0);
	segment_make(KEY + 1, PAGE, 0);
	assert_int_equal(person_do(&alice, list_and_look, &n), 0);
	assert_int_equal(person_do(&bob, list_and_look, &n), 0);
	assert_int_equal(person_do(NULL, list_and_look, &n), 0);
}

/* Lists, looks and asks for whatever can be asked for without opening. */
static void look_at_all(const char *const *paths, size_t n)
{
	static const char *const all[] = { "key",  "shmid", "cpid",  "lpid",  "nattch",
					   "cuid", "cgid",  "atime", "dtime", "ctime",
					   "rss",  "swap",  "flags", "io" };
	struct stat st;

	sandbox_count_entries(MOUNT_DIR);
	for (size_t i = 0; i < n; i++) {
		must(stat(paths[i], &st));
		must(access(paths[i], R_OK | W_OK));
		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			told(paths[i], all[j]);
	}
}

/* To attach is to change, and may be the end of what was removed. */
static void test_looking_attaches_nothing(void **state)
{
	int used = segment_make(KEY, 2 * PAGE, 0666);
	int unused = segment_make(IPC_PRIVATE, PAGE, 0);
	int removed = segment_make(KEY + 1, PAGE, 0600);
	const int ids[] = { used, unused, removed };
	char *attached = segment_attach(removed, 0);
	struct shmid_ds before[3];

	(void)state;
	segment_put(used, 0, "text");
	segment_remove(removed);
	for (int i = 0; i < 3; i++)
		before[i] = segment_status(ids[i]);
	/* Times have seconds. */
	await_that(time(NULL) > before[0].shm_dtime + 1);
	look_at_all((const char *[]){ key_path(KEY), id_path(unused), id_path(removed) },
		    3);
	for (int i = 0; i < 3; i++) {
		struct shmid_ds after = segment_status(ids[i]);

		assert_memory_equal(&after, &before[i], sizeof(after));
	}
	segment_detach(attached);
	assert_false(segment_exists(removed));
}

#define MANY 4096 /* SHMMNI */

/* The key in @name, or that of the identifier in it; marks it as seen. */
static void mark(unsigned char seen[MANY], const char *name)
{
	unsigned long number;

	if (name[0] == '.')
		return;
	number = strncmp(name, "id-", 3) == 0 ? segment_status(atoi(name + 3)).shm_segsz
					      : strtoul(name, NULL, 16);
	assert_in_range(number, 1, MANY);
	seen[number - 1]++;
}

static void expect_each_once(const unsigned char seen[MANY])
{
	for (unsigned int i = 0; i < MANY; i++)
		if (seen[i] != 1)
			fail_msg("segment %u was listed %d times", i, seen[i]);
}

/* Every third has no key, but each has a size of its own. */
static void make_many(void)
{
	for (int i = 1; i <= MANY; i++)
		segment_make(i % 3 ? i : IPC_PRIVATE, (size_t)i, 0600);
	assert_int_equal(shmget(IPC_PRIVATE, 1, 0600), -1);
}

static void list_by(size_t size, unsigned char seen[MANY])
{
	_cleanup_close_ int fd =
		must(open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	_cleanup_free_ char *buffer = malloc(size);
	long n;

	assert_non_null(buffer);
	while ((n = must(syscall(SYS_getdents64, fd, buffer, size))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *entry = (void *)(buffer + at);

			mark(seen, entry->d_name);
			at += entry->d_reclen;
		}
}

static void test_each_is_listed_once(void **state)
{
	static const size_t sizes[] = { 40, 100, 1000, 4096, 32768, 1 << 20 };

	(void)state;
	make_many();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char seen[MANY] = { 0 };

		list_by(sizes[i], seen);
		expect_each_once(seen);
	}
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), MANY);
}

/* Then entries come with their attributes, in other replies. */
static void test_each_is_listed_once_with_stat(void **state)
{
	unsigned char seen[MANY] = { 0 };
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	(void)state;
	make_many();
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		mark(seen, entry->d_name);
		must(fstatat(dirfd(dir), entry->d_name, &st, 0));
		if (S_ISREG(st.st_mode) && st.st_ino != 0)
			assert_int_equal(st.st_ino, entry->d_ino);
	}
	expect_each_once(seen);
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	while ((entry = readdir(dir)))
		mark(seen, entry->d_name);
	closedir(dir);
	expect_each_once(seen);
}

/* A position stays behind its segment, though those before it are removed. */
static void test_listing_goes_on_behind_removed_ones(void **state)
{
	unsigned char seen[MANY] = { 0 };
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	(void)state;
	for (int i = 1; i <= 300; i++)
		segment_make(i, (size_t)i, 0600);
	dir = opendir(MOUNT_DIR);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		long position = telldir(dir);

		mark(seen, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		segment_remove(segment_find((key_t)strtol(entry->d_name, NULL, 16)));
		/* Another takes the place. */
		segment_make(IPC_PRIVATE, 400 + (size_t)n++, 0600);
		if (n % 7 == 0)
			seekdir(dir, position);
	}
	closedir(dir);
	for (int i = 0; i < 300; i++)
		assert_int_equal(seen[i], 1);
}

static void test_each_has_its_identifier_as_another_name(void **state)
{
	int id;
	struct stat by_key, by_id;
	_cleanup_close_ int fd = -1;

	(void)state;
	segment_make(KEY + 1, PAGE, 0600);
	id = segment_make(KEY, PAGE, 0600);
	by_key = file_stat(MOUNT_DIR, key_name(KEY));
	by_id = file_stat(MOUNT_DIR, id_name(id));
	assert_memory_equal(&by_key, &by_id, sizeof(by_id));
	fd = file_open(MOUNT_DIR, id_name(id), O_RDWR);
	assert_int_equal(must(pwrite(fd, "text", 4, 0)), 4);
	segment_expect(id, 0, "text");
	expect_unlisted(id_name(id));
	must(unlink(id_path(id)));
	refused(access(key_path(KEY), F_OK), ENOENT);
	/* Still open, so removed but attached. */
	must(access(id_path(id), F_OK));
	expect_listed(id_name(id), (uint64_t)id);
}

/* A key is the same however somebody writes it. */
static void test_spellings(void **state)
{
	static const char *const names[] = { "0xabcd", "0xABCD", "0x0000ABCD",
					     "0X0000abcd", "0x0abcd" };
	/* The first one has inode 0, which listings hide. */
	int first = segment_make(KEY, PAGE, 0600), id = segment_make(0xabcd, PAGE, 0600);
	ino_t inode = file_stat(MOUNT_DIR, "0x0000abcd").st_ino;
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(file_stat(MOUNT_DIR, names[i]).st_ino, inode);
		expect_unlisted(names[i]);
		refused(open(at(MOUNT_DIR, names[i]), O_RDWR | O_CREAT | O_EXCL, 0600),
			EEXIST);
		must(rename(at(MOUNT_DIR, names[i]), at(MOUNT_DIR, "0x0000abcd")));
		fd = close_fd(fd);
		fd = file_open(MOUNT_DIR, names[i], O_RDWR | O_CREAT);
		must(write(fd, names[i], strlen(names[i]) + 1));
		segment_expect(id, 0, names[i]);
	}
	expect_listed("0x0000abcd", (uint64_t)id);
	must(unlink(at(MOUNT_DIR, "0xABCD")));
	refused(stat(at(MOUNT_DIR, "0x0000abcd"), &st), ENOENT);
	fd = close_fd(fd);
	/* So it is while there is no segment yet. */
	fd = file_open(MOUNT_DIR, "0xABCD", O_RDWR | O_CREAT);
	refused(open(at(MOUNT_DIR, "0xabcd"), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	assert_int_equal(file_stat(MOUNT_DIR, "0x0000abcd").st_ino, fd_stat(fd).st_ino);
	must(ftruncate(fd, PAGE));
	must(unlink(at(MOUNT_DIR, "0xabcd")));
	refused(stat(at(MOUNT_DIR, "0xABCD"), &st), ENOENT);
	segment_remove(first);
}

static void test_other_names(void **state)
{
	static const char *const names[] = {
		"0x000001234", "00001234",   "1234",       "4660",
		"0x0000123g",  "0x 0001234", "0x+0001234", "0x-0001234",
		"id-",         "id-00",      "id-01",      "id--1",
		"id-+1",       "id- 1",      "id-1 ",      "id-2147483648",
		"ID-1",        "id1",        "id-0x1",     "id-1a",
		"x",           "0x",         "0x00001234 "
	};
	struct stat st;

	(void)state;
	for (int i = 0; i < 3; i++)
		segment_make(KEY + i, PAGE, 0600);
	segment_make((key_t)0xabcdef01, PAGE, 0600);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path = at(MOUNT_DIR, names[i]);

		refused(stat(path, &st), ENOENT);
		refused(open(path, O_RDWR), ENOENT);
		refused(open(path, O_RDWR | O_CREAT, 0600), EINVAL);
		refused(open(path, O_RDWR | O_CREAT | O_EXCL, 0600), EINVAL);
		refused(unlink(path), ENOENT);
	}
	/* An identifier is the kernel's to give. */
	refused(open(MOUNT_DIR "/id-77", O_RDWR | O_CREAT, 0600), EINVAL);
	refused(open(MOUNT_DIR "/id-1", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	assert_int_equal(segments_count(), 4);
}

/* A new segment with the identifier of one that is gone. */
static int make_again(int id, size_t size)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", id);
	tunable_set("kernel/shm_next_id", number);
	assert_int_equal(segment_make(IPC_PRIVATE, size, 0600), id);
	return id;
}

static void test_identifiers_come_again(void **state)
{
	int id = segment_make(IPC_PRIVATE, PAGE, 0600);
	_cleanup_close_ int path = -1;
	_cleanup_close_ int fd = -1;
	struct stat st;

	(void)state;
	path = file_open(MOUNT_DIR, id_name(id), O_PATH);
	assert_int_equal(fd_stat(path).st_size, PAGE);
	segment_remove(id);
	refused(stat(id_path(id), &st), ENOENT);
	refused(fstat(path, &st), ESTALE);
	make_again(id, 2 * PAGE);
	/* Another object under the same name. */
	refused(fstat(path, &st), ESTALE);
	assert_int_equal(file_stat(MOUNT_DIR, id_name(id)).st_size, 2 * PAGE);
	refused(fstat(path, &st), ESTALE);
	fd = file_open(MOUNT_DIR, id_name(id), O_RDWR);
	assert_int_equal(must(pwrite(fd, "new", 3, PAGE)), 3);
	segment_expect(id, PAGE, "new");
}

/* The name of a key is that of who has it now. */
static void test_keys_come_again(void **state)
{
	(void)state;
	for (size_t i = 1; i < 20; i++) {
		int id = segment_make(KEY, i, 0600);
		_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY);

		assert_int_equal(fd_stat(fd).st_size, i);
		assert_int_equal(fd_stat(fd).st_ino, id);
		segment_remove(id);
		refused(access(key_path(KEY), F_OK), ENOENT);
		/* What is open is what was opened. */
		assert_int_equal(fd_stat(fd).st_size, i);
		assert_int_equal(fd_stat(fd).st_nlink, 1);
	}
	await_that(segments_count() == 0);
}

/* Until the parent ends it. */
static _Noreturn void come_and_go(void)
{
	for (;;) {
		int id = shmget(KEY, PAGE, IPC_CREAT | 0600);

		shmctl(id, IPC_RMID, NULL);
	}
}

/* What was found may have gone when it is asked for, the second time as well. */
static bool has_gone(int error)
{
	return error == ENOENT || error == ESTALE;
}

static void test_removed_while_they_are_looked_at(void **state)
{
	pid_t child = must(fork());
	unsigned int found = 0;
	struct stat st;

	(void)state;
	if (child == 0)
		come_and_go();
	/* On a busy machine the two take turns, and then it is seldom there. */
	for (int i = 0; i < 2000 || found == 0; i++) {
		int fd = open(A, O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0 || has_gone(errno));
		if (fd >= 0) {
			found++;
			assert_int_equal(fd_stat(fd).st_size, PAGE);
			must(close(fd));
		}
		if (stat(A, &st) < 0)
			assert_true(has_gone(errno));
		else
			assert_int_equal(st.st_size, PAGE);
	}
	must(kill(child, SIGKILL));
	must(waitpid(child, NULL, 0));
	if (shmget(KEY, 0, 0) >= 0)
		segment_remove(segment_find(KEY));
	await_that(segments_count() == 0);
}

static void test_what_segments_have_not(void **state)
{
	static const struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	struct shmid_ds before, after;
	int id = segment_make(KEY, PAGE, 0666);

	(void)state;
	segment_make(KEY + 1, PAGE, 0666);
	before = segment_status(id);
	refused(rename(A, C), EPERM);
	refused(rename(A, B), EPERM);
	refused(syscall(SYS_renameat2, AT_FDCWD, A, AT_FDCWD, B, 2), EPERM);
	refused(link(A, C), EPERM);
	refused(symlink(A, C), EPERM);
	/* Times can be given to it, but it does not take them. */
	must(utimensat(AT_FDCWD, A, times, 0));
	refused(mkdir(C, 0777), EPERM);
	refused(mknod(C, S_IFIFO | 0600, 0), EPERM);
	refused(mknod(C, S_IFCHR | 0600, 0), EPERM);
	/* A segment has a size from its beginning. */
	refused(mknod(C, S_IFREG | 0600, 0), EINVAL);
	refused(rmdir(A), ENOTDIR);
	refused(setxattr(A, "user.x", "x", 1, 0), EOPNOTSUPP);
	refused(setxattr(A, "user.shmfs.key", "x", 1, 0), EPERM);
	refused(removexattr(A, "user.shmfs.key"), EPERM);
	after = segment_status(id);
	assert_memory_equal(&before, &after, sizeof(after));
	assert_int_equal(segments_count(), 2);
}

static void test_the_directory(void **state)
{
	struct stat st = file_stat(MOUNT_DIR, ".");

	(void)state;
	assert_int_equal(st.st_mode, S_IFDIR | 0777);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
	assert_int_equal(st.st_ino, ROOT_INODE);
	assert_int_equal(st.st_nlink, 2);
	refused(chmod(MOUNT_DIR, 0755), EPERM);
	refused(chmod(MOUNT_DIR, 01777), EPERM);
	refused(chown(MOUNT_DIR, 1000, 1000), EPERM);
	must(utimensat(AT_FDCWD, MOUNT_DIR, NULL, 0));
	refused(setxattr(MOUNT_DIR, "user.x", "x", 1, 0), EOPNOTSUPP);
	refused(getxattr(MOUNT_DIR, "user.shmfs.key", NULL, 0), ENODATA);
	must(access(MOUNT_DIR, R_OK | W_OK | X_OK));
	refused(open(MOUNT_DIR, O_RDWR), EISDIR);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_all_are_listed),
		segments_test(test_everybody_sees_all),
		segments_test(test_looking_attaches_nothing),
		segments_test(test_each_is_listed_once),
		segments_test(test_each_is_listed_once_with_stat),
		segments_test(test_listing_goes_on_behind_removed_ones),
		segments_test(test_each_has_its_identifier_as_another_name),
		segments_test(test_spellings),
		segments_test(test_other_names),
		segments_test(test_identifiers_come_again),
		segments_test(test_keys_come_again),
		segments_test(test_removed_while_they_are_looked_at),
		segments_test(test_what_segments_have_not),
		segments_test(test_the_directory),
	};

	return cmocka_run_group_tests_name("sysv-names", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
