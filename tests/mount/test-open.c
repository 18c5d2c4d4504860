/* SPDX-License-Identifier: MIT */
/*
 * Opening and creating: every combination of flags does on the mount what it does on a
 * tmpfs, which is asked in the same breath.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What opening came to: errors, and what may be done with the descriptor. */
struct opening {
	int error;
	int flags;
	int read_error;
	int write_error;
	off_t size_before;
	off_t size_after;
};

static struct opening try_open(const char *dir, const char *name, int flags)
{
	struct opening o = { 0 };
	_cleanup_close_ int fd = open(at(dir, name), flags | O_CLOEXEC, 0644);
	struct stat st;
	char c;

	if (fd < 0) {
		o.error = errno;
		return o;
	}
	o.flags = must(fcntl(fd, F_GETFL));
	o.size_before = fd_stat(fd).st_size;
	if (read(fd, &c, 1) < 0)
		o.read_error = errno;
	if (write(fd, "xy", 2) < 0)
		o.write_error = errno;
	if (lstat(at(dir, name), &st) == 0 && S_ISREG(st.st_mode))
		o.size_after = st.st_size;
	return o;
}

static void compare(const char *name, int flags)
{
	struct opening mount = try_open(MOUNT_DIR, name, flags);
	struct opening plain = try_open(PLAIN_DIR, name, flags);

	if (memcmp(&mount, &plain, sizeof(plain)) != 0)
		fail_msg(
			"%s, flags %#o: errors %d %d %d, not %d %d %d; flags %#o, not %#o; "
			"sizes %ld %ld, not %ld %ld",
			name, (unsigned int)flags, mount.error, mount.read_error,
			mount.write_error, plain.error, plain.read_error,
			plain.write_error, (unsigned int)mount.flags,
			(unsigned int)plain.flags, (long)mount.size_before,
			(long)mount.size_after, (long)plain.size_before,
			(long)plain.size_after);
}

static void fill(const char *dir)
{
	file_make(dir, "file", 0600, "content");
	unlink(at(dir, "missing"));
}

static void test_flags(void **state)
{
	static const int accesses[] = { O_RDONLY, O_WRONLY, O_RDWR, O_PATH };
	static const int options[] = { O_CREAT,   O_EXCL,     O_TRUNC,
				       O_APPEND,  O_NOFOLLOW, O_DIRECTORY,
				       O_NOATIME, O_SYNC,     O_NONBLOCK };

	(void)state;
	for (size_t a = 0; a < COUNT(accesses); a++) {
		for (unsigned int set = 0; set < 1U << COUNT(options); set++) {
			int flags = accesses[a];

			for (size_t i = 0; i < COUNT(options); i++)
				if (set & 1U << i)
					flags |= options[i];
			/* Without O_CREAT, O_EXCL on a file has no defined meaning. */
			if ((flags & O_EXCL) && !(flags & O_CREAT))
				continue;
			fill(PLAIN_DIR);
			fill(MOUNT_DIR);
			compare("file", flags);
			compare("missing", flags);
		}
	}
}

static void test_flags_on_the_root(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDONLY | O_DIRECTORY, O_WRONLY,
				     O_RDWR,   O_RDWR | O_DIRECTORY,   O_PATH };

	(void)state;
	for (size_t i = 0; i < COUNT(flags); i++) {
		_cleanup_close_ int mount = open(MOUNT_DIR, flags[i] | O_CLOEXEC);
		int mount_error = mount < 0 ? errno : 0;
		_cleanup_close_ int plain = open(PLAIN_DIR, flags[i] | O_CLOEXEC);
		int plain_error = plain < 0 ? errno : 0;

		assert_int_equal(mount_error, plain_error);
	}
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 0);
}

static mode_t created_mode(const char *dir, mode_t mode)
{
	close(must(open(at(dir, "a"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)));
	mode = file_stat(dir, "a").st_mode;
	must(unlink(at(dir, "a")));
	return mode;
}

static void test_created_mode(void **state)
{
	static const mode_t modes[] = { 0, 0400, 0600, 0644, 0666, 0777, 0123, 06755 };
	static const mode_t masks[] = { 0, 022, 077, 0177, 0777 };

	(void)state;
	for (size_t m = 0; m < COUNT(modes); m++) {
		for (size_t u = 0; u < COUNT(masks); u++) {
			mode_t plain, mount;

			umask(masks[u]);
			plain = created_mode(PLAIN_DIR, modes[m] & 0777);
			mount = created_mode(MOUNT_DIR, modes[m]);
			umask(022);
			assert_int_equal(mount, plain);
		}
	}
}

static void test_created_file_is_writable_whatever_its_mode(void **state)
{
	_cleanup_close_ int fd =
		must(open(MOUNT_DIR "/a", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0));

	(void)state;
	assert_int_equal(must(write(fd, "text", 4)), 4);
	fd_expect(fd, "text");
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode, S_IFREG);
}

struct creator {
	const struct person *who;
	const char *dir;
};

static int create_as(const void *arg)
{
	const struct creator *c = arg;

	umask(026);
	if (open(at(c->dir, "created"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) < 0)
		return -errno;
	return mknod(at(c->dir, "mknod"), S_IFREG | 0666, 0) < 0 ? -errno : 0;
}

static void test_created_file_is_the_callers(void **state)
{
	static const struct person people[] = {
		{ .name = "alice", .uid = 1000, .gid = 1000 },
		{ .name = "bob",
		  .uid = 1001,
		  .gid = 2001,
		  .group_count = 1,
		  .groups = { 7 } },
		{ .name = "root", .uid = 0, .gid = 5 },
	};
	static const char *const names[] = { "created", "mknod" };

	(void)state;
	person_needs_root();
	for (size_t i = 0; i < COUNT(people); i++) {
		struct creator c = { &people[i], MOUNT_DIR };

		assert_int_equal(person_do(&people[i], create_as, &c), 0);
		for (size_t n = 0; n < COUNT(names); n++) {
			struct stat st = file_stat(NATIVE_DIR, names[n]);

			assert_int_equal(st.st_uid, people[i].uid);
			assert_int_equal(st.st_gid, people[i].gid);
			assert_int_equal(st.st_mode, S_IFREG | 0640);
			must(unlink(at(MOUNT_DIR, names[n])));
		}
	}
}

static void test_opens_of_one_file_are_independent(void **state)
{
	int fds[20];
	char c;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "0123456789");
	for (size_t i = 0; i < COUNT(fds); i++)
		fds[i] = file_open(MOUNT_DIR, "a", i % 2 ? O_RDWR : O_RDONLY);
	for (size_t i = 0; i < COUNT(fds); i++) {
		assert_int_equal(must(lseek(fds[i], (off_t)(i % 10), SEEK_SET)), i % 10);
		assert_int_equal(must(read(fds[i], &c, 1)), 1);
		assert_int_equal(c, '0' + i % 10);
	}
	refused(write(fds[0], "x", 1), EBADF);
	for (size_t i = 1; i < COUNT(fds); i++)
		must(close(fds[i]));
	fd_expect(fds[0], "0123456789");
	must(close(fds[0]));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_flags),
		mount_test(test_flags_on_the_root),
		mount_test(test_created_mode),
		mount_test(test_created_file_is_writable_whatever_its_mode),
		mount_test(test_created_file_is_the_callers),
		mount_test(test_opens_of_one_file_are_independent),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
