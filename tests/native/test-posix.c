/* SPDX-License-Identifier: MIT */
/*
 * What the kind "posix" does and no other has to: its objects are files of a directory
 * that is anybody's, which grow, move, and have times and attributes of their own.
 */
#include <poll.h>
#include <signal.h>
#include <sys/xattr.h>

#include "kind-callers.h"

/* As shm_open() makes them. */
static struct native_file *empty(const char *text, mode_t mode)
{
	return create_named(NULL, text, mode, 0);
}

static void make_others(void)
{
	assert_int_equal(mkdir("/dev/shm/dir", 0755), 0);
	assert_int_equal(mkfifo("/dev/shm/fifo", 0666), 0);
	assert_int_equal(symlink("a", "/dev/shm/link"), 0);
	assert_int_equal(symlink("nothing", "/dev/shm/dangling"), 0);
}

static void remove_others(void)
{
	assert_int_equal(rmdir("/dev/shm/dir"), 0);
	assert_int_equal(unlink("/dev/shm/fifo"), 0);
	assert_int_equal(unlink("/dev/shm/link"), 0);
	assert_int_equal(unlink("/dev/shm/dangling"), 0);
}

/* What is no object is not there, and stays as it is. */
static void test_no_objects(void **state)
{
	static const struct {
		const char *name;
		int error;
	} table[] = {
		{ "dir", -EISDIR },
		{ "fifo", -EEXIST },
		{ "link", -ELOOP },
		{ "dangling", -ELOOP },
	};
	struct native_file *f = empty("a", 0600);
	struct object_info info;

	(void)state;
	make_others();
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const char *name = table[i].name;

		assert_int_equal(look(name, &info), -ENOENT);
		assert_int_equal(kind_identify(kind, NULL, name, &info), -ENOENT);
		assert_int_equal(try_create(NULL, name, O_RDWR | O_TRUNC, 0600),
				 table[i].error);
		assert_int_equal(try_create(NULL, name, O_RDWR | O_EXCL, 0600), -EEXIST);
	}
	assert_int_equal(look("nothing", &info), -ENOENT);
	remove_others();
	drop_named("a", f);
}

/* Nor is it listed. */
static void test_listed_alone(void **state)
{
	struct native_file *f = empty("a", 0600);
	struct native_list *l;
	struct list_entry e = { .next = 0 };
	int n = 0;

	(void)state;
	make_others();
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	while (kind_list_next(kind, l, e.next, &e) > 0)
		n += S_ISREG(e.type);
	assert_int_equal(n, 1);
	kind_list_close(kind, l);
	remove_others();
	drop_named("a", f);
}

static void test_longest_name(void **state)
{
	struct object_info info;
	struct statvfs st;
	char longest[256];

	(void)state;
	memset(longest, 'x', 255);
	longest[255] = '\0';
	assert_int_equal(try_create(NULL, longest, O_RDWR, 0600), 0);
	assert_int_equal(look(longest, &info), 0);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_namemax, 255);
	drop_named(longest, NULL);
}

