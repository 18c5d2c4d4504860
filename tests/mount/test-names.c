/* SPDX-License-Identifier: MIT */
/*
 * What a name may be, which names there are, and how names come, change and go. The
 * directory under the mount is world-writable: what lies there and is no object must not
 * be seen.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"

static void test_name_of_any_bytes(void **state)
{
	static const char *const names[] = {
		"a",         "sem.a",    ".hidden",  "...", "a b",
		"new\nline", "\xc3\xa4", "\xff\xfe", "-",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		file_make(MOUNT_DIR, names[i], 0600, names[i]);
		file_expect(NATIVE_DIR, names[i], names[i]);
		must(unlink(at(NATIVE_DIR, names[i])));
		file_make(NATIVE_DIR, names[i], 0600, names[i]);
		file_expect(MOUNT_DIR, names[i], names[i]);
		must(unlink(at(MOUNT_DIR, names[i])));
		refused(access(at(NATIVE_DIR, names[i]), F_OK), ENOENT);
	}
}

static void test_name_of_255_bytes(void **state)
{
	char name[257];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	refused(open(at(MOUNT_DIR, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		ENAMETOOLONG);
	refused(access(at(MOUNT_DIR, name), F_OK), ENAMETOOLONG);
	refused(unlink(at(MOUNT_DIR, name)), ENAMETOOLONG);
	file_make(MOUNT_DIR, "short", 0600, "");
	refused(rename(MOUNT_DIR "/short", at(MOUNT_DIR, name)), ENAMETOOLONG);
	name[255] = '\0';
	file_make(MOUNT_DIR, name, 0600, "long");
	file_expect(NATIVE_DIR, name, "long");
	must(unlink(at(MOUNT_DIR, name)));
}

static void test_native_changes_of_names_are_seen(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		refused(access(MOUNT_DIR "/a", F_OK), ENOENT);
		file_make(NATIVE_DIR, "a", 0600, "a");
		file_expect(MOUNT_DIR, "a", "a");
		must(rename(NATIVE_DIR "/a", NATIVE_DIR "/b"));
		refused(access(MOUNT_DIR "/a", F_OK), ENOENT);
		file_expect(MOUNT_DIR, "b", "a");
		must(unlink(NATIVE_DIR "/b"));
		refused(access(MOUNT_DIR "/b", F_OK), ENOENT);
	}
}

static void test_refused_kinds(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = MOUNT_DIR "/sock" };
	_cleanup_close_ int sock = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	refused(mkdir(MOUNT_DIR "/dir", 0755), EPERM);
	refused(symlink("a", MOUNT_DIR "/symlink"), EPERM);
	refused(mknod(MOUNT_DIR "/fifo", S_IFIFO | 0600, 0), EPERM);
	refused(mknod(MOUNT_DIR "/sock", S_IFSOCK | 0600, 0), EPERM);
	refused(bind(sock, (const struct sockaddr *)&address, sizeof(address)), EPERM);
	if (mount_privileged()) {
		refused(mknod(MOUNT_DIR "/null", S_IFCHR | 0600, makedev(1, 3)), EPERM);
		refused(mknod(MOUNT_DIR "/loop", S_IFBLK | 0600, makedev(7, 0)), EPERM);
	}
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
}

static void test_refused_kinds_exist_already(void **state)
{
	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	refused(mkdir(MOUNT_DIR "/a", 0755), EEXIST);
	refused(symlink("a", MOUNT_DIR "/a"), EEXIST);
	refused(link(MOUNT_DIR "/a", MOUNT_DIR "/a"), EEXIST);
	refused(mknod(MOUNT_DIR "/a", S_IFREG | 0600, 0), EEXIST);
}

static void test_mknod_of_a_regular_file(void **state)
{
	struct stat st;

	(void)state;
	umask(027);
	must(mknod(MOUNT_DIR "/a", S_IFREG | 0666, 0));
	must(mknod(MOUNT_DIR "/b", 0600, 0));
	umask(022);
	st = file_stat(NATIVE_DIR, "a");
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(file_stat(NATIVE_DIR, "b").st_mode, S_IFREG | 0600);
}

static void make_non_objects(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = NATIVE_DIR "/sock" };
	_cleanup_close_ int sock = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	file_make(NATIVE_DIR, "object", 0600, "object");
	must(symlink("object", NATIVE_DIR "/symlink"));
	must(symlink("/etc/hostname", NATIVE_DIR "/outside"));
	must(mkfifo(NATIVE_DIR "/fifo", 0666));
	must(mkdir(NATIVE_DIR "/dir", 0777));
	file_make(NATIVE_DIR, "dir/inner", 0600, "");
	must(bind(sock, (const struct sockaddr *)&address, sizeof(address)));
	if (mount_privileged())
		must(mknod(NATIVE_DIR "/null", S_IFCHR | 0666, makedev(1, 3)));
}

static void test_non_objects_are_hidden(void **state)
{
	static const char *const names[] = { "symlink", "outside",   "fifo", "dir",
					     "sock",    "dir/inner", "null" };

	(void)state;
	make_non_objects();
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct stat st;

		refused(lstat(at(MOUNT_DIR, names[i]), &st), ENOENT);
		refused(open(at(MOUNT_DIR, names[i]), O_RDONLY | O_CLOEXEC), ENOENT);
		refused(truncate(at(MOUNT_DIR, names[i]), 0), ENOENT);
		refused(unlink(at(MOUNT_DIR, names[i])), ENOENT);
	}
	file_expect(MOUNT_DIR, "object", "object");
}

static void test_non_objects_are_in_the_way(void **state)
{
	static const char *const names[] = { "symlink", "fifo", "dir", "sock" };
	int flags = O_RDWR | O_CREAT | O_CLOEXEC;

	(void)state;
	make_non_objects();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		refused(open(at(MOUNT_DIR, names[i]), flags | O_EXCL, 0600), EEXIST);
		/* Not followed, not waited for, not replaced: whatever the error, no
		 * file. */
		assert_int_equal(open(at(MOUNT_DIR, names[i]), flags, 0600), -1);
		refused(mknod(at(MOUNT_DIR, names[i]), S_IFREG | 0600, 0), EEXIST);
		assert_false(S_ISREG(file_stat(NATIVE_DIR, names[i]).st_mode));
	}
	assert_int_equal(rename(MOUNT_DIR "/object", MOUNT_DIR "/dir"), -1);
	file_expect(NATIVE_DIR, "object", "object");
}

