/* SPDX-License-Identifier: MIT */
/* What every kind must do with the contents of its objects: more of test-kind.c. */
#include <pthread.h>
#include <sys/file.h>

#include "kind-fixture.h"

static void test_data(void **state)
{
	struct native_file *f = create(0, 0600);
	char buf[16];

	(void)state;
	assert_int_equal(native_write(f, "hello", 5, 3, false), 5);
	assert_int_equal(native_read(f, buf, 8, 0), 8);
	assert_memory_equal(buf, "\0\0\0hello", 8);
	assert_int_equal(native_write(f, "", 0, 0, false), 0);
	assert_int_equal(native_write(f, "end!", 4, SIZE - 4, false), 4);
	/* Short at the end, and nothing behind it. */
	assert_int_equal(native_read(f, buf, sizeof(buf), SIZE - 4), 4);
	assert_memory_equal(buf, "end!", 4);
	assert_int_equal(native_read(f, buf, sizeof(buf), SIZE), 0);
	assert_int_equal(native_read(f, buf, sizeof(buf), SIZE + 5), 0);
	assert_int_equal(native_read(f, buf, sizeof(buf), INT64_MAX - 16), 0);
	assert_int_equal(native_read(f, buf, sizeof(buf), UINT64_MAX), -EINVAL);
	assert_int_equal(native_write(f, "x", 1, UINT64_MAX, false), -EFBIG);
	assert_int_equal(native_sync(f, true), 0);
	assert_int_equal(native_sync(f, false), 0);
	drop(0, f);
}

/* Behind the end there is more room, or there is none. */
static void test_writes_at_the_end(void **state)
{
	struct native_file *f = create(0, 0600);
	const char text[] = "0123456789abcdef";
	char buf[16];

	(void)state;
	assert_int_equal(native_write(f, text, 16, SIZE - 4, false),
			 model->resizes ? 16 : 4);
	assert_int_equal(native_read(f, buf, 4, SIZE - 4), 4);
	assert_memory_equal(buf, text, 4);
	assert_int_equal(native_write(f, "!", 1, 0, true), model->resizes ? 1 : -ENOSPC);
	assert_int_equal(native_write(f, "!", 1, 2 * SIZE, false),
			 model->resizes ? 1 : -ENOSPC);
	assert_int_equal(stat_of(f).st_size, model->resizes ? 2 * SIZE + 1 : SIZE);
	assert_int_equal(native_read(f, buf, 1, 0), 1);
	assert_int_equal(buf[0], 0);
	drop(0, f);
}

static void test_copy(void **state)
{
	struct native_file *f = create(0, 0600);
	struct native_file *g = create(1, 0600);
	char buf[5];

	(void)state;
	assert_int_equal(native_write(f, "hello", 5, 3, false), 5);
	assert_int_equal(native_copy(f, 3, g, SIZE - 5, 5),
			 model->copies ? 5 : -EOPNOTSUPP);
	if (!model->copies)
		assert_int_equal(native_write(g, "hello", 5, SIZE - 5, false), 5);
	assert_int_equal(native_read(g, buf, 5, SIZE - 5), 5);
	assert_memory_equal(buf, "hello", 5);
	if (model->copies)
		assert_int_equal(native_copy(f, SIZE, g, 0, 5), 0);
	drop(1, g);
	drop(0, f);
}

static void test_sizes(void **state)
{
	_cleanup_native_ struct native_file *reads = NULL;
	struct native_file *f = create(0, 0600);
	const int other = model->resizes ? 0 : -EPERM;

	(void)state;
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(native_resize(f, SIZE), 0);
	assert_int_equal(native_truncate(f, NULL, SIZE), 0);
	assert_int_equal(native_resize(f, 2 * SIZE), other);
	assert_int_equal(native_resize(f, 1), other);
	assert_int_equal(native_truncate(f, NULL, 0), other);
	assert_int_equal(native_truncate(f, NULL, SIZE + 1), other);
	assert_int_equal(stat_of(f).st_size, model->resizes ? SIZE + 1 : SIZE);
	assert_int_equal(native_resize(f, UINT64_MAX), -EFBIG);
	assert_int_equal(native_truncate(f, NULL, UINT64_MAX), -EFBIG);
	assert_int_equal(native_open(f, NULL, O_RDONLY, &reads), 0);
	assert_int_equal(native_resize(reads, 0), -EINVAL);
	drop(0, f);
}