static void test_rename(void **state)
{
	struct native_file *f = empty("a", 0600);
	struct object_info a, b;

	(void)state;
	assert_int_equal(look("a", &a), 0);
	assert_int_equal(kind_rename(kind, NULL, "a", "b", RENAME_NOREPLACE), 0);
	assert_int_equal(look("a", &b), -ENOENT);
	assert_int_equal(look("b", &b), 0);
	assert_memory_equal(&a.id, &b.id, sizeof(a.id));
	native_file_unref(empty("c", 0600));
	assert_int_equal(kind_rename(kind, NULL, "b", "c", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(kind_rename(kind, NULL, "b", "c", RENAME_EXCHANGE), 0);
	assert_int_equal(look("c", &b), 0);
	assert_memory_equal(&a.id, &b.id, sizeof(a.id));
	/* A whiteout would be no object. */
	assert_int_equal(kind_rename(kind, NULL, "b", "d", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(kind_rename(kind, NULL, "b", "c", 0), 0);
	assert_int_equal(stat_of(f).st_nlink, 0);
	drop_named("c", f);
}

/* A handle leads to its object whatever the name does. */
static void test_handle(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = empty("a", 0600);
	struct object_info info;

	(void)state;
	assert_int_equal(kind_lookup(kind, NULL, "a", &handle, &info), 0);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	drop_named("a", f);
	f = empty("a", 0644);
	assert_int_equal(stat_of(handle).st_ino, info.stat.st_ino);
	assert_int_equal(stat_of(handle).st_nlink, 0);
	assert_int_equal(stat_of(handle).st_size, 1);
	assert_int_equal(native_truncate(handle, NULL, 7), 0);
	assert_int_equal(native_chmod(handle, NULL, 0604), 0);
	assert_int_equal(stat_of(handle).st_mode, S_IFREG | 0604);
	assert_int_equal(stat_of(handle).st_size, 7);
	assert_int_equal(stat_of(f).st_size, 0);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0644);
	drop_named("a", f);
}

static void test_growing(void **state)
{
	struct native_file *f = empty("a", 0600);
	char buf[16];

	(void)state;
	assert_int_equal(stat_of(f).st_size, 0);
	assert_int_equal(native_write(f, "hello", 5, 3, false), 5);
	assert_int_equal(native_write(f, "!", 1, 0, true), 1);
	assert_int_equal(stat_of(f).st_size, 9);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 9);
	assert_memory_equal(buf, "\0\0\0hello!", 9);
	assert_int_equal(native_read(f, buf, sizeof(buf), 9), 0);
	assert_int_equal(native_resize(f, 4), 0);
	assert_int_equal(native_resize(f, 8), 0);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 8);
	assert_memory_equal(buf, "\0\0\0h\0\0\0\0", 8);
	drop_named("a", f);
}

static void test_holes(void **state)
{
	struct native_file *f = empty("a", 0600);

	(void)state;
	assert_int_equal(native_write(f, "x", 1, 1 << 20, false), 1);
	assert_int_equal(native_seek(f, 0, SEEK_DATA), 1 << 20);
	assert_int_equal(native_seek(f, 0, SEEK_HOLE), 0);
	assert_int_equal(native_seek(f, 2 << 20, SEEK_DATA), -ENXIO);
	assert_int_equal(native_allocate(f, 0, 0, 4 << 20), 0);
	assert_int_equal(stat_of(f).st_size, 4 << 20);
	assert_true(stat_of(f).st_blocks >= 4 << 11);
	assert_int_equal(native_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					 4 << 20),
			 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	assert_int_equal(native_allocate(f, FALLOC_FL_ZERO_RANGE, 0, 4096), -EOPNOTSUPP);
	assert_int_equal(native_allocate(f, 0, INT64_MAX, 1), -EFBIG);
	drop_named("a", f);
}

/* Root too must find one execute bit. */
static void test_execute_permission(void **state)
{
	struct native_file *f = empty("a", 0600);

	(void)state;
	assert_int_equal(try_open(f, NULL, KIND_OPEN_EXEC), -EACCES);
	assert_int_equal(native_access(f, NULL, X_OK), -EACCES);
	assert_int_equal(native_chmod(f, NULL, 0700), 0);
	assert_int_equal(try_open(f, NULL, KIND_OPEN_EXEC), 0);
	drop_named("a", f);
}

static void test_times(void **state)
{
	const struct timespec times[2] = { { 11, 22 }, { 33, 44 } };
	const struct timespec omit[2] = { { 0, UTIME_OMIT }, { 55, 66 } };
	struct native_file *f = empty("a", 0600);

	(void)state;
	assert_int_equal(native_utimens(f, NULL, times), 0);
	assert_int_equal(native_utimens(f, NULL, omit), 0);
	assert_int_equal(stat_of(f).st_atim.tv_sec, 11);
	assert_int_equal(stat_of(f).st_atim.tv_nsec, 22);
	assert_int_equal(stat_of(f).st_mtim.tv_sec, 55);
	drop_named("a", f);
}

/* The directory is one, with a mode that can change. */
static void test_directory_mode(void **state)
{
	struct native_file *root = kind_root(kind);

	(void)state;
	assert_int_equal(native_chmod(root, NULL, 01770), 0);
	assert_int_equal(stat_of(root).st_mode & 07777, 01770);
	assert_int_equal(native_chmod(root, NULL, 01777), 0);
}

static void test_xattrs(void **state)
{
	struct native_file *f = empty("a", 0600);
	char buf[64];

	(void)state;
	assert_int_equal(native_getxattr(f, NULL, "user.x", buf, 64), -ENODATA);
	assert_int_equal(native_setxattr(f, NULL, "user.x", "abc", 3, XATTR_REPLACE),
			 -ENODATA);
	assert_int_equal(native_setxattr(f, NULL, "user.x", "abc", 3, XATTR_CREATE), 0);
	assert_int_equal(native_getxattr(f, NULL, "user.x", NULL, 0), 3);
	assert_int_equal(native_getxattr(f, NULL, "user.x", buf, 2), -ERANGE);
	assert_int_equal(native_getxattr(f, NULL, "user.x", buf, 64), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(native_listxattr(f, NULL, buf, 64), 7);
	assert_memory_equal(buf, "user.x", 7);
	assert_int_equal(native_removexattr(f, NULL, "user.x"), 0);
	assert_int_equal(native_removexattr(f, NULL, "user.x"), -ENODATA);
	drop_named("a", f);
}

static void expect_event(const char *name)
{
	struct pollfd watch = { .fd = kind_watch(kind), .events = POLLIN };
	struct kind_event told;
	int r;

	/* What was read together is told one by one, without the descriptor. */
	while ((r = kind_event(kind, &told)) == 0)
		assert_int_equal(poll(&watch, 1, 5000), 1);
	assert_int_equal(r, 1);
	assert_string_equal(told.name, name);
}

static void test_watch(void **state)
{
	struct kind_event event;

	(void)state;
	native_file_unref(empty("a", 0600));
	native_file_unref(empty("b", 0600));
	assert_int_equal(kind_event(kind, &event), 0);
	assert_int_equal(rename("/dev/shm/a", "/dev/shm/c"), 0);
	assert_int_equal(unlink("/dev/shm/b"), 0);
	expect_event("a");
	expect_event("c");
	expect_event("b");
	assert_int_equal(kind_event(kind, &event), 0);
	assert_int_equal(kind_remove(kind, NULL, "c"), 0);
}

/* Who holds a lease must not keep those that serve others. */
static void test_lease_is_not_waited_for(void **state)
{
	struct native_file *f = empty("a", 0600);
	int holder = open("/dev/shm/a", O_RDONLY | O_CLOEXEC);
	struct object_info info;

	(void)state;
	assert_true(holder >= 0);
	signal(SIGIO, SIG_IGN);
	/* A lease takes that nobody has it open for writing. */
	native_file_unref(f);
	assert_int_equal(kind_lookup(kind, NULL, "a", &f, &info), 0);
	assert_int_equal(fcntl(holder, F_SETLEASE, F_RDLCK), 0);
	assert_int_equal(native_truncate(f, NULL, 1), -EAGAIN);
	assert_int_equal(fcntl(holder, F_SETLEASE, F_UNLCK), 0);
	assert_int_equal(native_truncate(f, NULL, 1), 0);
	close(holder);
	drop_named("a", f);
}

static void test_truncating_to_what_is_there(void **state)
{
	const struct timespec past[2] = { { 1, 2 }, { 3, 4 } };
	struct native_file *f = empty("a", 0600);

	(void)state;
	assert_int_equal(native_resize(f, 100), 0);
	assert_int_equal(native_utimens(f, NULL, past), 0);
	assert_int_equal(native_truncate(f, NULL, 100), 0);
	/* Where nothing changes no time does, but what lies behind the end goes. */
	assert_int_equal(stat_of(f).st_mtim.tv_sec, 3);
	assert_int_equal(native_allocate(f, FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
	assert_int_equal(stat_of(f).st_blocks, 8);
	assert_int_equal(native_truncate(f, NULL, 100), 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	assert_int_equal(stat_of(f).st_size, 100);
	drop_named("a", f);
}

static void test_only_a_tmpfs(void **state)
{
	const struct kind_config config = { .shm_dir = "/proc" };
	struct kind *other = NULL;

	(void)state;
	assert_int_equal(kind_new(ops, &config, &other), -EINVAL);
	assert_null(other);
}

static void test_reserve(void **state)
{
	const struct kind_config config = { .shm_dir = "/dev/shm", .reserve = true };
	struct native_file *f = empty("plain", 0600);
	struct statvfs st;

	(void)state;
	assert_int_equal(native_resize(f, 1 << 20), 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	drop_named("plain", f);
	kind_free(kind);
	assert_int_equal(kind_new(ops, &config, &kind), 0);
	f = empty("a", 0600);
	assert_int_equal(native_resize(f, 1 << 20), 0);
	assert_true(stat_of(f).st_blocks >= 1 << 11);
	assert_int_equal(native_truncate(f, NULL, 2 << 20), 0);
	assert_true(stat_of(f).st_blocks >= 2 << 11);
	/* What does not fit is refused, and the object is as it was. */
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(native_resize(f, (uint64_t)st.f_blocks * st.f_bsize * 2),
			 -ENOSPC);
	assert_int_equal(stat_of(f).st_size, 2 << 20);
	assert_int_equal(native_resize(f, 0), 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	drop_named("a", f);
}

static void test_no_directory(void **state)
{
	const struct kind_config missing = { .shm_dir = "/dev/shm/none" };
	const struct kind_config file = { .shm_dir = "/dev/shm/a" };
	struct kind *k = NULL;

	(void)state;
	native_file_unref(empty("a", 0600));
	assert_int_equal(kind_new(ops, &missing, &k), -ENOENT);
	assert_int_equal(kind_new(ops, &file, &k), -ENOTDIR);
	assert_null(k);
	drop_named("a", NULL);
}

static void test_refused_to_others(void **state)
{
	const struct timespec times[2] = { { 1, 1 }, { 1, 1 } };
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = empty("a", 0600);
	assert_int_equal(native_utimens(f, &bob, times), -EPERM);
	assert_int_equal(native_setxattr(f, &bob, "user.x", "y", 1, 0), -EACCES);
	assert_int_equal(native_getxattr(f, &bob, "user.x", NULL, 0), -EACCES);
	/* The directory is sticky. */
	assert_int_equal(kind_rename(kind, &bob, "a", "b", 0), -EPERM);
	assert_int_equal(none.asked, 0);
	/* Only for chown(2), and for what turns out to be there already, are they. */
	assert_int_equal(native_chown(f, &bob, 1001, (gid_t)-1), -EPERM);
	assert_int_equal(none.asked, 1);
	assert_int_equal(try_create(&bob, "a", O_RDWR, 0600), -EACCES);
	assert_int_equal(none.asked, 2);
	drop_named("a", f);
}

/* To list takes the right to read, and no other. */
static void test_listing_what_may_not_be_searched(void **state)
{
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct native_list *l = NULL;

	(void)state;
	need_root();
	assert_int_equal(chmod("/dev/shm", 0744), 0);
	assert_int_equal(kind_list_open(kind, &bob, &l), 0);
	kind_list_close(kind, l);
	assert_int_equal(chmod("/dev/shm", 0711), 0);
	assert_int_equal(kind_list_open(kind, &bob, &l), -EACCES);
	assert_int_equal(chmod("/dev/shm", 01777), 0);
}

/* user::rw-, user:1000:r--, group::---, group:50:rw-, mask::rw-, other::---, as xattr. */
static const unsigned char acl[] = {
	2,  0, 0, 0,                         /* version */
	1,  0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* user:: */
	2,  0, 4, 0, 0xe8, 0x03, 0,    0,    /* user:1000: */
	4,  0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* group:: */
	8,  0, 6, 0, 50,   0,    0,    0,    /* group:50: */
	16, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* mask:: */
	32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* other:: */
};

static void test_acl(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct caller in = user(1001, &staff);
	struct caller out = user(1001, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = empty("a", 0600);
	if (native_setxattr(f, NULL, "system.posix_acl_access", acl, sizeof(acl), 0) ==
	    -EOPNOTSUPP) {
		drop_named("a", f);
		skip();
	}
	/* The mode alone would let nobody in, and would not ask for groups either. */
	assert_int_equal(native_chmod(f, NULL, 0666), 0);
	assert_int_equal(try_open(f, &alice, O_RDONLY), 0);
	assert_int_equal(try_open(f, &alice, O_RDWR), -EACCES);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(staff.asked, 1);
	assert_int_equal(try_open(f, &out, O_RDWR), 0);
	assert_int_equal(native_chmod(f, NULL, 0660), 0);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(try_open(f, &out, O_RDWR), -EACCES);
	drop_named("a", f);
}

/* Whether fs.protected_hardlinks is in force, which belongs to the machine. */
static bool protects_links(void)
{
	_cleanup_close_ int fd =
		open("/proc/sys/fs/protected_hardlinks", O_RDONLY | O_CLOEXEC);
	char value = '0';

	return fd >= 0 && read(fd, &value, 1) == 1 && value == '1';
}

static void test_link(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL, *f = empty("a", 0600);
	struct object_info info;

	(void)state;
	assert_int_equal(native_link(f, NULL, "b"), 0);
	assert_int_equal(native_link(f, NULL, "b"), -EEXIST);
	assert_int_equal(stat_of(f).st_nlink, 2);
	assert_int_equal(kind_lookup(kind, NULL, "b", &handle, &info), 0);
	assert_int_equal(info.stat.st_ino, stat_of(f).st_ino);
	assert_int_equal(kind_remove(kind, NULL, "a"), 0);
	/* By a handle as well. */
	assert_int_equal(native_link(handle, NULL, "a"), 0);
	assert_int_equal(kind_remove(kind, NULL, "a"), 0);
	assert_int_equal(kind_remove(kind, NULL, "b"), 0);
	assert_int_equal(native_link(f, NULL, "c"), -ENOENT);
	assert_int_equal(native_link(handle, NULL, "c"), -ENOENT);
}

/* The native kernel looks at who asks, at the directory and at the object. */
static void test_link_of_others(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct caller alice = user(1000, &staff), bob = user(1001, &staff);
	_cleanup_native_ struct native_file *f = NULL;
	struct object_info info;

	(void)state;
	need_root();
	f = create_named(&alice, "a", 0640, 0);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(native_link(f, &bob, "b"), protects_links() ? -EPERM : 0);
	unlink("/dev/shm/b");
	assert_int_equal(native_chmod(f, NULL, 0660), 0);
	assert_int_equal(native_link(f, &bob, "b"), 0);
	assert_int_equal(look("b", &info), 0);
	assert_int_equal(info.stat.st_uid, 1000);
	/* A link to what is another's is the other's. */
	assert_int_equal(kind_remove(kind, &bob, "b"), -EPERM);
	assert_int_equal(kind_remove(kind, &alice, "b"), 0);
	assert_int_equal(native_chmod(f, NULL, 0), 0);
	assert_int_equal(native_link(f, &alice, "b"), 0);
	assert_int_equal(kind_remove(kind, &alice, "b"), 0);
	assert_int_equal(chmod("/dev/shm", 0755), 0);
	assert_int_equal(native_link(f, &alice, "b"), -EACCES);
	assert_int_equal(chmod("/dev/shm", 01777), 0);
	assert_int_equal(kind_remove(kind, NULL, "a"), 0);
}

static void test_tmpfile(void **state)
{
	_cleanup_native_ struct native_file *f = NULL, *exclusive = NULL;
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	const struct caller *caller = caller_serves_all() ? &alice : NULL;
	struct object_info info;

	(void)state;
	assert_int_equal(kind_tmpfile(kind, caller, O_RDWR, 06640, &f, &info), 0);
	assert_int_equal(info.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(info.stat.st_nlink, 0);
	assert_int_equal(info.stat.st_uid, caller ? 1000 : geteuid());
	assert_int_equal(native_write(f, "abc", 3, 0, false), 3);
	assert_int_equal(native_link(f, caller, "a"), 0);
	assert_int_equal(look("a", &info), 0);
	assert_int_equal(info.stat.st_size, 3);
	assert_int_equal(info.stat.st_nlink, 1);
	assert_int_equal(kind_remove(kind, caller, "a"), 0);
	assert_int_equal(native_link(f, caller, "a"), -ENOENT);
	assert_int_equal(
		kind_tmpfile(kind, caller, O_RDWR | O_EXCL, 0600, &exclusive, &info), 0);
	assert_int_equal(native_link(exclusive, caller, "a"), -ENOENT);
	if (!caller)
		return;
	assert_int_equal(chmod("/dev/shm", 0755), 0);
	exclusive = native_file_unref(exclusive);
	assert_int_equal(kind_tmpfile(kind, caller, O_RDWR, 0600, &exclusive, &info),
			 -EACCES);
	assert_int_equal(chmod("/dev/shm", 01777), 0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_no_objects),
		kind_test(test_listed_alone),
		kind_test(test_longest_name),
		kind_test(test_link),
		kind_test(test_link_of_others),
		kind_test(test_tmpfile),
		kind_test(test_rename),
		kind_test(test_handle),
		kind_test(test_growing),
		kind_test(test_holes),
		kind_test(test_execute_permission),
		kind_test(test_times),
		kind_test(test_directory_mode),
		kind_test(test_xattrs),
		kind_test(test_watch),
		kind_test(test_lease_is_not_waited_for),
		kind_test(test_truncating_to_what_is_there),
		kind_test(test_only_a_tmpfs),
		kind_test(test_reserve),
		kind_test(test_no_directory),
		kind_test(test_refused_to_others),
		kind_test(test_listing_what_may_not_be_searched),
		kind_test(test_acl),
	};

	return kind_run("posix", tests, argc, argv);
}