static void test_unlink(void **state)
{
	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "");
	must(unlink(MOUNT_DIR "/a"));
	refused(access(NATIVE_DIR "/a", F_OK), ENOENT);
	refused(unlink(MOUNT_DIR "/a"), ENOENT);
	file_make(NATIVE_DIR, "b", 0600, "");
	refused(rmdir(MOUNT_DIR "/b"), ENOTDIR);
	must(unlink(MOUNT_DIR "/b"));
	refused(access(NATIVE_DIR "/b", F_OK), ENOENT);
}

static void test_unlinked_file_lives_while_open(void **state)
{
	unsigned long long before = blocks_used(NATIVE_DIR);
	_cleanup_close_ int fd = -1;
	char page[4096];

	(void)state;
	memset(page, 'x', sizeof(page));
	fd = file_open(MOUNT_DIR, "a", O_RDWR | O_CREAT);
	for (int i = 0; i < 256; i++)
		assert_int_equal(must(write(fd, page, sizeof(page))), sizeof(page));
	must(unlink(MOUNT_DIR "/a"));
	assert_int_equal(fd_stat(fd).st_nlink, 0);
	assert_int_equal(fd_stat(fd).st_size, 256 * 4096);
	must(ftruncate(fd, 255 * 4096));
	must(fchmod(fd, 0640));
	must(fchown(fd, 0, 0));
	must(futimens(fd, NULL));
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0640);
	page[0] = 0;
	assert_int_equal(must(pread(fd, page, 1, 254 * 4096)), 1);
	assert_int_equal(page[0], 'x');
	assert_true(blocks_used(NATIVE_DIR) >= before + 255);
	fd = close_fd(fd);
	await_that(blocks_used(NATIVE_DIR) == before);
}

static void test_natively_unlinked_file_lives_while_open(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "old");
	fd = file_open(MOUNT_DIR, "a", O_RDWR);
	must(unlink(NATIVE_DIR "/a"));
	file_make(NATIVE_DIR, "a", 0644, "newer");
	fd_expect(fd, "old");
	file_expect(MOUNT_DIR, "a", "newer");
	assert_int_equal(fd_stat(fd).st_nlink, 0);
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0600);
	must(ftruncate(fd, 1));
	fd_expect(fd, "o");
	file_expect(NATIVE_DIR, "a", "newer");
}