static void test_seek_and_allocate(void **state)
{
	struct native_file *f = create_named(NULL, name(0), 0600, 1 << 20);

	(void)state;
	need_backing(0, f);
	assert_int_equal(native_write(f, "x", 1, 1 << 19, false), 1);
	assert_int_equal(native_seek(f, 0, SEEK_DATA), 1 << 19);
	assert_int_equal(native_seek(f, 0, SEEK_HOLE), 0);
	assert_int_equal(native_seek(f, 1 << 20, SEEK_DATA), -ENXIO);
	assert_true(stat_of(f).st_blocks > 0);
	assert_true(stat_of(f).st_blocks < 1 << 11);
	assert_int_equal(native_allocate(f, 0, 0, 1 << 20), 0);
	assert_int_equal(stat_of(f).st_blocks, 1 << 11);
	assert_int_equal(native_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					 1 << 20),
			 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	assert_int_equal(native_allocate(f, FALLOC_FL_ZERO_RANGE, 0, SIZE), -EOPNOTSUPP);
	assert_int_equal(native_allocate(f, 0, 0, (1 << 20) + 1),
			 model->resizes ? 0 : -ENOSPC);
	assert_int_equal(stat_of(f).st_size, (1 << 20) + model->resizes);
	assert_int_equal(native_allocate(f, 0, INT64_MAX, 1), -EFBIG);
	drop(0, f);
}

static void test_open_flags(void **state)
{
	_cleanup_native_ struct native_file *reads = NULL, *writes = NULL;
	struct native_file *f = create(0, 0600);
	char c;

	(void)state;
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(native_open(f, NULL, O_RDONLY, &reads), 0);
	assert_int_equal(native_read(reads, &c, 1, 0), 1);
	assert_int_equal(native_write(reads, &c, 1, 0, false), -EBADF);
	assert_int_equal(native_open(f, NULL, O_WRONLY, &writes), 0);
	assert_int_equal(native_write(writes, "y", 1, 0, false), 1);
	assert_int_equal(native_read(writes, &c, 1, 0), -EBADF);
	assert_int_equal(native_read(reads, &c, 1, 0), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(try_open(f, NULL, O_RDWR | O_TRUNC), 0);
	assert_int_equal(stat_of(f).st_size, model->resizes ? 0 : SIZE);
	assert_int_equal(native_chmod(f, NULL, 0700), 0);
	assert_int_equal(try_open(f, NULL, KIND_OPEN_EXEC), 0);
	drop(0, f);
}

/* What the kernel may be given is the object, and no process that we start inherits it.
 */
static void test_backing(void **state)
{
	struct native_file *f = create(0, 0600);
	char c = 0;
	int fd;

	(void)state;
	need_backing(0, f);
	fd = native_backing(f);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(native_write(f, "x", 1, 5, false), 1);
	assert_int_equal(pread(fd, &c, 1, 5), 1);
	assert_int_equal(c, 'x');
	drop(0, f);
}

static void test_locks(void **state)
{
	_cleanup_native_ struct native_file *other = NULL;
	struct flock lock = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 };
	struct flock found = { .l_type = F_WRLCK };
	struct native_file *f = create(0, 0600);

	(void)state;
	need_backing(0, f);
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
	drop(0, f);
}

