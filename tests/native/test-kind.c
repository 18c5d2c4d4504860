/* SPDX-License-Identifier: MIT */
/*
 * What every kind must do, run against the one that the argument names. Natively the
 * objects are those of /dev/shm in private namespaces.
 */
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/xattr.h>

#include "kind-fixture.h"

static void test_known_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(kind_find(ops->name), ops);
	assert_null(kind_find("none"));
	assert_null(kind_find(""));
}

static void test_create_and_lookup(void **state)
{
	struct native_file *f = create("a", 0640);
	struct object_info a, again, other;
	struct stat st;

	(void)state;
	st = stat_of(f);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(look("a", &a), 0);
	assert_int_equal(look("a", &again), 0);
	assert_memory_equal(&a.id, &again.id, sizeof(a.id));
	assert_int_equal(a.stat.st_ino, st.st_ino);
	assert_int_equal(try_create(NULL, "a", O_RDWR | O_EXCL, 0600), -EEXIST);
	assert_int_equal(try_create(NULL, "a", O_RDWR, 0600), 0);
	assert_int_equal(try_create(NULL, "b", O_RDWR, 06755), 0);
	assert_int_equal(look("b", &other), 0);
	assert_int_equal(other.stat.st_mode, S_IFREG | 0755);
	assert_memory_not_equal(&a.id, &other.id, sizeof(a.id));
	assert_int_equal(look("c", &other), -ENOENT);
	drop("b", NULL);
	drop("a", f);
	assert_int_equal(look("a", &a), -ENOENT);
	assert_int_equal(kind_remove(kind, NULL, "a"), -ENOENT);
}

static void test_names_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "a/b", "/a", "a/", "../x" };
	struct object_info info;
	char longest[257];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(look(names[i], &info), -EINVAL);
		assert_int_equal(try_create(NULL, names[i], O_RDWR, 0600), -EINVAL);
		assert_int_equal(kind_remove(kind, NULL, names[i]), -EINVAL);
		assert_int_equal(kind_rename(kind, NULL, names[i], "x", 0), -EINVAL);
		assert_int_equal(kind_rename(kind, NULL, "x", names[i], 0), -EINVAL);
	}
	memset(longest, 'x', 256);
	longest[256] = '\0';
	assert_int_equal(look(longest, &info), -ENAMETOOLONG);
	longest[255] = '\0';
	assert_int_equal(try_create(NULL, longest, O_RDWR, 0600), 0);
	assert_int_equal(look(longest, &info), 0);
	drop(longest, NULL);
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
	struct native_file *f = create("a", 0600);
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
	drop("a", f);
}

struct names {
	int n;
	char names[64][16];
	int64_t next;
};

/* Up to @most entries behind @at. */
static struct names list(struct native_list *l, int64_t at, int most)
{
	struct names ret = { .next = at };
	struct list_entry e;
	int r = 1;

	while (ret.n < most) {
		r = kind_list_next(kind, l, ret.next, &e);
		if (r == 0)
			break;
		assert_int_equal(r, 1);
		ret.next = e.next;
		if (strcmp(e.name, ".") == 0 || strcmp(e.name, "..") == 0) {
			assert_true(S_ISDIR(e.type));
			continue;
		}
		assert_true(S_ISREG(e.type));
		assert_int_not_equal(e.inode, 0);
		snprintf(ret.names[ret.n++], sizeof(ret.names[0]), "%s", e.name);
	}
	return ret;
}

static int count(const struct names *names, const char *name)
{
	int n = 0;

	for (int i = 0; i < names->n; i++)
		n += strcmp(names->names[i], name) == 0;
	return n;
}

static void test_list(void **state)
{
	struct native_file *f = create("a", 0600);
	struct native_list *l;
	struct names names;

	(void)state;
	make_others();
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	names = list(l, 0, 64);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.names[0], "a");
	/* Again from the start. */
	assert_int_equal(list(l, 0, 64).n, 1);
	kind_list_close(kind, l);
	kind_list_close(kind, NULL);
	remove_others();
	drop("a", f);
}

/* Read one entry a call, in any state of the directory: what stays is given once. */
static void test_list_while_names_come_and_go(void **state)
{
	struct names all = { .n = 0 };
	struct native_list *l;
	char name[16];
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		native_file_unref(create(name, 0600));
	}
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	for (int i = 0;; i++) {
		struct names one = list(l, at, 1);

		if (one.n == 0)
			break;
		at = one.next;
		assert_true(all.n <= 63);
		strcpy(all.names[all.n++], one.names[0]);
		/* The even ones go, others come and go again. */
		if (i < 20) {
			snprintf(name, sizeof(name), "n%d", 2 * i);
			assert_int_equal(kind_remove(kind, NULL, name), 0);
			drop("new", create("new", 0600));
		}
	}
	for (int i = 1; i < 40; i += 2) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(count(&all, name), 1);
		assert_int_equal(kind_remove(kind, NULL, name), 0);
	}
	kind_list_close(kind, l);
}