static void test_rename(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "a");
	file_make(MOUNT_DIR, "b", 0600, "b");
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	must(rename(MOUNT_DIR "/a", MOUNT_DIR "/c"));
	refused(access(NATIVE_DIR "/a", F_OK), ENOENT);
	file_expect(NATIVE_DIR, "c", "a");
	must(rename(MOUNT_DIR "/c", MOUNT_DIR "/b"));
	file_expect(MOUNT_DIR, "b", "a");
	fd_expect(fd, "a");
	assert_int_equal(fd_stat(fd).st_ino, file_stat(MOUNT_DIR, "b").st_ino);
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
	must(rename(MOUNT_DIR "/b", MOUNT_DIR "/b"));
	refused(rename(MOUNT_DIR "/none", MOUNT_DIR "/b"), ENOENT);
	refused(rename(MOUNT_DIR "/b", SCRATCH_DIR "/b"), EXDEV);
	file_expect(NATIVE_DIR, "b", "a");
}

static int rename_with(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, at(MOUNT_DIR, from), AT_FDCWD, at(MOUNT_DIR, to),
			 flags);
}

static void test_rename_noreplace(void **state)
{
	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "a");
	file_make(NATIVE_DIR, "b", 0600, "b");
	refused(rename_with("a", "b", RENAME_NOREPLACE), EEXIST);
	file_expect(NATIVE_DIR, "a", "a");
	file_expect(NATIVE_DIR, "b", "b");
	must(rename_with("a", "c", RENAME_NOREPLACE));
	file_expect(NATIVE_DIR, "c", "a");
	refused(access(NATIVE_DIR "/a", F_OK), ENOENT);
}

static void test_rename_exchange(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "a");
	file_make(NATIVE_DIR, "b", 0600, "b");
	fd = file_open(MOUNT_DIR, "a", O_RDONLY);
	must(rename_with("a", "b", RENAME_EXCHANGE));
	file_expect(NATIVE_DIR, "a", "b");
	file_expect(NATIVE_DIR, "b", "a");
	file_expect(MOUNT_DIR, "a", "b");
	file_expect(MOUNT_DIR, "b", "a");
	fd_expect(fd, "a");
	refused(rename_with("a", "none", RENAME_EXCHANGE), ENOENT);
	refused(rename_with("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
}

static void test_rename_whiteout_is_refused(void **state)
{
	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "a");
	refused(rename_with("a", "b", RENAME_WHITEOUT), EINVAL);
	file_expect(NATIVE_DIR, "a", "a");
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 1);
}

/* What all names of an object say of it, on both sides. */
static void expect_links(nlink_t links, const char *const names[])
{
	struct stat first = file_stat(NATIVE_DIR, names[0]);

	for (; *names; names++) {
		struct stat native = file_stat(NATIVE_DIR, *names);
		struct stat here = file_stat(MOUNT_DIR, *names);

		assert_int_equal(native.st_ino, first.st_ino);
		assert_int_equal(here.st_ino, first.st_ino);
		assert_int_equal(here.st_nlink, links);
		assert_int_equal(here.st_ctim.tv_sec, native.st_ctim.tv_sec);
		assert_int_equal(here.st_ctim.tv_nsec, native.st_ctim.tv_nsec);
	}
}

static void test_links(void **state)
{
	static const char *const all[] = { "a", "b", "c", NULL };
	_cleanup_close_ int fd = -1;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "text");
	must(link(MOUNT_DIR "/a", MOUNT_DIR "/b"));
	must(link(NATIVE_DIR "/b", NATIVE_DIR "/c"));
	expect_links(3, all);
	refused(link(MOUNT_DIR "/a", MOUNT_DIR "/c"), EEXIST);
	refused(link(MOUNT_DIR "/missing", MOUNT_DIR "/d"), ENOENT);
	file_expect(MOUNT_DIR, "c", "text");
	fd = file_open(MOUNT_DIR, "b", O_RDWR);
	must(unlink(MOUNT_DIR "/a"));
	expect_links(2, all + 1);
	/* Names of one object stay, whichever is renamed to which. */
	must(rename(MOUNT_DIR "/b", MOUNT_DIR "/c"));
	expect_links(2, all + 1);
	file_make(MOUNT_DIR, "a", 0600, "other");
	must(rename(MOUNT_DIR "/a", MOUNT_DIR "/b"));
	expect_links(1, all + 2);
	file_expect(MOUNT_DIR, "b", "other");
	assert_int_equal(fd_stat(fd).st_nlink, 1);
	must(unlink(MOUNT_DIR "/c"));
	assert_int_equal(fd_stat(fd).st_nlink, 0);
	fd_expect(fd, "text");
}