/* A lock ends with the open file that took it, and with no other. */
static void test_locks_end(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };
	struct native_file *f = create(0, 0600);
	struct native_file *a = NULL, *b = NULL;

	(void)state;
	need_backing(0, f);
	assert_int_equal(native_open(f, NULL, O_RDWR, &a), 0);
	assert_int_equal(native_open(f, NULL, O_RDWR, &b), 0);
	assert_int_equal(native_lock(a, F_OFD_SETLK, &lock), 0);
	assert_int_equal(native_flock(a, LOCK_EX), 0);
	native_file_unref(b);
	assert_int_equal(native_lock(f, F_OFD_SETLK, &lock), -EAGAIN);
	assert_int_equal(native_flock(f, LOCK_EX | LOCK_NB), -EAGAIN);
	native_file_unref(a);
	assert_int_equal(native_lock(f, F_OFD_SETLK, &lock), 0);
	assert_int_equal(native_flock(f, LOCK_EX | LOCK_NB), 0);
	drop(0, f);
}

#define THREADS 3
#define ROUNDS  (fixture_valgrind() ? 10 : 100)

/* What a thread does to an object of its own; returns 0 or where it went wrong. */
static int use_own(int mine)
{
	_cleanup_native_ struct native_file *f = NULL;
	struct object_info info;
	char c = 0;

	if (kind_create(kind, NULL, name(mine), O_RDWR | O_EXCL, 0600, &f, &info) < 0 ||
	    native_resize(f, SIZE) < 0)
		return __LINE__;
	if (native_write(f, "x", 1, SIZE - 1, false) != 1 ||
	    native_chmod(f, NULL, 0640) < 0)
		return __LINE__;
	if (look(name(mine), &info) < 0 || info.stat.st_size != SIZE ||
	    info.stat.st_mode != (S_IFREG | 0640))
		return __LINE__;
	if (kind_remove(kind, NULL, name(mine)) < 0 || look(name(mine), &info) != -ENOENT)
		return __LINE__;
	return native_read(f, &c, 1, SIZE - 1) == 1 && c == 'x' ? 0 : __LINE__;
}

/* And to one that all use, of which a byte is its own. */
static int use_shared(int mine, char value)
{
	_cleanup_native_ struct native_file *handle = NULL, *f = NULL;
	struct object_info info;
	char c = 0;

	if (kind_lookup(kind, NULL, name(0), &handle, &info) < 0 ||
	    native_open(handle, NULL, O_RDWR, &f) < 0)
		return __LINE__;
	if (native_write(f, &value, 1, (uint64_t)mine, false) != 1 ||
	    native_read(f, &c, 1, (uint64_t)mine) != 1 || c != value)
		return __LINE__;
	return native_stat(handle, &info) == 0 ? 0 : __LINE__;
}

static int list_shared(void)
{
	struct native_list *l;
	struct list_entry e = { .next = 0 };
	int found = 0;

	if (kind_list_open(kind, NULL, &l) < 0)
		return __LINE__;
	while (kind_list_next(kind, l, e.next, &e) > 0)
		found += strcmp(e.name, name(0)) == 0;
	kind_list_close(kind, l);
	return found == 1 ? 0 : __LINE__;
}

struct worker {
	pthread_t thread;
	int mine;
	int failed; /* where */
};

static void *work(void *context)
{
	struct worker *w = context;

	for (int i = 0; i < ROUNDS && !w->failed; i++) {
		w->failed = use_own(w->mine);
		if (!w->failed)
			w->failed = use_shared(w->mine, (char)i);
		if (!w->failed)
			w->failed = list_shared();
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct worker workers[THREADS];

	(void)state;
	native_file_unref(create(0, 0600));
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .mine = i + 1 };
		name(workers[i].mine);
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].failed, 0);
	}
	drop(0, NULL);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_data),
		kind_test(test_writes_at_the_end),
		kind_test(test_copy),
		kind_test(test_sizes),
		kind_test(test_seek_and_allocate),
		kind_test(test_open_flags),
		kind_test(test_backing),
		kind_test(test_locks),
		kind_test(test_locks_end),
		kind_test(test_threads),
	};

	return kind_run("kind-io", tests, argc, argv);
}