static void test_rename(void **state)
{
	struct native_file *f = create("a", 0600);
	struct object_info a, b;

	(void)state;
	assert_int_equal(look("a", &a), 0);
	assert_int_equal(kind_rename(kind, NULL, "a", "b", RENAME_NOREPLACE), 0);
	assert_int_equal(look("a", &b), -ENOENT);
	assert_int_equal(look("b", &b), 0);
	assert_memory_equal(&a.id, &b.id, sizeof(a.id));
	native_file_unref(create("c", 0600));
	assert_int_equal(kind_rename(kind, NULL, "b", "c", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(kind_rename(kind, NULL, "b", "c", RENAME_EXCHANGE), 0);
	assert_int_equal(look("c", &b), 0);
	assert_memory_equal(&a.id, &b.id, sizeof(a.id));
	/* A whiteout would be no object. */
	assert_int_equal(kind_rename(kind, NULL, "b", "d", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(kind_rename(kind, NULL, "b", "c", 0), 0);
	assert_int_equal(stat_of(f).st_nlink, 0);
	drop("c", f);
}

/* It tells the same as a lookup, of the same objects. */
static void test_identify(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = create("a", 0640);
	struct object_info looked, identified;

	(void)state;
	assert_int_equal(kind_lookup(kind, NULL, "a", &handle, &looked), 0);
	assert_int_equal(kind_identify(kind, NULL, "a", &identified), 0);
	assert_memory_equal(&identified.id, &looked.id, sizeof(looked.id));
	assert_int_equal(identified.stat.st_ino, looked.stat.st_ino);
	assert_int_equal(identified.stat.st_mode, S_IFREG | 0640);
	drop("a", f);
	assert_int_equal(kind_identify(kind, NULL, "a", &identified), -ENOENT);
	f = create("a", 0640);
	assert_int_equal(kind_identify(kind, NULL, "a", &identified), 0);
	assert_memory_not_equal(&identified.id, &looked.id, sizeof(looked.id));
	drop("a", f);
}

/* A handle leads to its object whatever the name does. */
static void test_handle(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = create("a", 0600);
	struct object_info info;

	(void)state;
	assert_int_equal(kind_lookup(kind, NULL, "a", &handle, &info), 0);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	drop("a", f);
	f = create("a", 0644);
	assert_int_equal(stat_of(handle).st_ino, info.stat.st_ino);
	assert_int_equal(stat_of(handle).st_nlink, 0);
	assert_int_equal(stat_of(handle).st_size, 1);
	assert_int_equal(native_truncate(handle, NULL, 7), 0);
	assert_int_equal(native_chmod(handle, NULL, 0604), 0);
	assert_int_equal(stat_of(handle).st_mode, S_IFREG | 0604);
	assert_int_equal(stat_of(handle).st_size, 7);
	assert_int_equal(stat_of(f).st_size, 0);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0644);
	drop("a", f);
}

static void test_data(void **state)
{
	struct native_file *f = create("a", 0600);
	struct native_file *g = create("b", 0600);
	char buf[16];

	(void)state;
	assert_int_equal(native_write(f, "hello", 5, 3, false), 5);
	assert_int_equal(native_write(f, "!", 1, 0, true), 1);
	assert_int_equal(stat_of(f).st_size, 9);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 9);
	assert_memory_equal(buf, "\0\0\0hello!", 9);
	assert_int_equal(native_read(f, buf, sizeof(buf), 9), 0);
	assert_int_equal(native_copy(f, 3, g, 0, 5), 5);
	assert_int_equal(native_read(g, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(native_resize(f, 4), 0);
	assert_int_equal(native_resize(f, 8), 0);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 8);
	assert_memory_equal(buf, "\0\0\0h\0\0\0\0", 8);
	assert_int_equal(native_resize(f, UINT64_MAX), -EFBIG);
	assert_int_equal(native_truncate(f, NULL, UINT64_MAX), -EFBIG);
	assert_int_equal(native_write(f, "x", 1, UINT64_MAX, false), -EFBIG);
	assert_int_equal(native_sync(f, true), 0);
	assert_int_equal(native_sync(f, false), 0);
	drop("b", g);
	drop("a", f);
}

static void test_holes(void **state)
{
	struct native_file *f = create("a", 0600);

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
	drop("a", f);
}

static void test_open_flags(void **state)
{
	_cleanup_native_ struct native_file *reads = NULL;
	struct native_file *f = create("a", 0600);
	char c;

	(void)state;
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(native_open(f, NULL, O_RDONLY, &reads), 0);
	assert_int_equal(native_read(reads, &c, 1, 0), 1);
	assert_int_equal(native_write(reads, &c, 1, 0, false), -EBADF);
	assert_int_equal(native_resize(reads, 0), -EINVAL);
	assert_true(native_backing(reads) >= 0);
	assert_int_equal(fcntl(native_backing(reads), F_GETFD), FD_CLOEXEC);
	assert_int_equal(try_open(f, NULL, O_RDWR | O_TRUNC), 0);
	assert_int_equal(stat_of(f).st_size, 0);
	assert_int_equal(try_open(f, NULL, KIND_OPEN_EXEC), -EACCES);
	assert_int_equal(native_chmod(f, NULL, 0700), 0);
	assert_int_equal(try_open(f, NULL, KIND_OPEN_EXEC), 0);
	drop("a", f);
}

static void test_attributes(void **state)
{
	const struct timespec times[2] = { { 11, 22 }, { 33, 44 } };
	const struct timespec omit[2] = { { 0, UTIME_OMIT }, { 55, 66 } };
	struct native_file *f = create("a", 0600);

	(void)state;
	assert_int_equal(native_utimens(f, NULL, times), 0);
	assert_int_equal(native_utimens(f, NULL, omit), 0);
	assert_int_equal(stat_of(f).st_atim.tv_sec, 11);
	assert_int_equal(stat_of(f).st_atim.tv_nsec, 22);
	assert_int_equal(stat_of(f).st_mtim.tv_sec, 55);
	assert_int_equal(native_chown(f, NULL, 12, (gid_t)-1), 0);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 34), 0);
	assert_int_equal(stat_of(f).st_uid, 12);
	assert_int_equal(stat_of(f).st_gid, 34);
	assert_int_equal(native_access(f, NULL, R_OK | W_OK), 0);
	assert_int_equal(native_access(f, NULL, X_OK), -EACCES);
	drop("a", f);
}

static void test_root(void **state)
{
	struct native_file *root = kind_root(kind);
	struct statvfs st;

	(void)state;
	assert_true(S_ISDIR(stat_of(root).st_mode));
	assert_int_equal(stat_of(root).st_mode & 07777, 01777);
	assert_int_equal(native_access(root, NULL, W_OK), 0);
	assert_int_equal(native_chmod(root, NULL, 01770), 0);
	assert_int_equal(stat_of(root).st_mode & 07777, 01770);
	assert_int_equal(native_chmod(root, NULL, 01777), 0);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_namemax, 255);
}