/* What was opened by a name is the object, also when that name goes and another stays. */
static void test_name_goes_and_another_stays(void **state)
{
	_cleanup_close_ int path = -1;
	struct stat st;

	(void)state;
	file_make(MOUNT_DIR, "a", 0600, "text");
	must(link(MOUNT_DIR "/a", MOUNT_DIR "/b"));
	path = file_open(MOUNT_DIR, "a", O_PATH);
	file_expect(MOUNT_DIR, "b", "text");
	must(unlink(MOUNT_DIR "/b"));
	/* Others take the places of what was looked up. */
	for (int i = 0; i < 256; i++) {
		char name[16];

		snprintf(name, sizeof(name), "other%d", i);
		file_make(NATIVE_DIR, name, 0600, "");
		file_stat(MOUNT_DIR, name);
	}
	must(fstat(path, &st));
	assert_int_equal(st.st_ino, file_stat(NATIVE_DIR, "a").st_ino);
}

static int link_fd(int fd, const char *to)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
}

static void test_unnamed(void **state)
{
	_cleanup_close_ int fd = -1, exclusive = -1;
	unsigned long long used = blocks_used(NATIVE_DIR);
	char *map;

	(void)state;
	umask(027);
	fd = must(open(MOUNT_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
	umask(0);
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0640);
	assert_int_equal(fd_stat(fd).st_nlink, 0);
	must(ftruncate(fd, 4096));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(map != MAP_FAILED, mount_passthrough());
	if (map != MAP_FAILED) {
		memcpy(map, "text", 4);
		must(munmap(map, 4096));
	} else {
		must(pwrite(fd, "text", 4, 0));
	}
	must(ftruncate(fd, 4));
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 0);
	must(link_fd(fd, MOUNT_DIR "/a"));
	file_expect(NATIVE_DIR, "a", "text");
	file_expect(MOUNT_DIR, "a", "text");
	assert_int_equal(file_stat(MOUNT_DIR, "a").st_ino, fd_stat(fd).st_ino);
	assert_int_equal(fd_stat(fd).st_nlink, 1);
	refused(link_fd(fd, MOUNT_DIR "/a"), EEXIST);
	must(unlink(MOUNT_DIR "/a"));
	/* It is removed, and stays so. */
	refused(link_fd(fd, MOUNT_DIR "/b"), ENOENT);
	fd = close_fd(fd);
	exclusive =
		must(open(MOUNT_DIR, O_TMPFILE | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
	must(write(exclusive, "text", 4));
	refused(link_fd(exclusive, MOUNT_DIR "/b"), ENOENT);
	exclusive = close_fd(exclusive);
	refused(open(MOUNT_DIR, O_TMPFILE | O_RDONLY | O_CLOEXEC, 0600), EINVAL);
	await_that(blocks_used(NATIVE_DIR) == used);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_name_of_any_bytes),
		mount_test(test_name_of_255_bytes),
		mount_test(test_native_changes_of_names_are_seen),
		mount_test(test_links),
		mount_test(test_name_goes_and_another_stays),
		mount_test(test_unnamed),
		mount_test(test_refused_kinds),
		mount_test(test_refused_kinds_exist_already),
		mount_test(test_mknod_of_a_regular_file),
		mount_test(test_non_objects_are_hidden),
		mount_test(test_non_objects_are_in_the_way),
		mount_test(test_unlink),
		mount_test(test_unlinked_file_lives_while_open),
		mount_test(test_natively_unlinked_file_lives_while_open),
		mount_test(test_rename),
		mount_test(test_rename_noreplace),
		mount_test(test_rename_exchange),
		mount_test(test_rename_whiteout_is_refused),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(30, run);
}