static void test_xattrs(void **state)
{
	struct native_file *f = create("a", 0600);
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
	drop("a", f);
}

static void test_locks(void **state)
{
	_cleanup_native_ struct native_file *other = NULL;
	struct flock lock = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 };
	struct flock found = { .l_type = F_WRLCK };
	struct native_file *f = create("a", 0600);

	(void)state;
	assert_int_equal(native_open(f, NULL, O_RDWR, &other), 0);
	assert_int_equal(native_lock(f, F_OFD_SETLK, &lock), 0);
	assert_int_equal(native_lock(other, F_OFD_SETLK, &lock), -EAGAIN);
	assert_int_equal(native_lock(other, F_OFD_GETLK, &found), 0);
	assert_int_equal(found.l_start, 10);
	assert_int_equal(found.l_len, 10);
	lock.l_type = F_UNLCK;
	assert_int_equal(native_lock(f, F_OFD_SETLK, &lock), 0);
	assert_int_equal(native_flock(f, LOCK_SH), 0);
	assert_int_equal(native_flock(other, LOCK_EX | LOCK_NB), -EAGAIN);
	assert_int_equal(native_flock(f, LOCK_UN), 0);
	assert_int_equal(native_flock(other, LOCK_EX | LOCK_NB), 0);
	drop("a", f);
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
	native_file_unref(create("a", 0600));
	native_file_unref(create("b", 0600));
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
	struct native_file *f = create("a", 0600);
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
	drop("a", f);
}

static void test_truncating_to_what_is_there(void **state)
{
	const struct timespec past[2] = { { 1, 2 }, { 3, 4 } };
	struct native_file *f = create("a", 0600);

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
	drop("a", f);
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
	struct native_file *f = create("plain", 0600);
	struct statvfs st;

	(void)state;
	assert_int_equal(native_resize(f, 1 << 20), 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	drop("plain", f);
	kind_free(kind);
	assert_int_equal(kind_new(ops, &config, &kind), 0);
	f = create("a", 0600);
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
	drop("a", f);
}

static void test_no_directory(void **state)
{
	const struct kind_config missing = { .shm_dir = "/dev/shm/none" };
	const struct kind_config file = { .shm_dir = "/dev/shm/a" };
	struct kind *k = NULL;

	(void)state;
	native_file_unref(create("a", 0600));
	assert_int_equal(kind_new(ops, &missing, &k), -ENOENT);
	assert_int_equal(kind_new(ops, &file, &k), -ENOTDIR);
	assert_null(k);
	drop("a", NULL);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_known_by_name),
		kind_test(test_create_and_lookup),
		kind_test(test_identify),
		kind_test(test_names_refused),
		kind_test(test_no_objects),
		kind_test(test_list),
		kind_test(test_list_while_names_come_and_go),
		kind_test(test_rename),
		kind_test(test_handle),
		kind_test(test_data),
		kind_test(test_holes),
		kind_test(test_open_flags),
		kind_test(test_attributes),
		kind_test(test_root),
		kind_test(test_xattrs),
		kind_test(test_locks),
		kind_test(test_watch),
		kind_test(test_reserve),
		kind_test(test_lease_is_not_waited_for),
		kind_test(test_truncating_to_what_is_there),
		kind_test(test_only_a_tmpfs),
		kind_test(test_no_directory),
	};

	return kind_run("kind", tests, argc, argv);
}
