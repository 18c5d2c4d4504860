/* SPDX-License-Identifier: MIT */
/*
 * Segments of the kind "sysv" that can back no file, because the process lacks the
 * privilege or because they are of huge pages: the kernel copies from and to the
 * attachment, and no fault is the end of the process.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "sysv-fixture.h"

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version =
							   _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { .effective = 0 } };

	assert_int_equal(syscall(SYS_capset, &header, none), 0);
}

/* What holds for both: @f is open on segment @id of @size bytes, which @p has attached.
 */
static void use_directly(struct native_file *f, int id, uint64_t size, unsigned char *p)
{
	struct flock lock = { .l_type = F_WRLCK };
	char buf[16];

	assert_int_equal(native_backing(f), -EOPNOTSUPP);
	assert_int_equal(native_write(f, "hello", 5, 3, false), 5);
	assert_memory_equal(p, "\0\0\0hello", 8);
	p[3] = 'H';
	assert_int_equal(native_read(f, buf, 8, 0), 8);
	assert_memory_equal(buf, "\0\0\0Hello", 8);
	assert_int_equal(native_write(f, "0123456789", 10, size - 4, false), 4);
	assert_int_equal(p[size - 1], '3');
	assert_int_equal(p[size], 0);
	assert_int_equal(native_read(f, buf, 16, size - 4), 4);
	assert_int_equal(native_read(f, buf, 16, size), 0);
	assert_int_equal(native_write(f, "x", 1, size, false), -ENOSPC);
	assert_int_equal(native_write(f, "x", 1, 0, true), -ENOSPC);
	assert_int_equal(native_resize(f, size), 0);
	assert_int_equal(native_resize(f, size - 1), -EPERM);
	assert_int_equal(native_seek(f, 7, SEEK_DATA), 7);
	assert_int_equal(native_seek(f, 7, SEEK_HOLE), size);
	assert_int_equal(native_allocate(f, 0, 0, size), 0);
	assert_int_equal(native_allocate(f, FALLOC_FL_KEEP_SIZE, 0, size), -EOPNOTSUPP);
	assert_int_equal(native_allocate(f, 0, 0, size + 1), -ENOSPC);
	assert_int_equal(native_lock(f, F_OFD_SETLK, &lock), -EOPNOTSUPP);
	assert_int_equal(native_flock(f, LOCK_EX), -EOPNOTSUPP);
	assert_int_equal(ds_of(id).shm_nattch, 2);
}

/* The attachment that could only be read is replaced, also under files that read. */
static int open_for_more(void *data)
{
	struct native_file *reads, *writes;
	int id = sysv_id(0);
	char c = 0;

	(void)data;
	drop_capabilities();
	reads = open_named(NULL, name(0), O_RDONLY);
	assert_int_equal(native_backing(reads), -EOPNOTSUPP);
	assert_int_equal(native_read(reads, &c, 1, 0), 1);
	assert_int_equal(native_write(reads, "x", 1, 0, false), -EBADF);
	writes = open_named(NULL, name(0), O_RDWR);
	assert_int_equal(native_write(writes, "x", 1, 0, false), 1);
	assert_int_equal(native_read(reads, &c, 1, 0), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(ds_of(id).shm_nattch, 1);
	native_file_unref(writes);
	assert_int_equal(native_read(reads, &c, 1, 0), 1);
	native_file_unref(reads);
	assert_int_equal(ds_of(id).shm_nattch, 0);
	return 0;
}

static void test_reading_then_writing(void **state)
{
	(void)state;
	sysv_make(0, SIZE, 0600);
	assert_int_equal(fixture_child(open_for_more, NULL), 0);
	model->remove(0);
}

static int use_without_privilege(void *data)
{
	struct native_file *f;
	unsigned char *p;

	(void)data;
	drop_capabilities();
	f = create_named(NULL, name(0), 0600, SIZE + 100);
	p = attach(sysv_id(0));
	use_directly(f, sysv_id(0), SIZE + 100, p);
	assert_int_equal(shmdt(p), 0);
	drop(0, f);
	return 0;
}

static void test_without_privilege(void **state)
{
	(void)state;
	assert_int_equal(fixture_child(use_without_privilege, NULL), 0);
}

/* The memory is there, in whole pages, before anybody touches it. */
static int allocate_without_privilege(void *data)
{
	struct native_file *f;

	(void)data;
	drop_capabilities();
	f = create_named(NULL, name(0), 0600, 4 * SIZE);
	assert_int_equal(native_allocate(f, 0, SIZE + 1, SIZE), 0);
	assert_int_equal(stat_of(f).st_blocks * 512, 2 * SIZE);
	drop(0, f);
	return 0;
}

static void test_allocated_without_privilege(void **state)
{
	(void)state;
	assert_int_equal(fixture_child(allocate_without_privilege, NULL), 0);
}

/* What the segment's mode forbids its owner is forbidden, without CAP_IPC_OWNER. */
static int refuse_without_privilege(void *data)
{
	_cleanup_native_ struct native_file *handle = handle_of(name(0));

	(void)data;
	drop_capabilities();
	assert_int_equal(try_open(handle, NULL, O_RDONLY), 0);
	assert_int_equal(try_open(handle, NULL, O_RDWR), -EACCES);
	assert_int_equal(try_open(handle, NULL, KIND_OPEN_EXEC), -EACCES);
	return 0;
}

static void test_refused_without_privilege(void **state)
{
	(void)state;
	sysv_make(0, SIZE, 0466);
	assert_int_equal(fixture_child(refuse_without_privilege, NULL), 0);
	model->remove(0);
}

#define ROUNDS (fixture_valgrind() ? 100 : 2000)

static void *open_to_read(void *context)
{
	struct native_file *handle = context;
	intptr_t failed = 0;

	for (int i = 0; i < ROUNDS && !failed; i++) {
		_cleanup_native_ struct native_file *f = NULL;
		char c;

		failed = native_open(handle, NULL, O_RDONLY, &f) < 0 ||
			 native_read(f, &c, 1, 0) != 1;
	}
	return (void *)failed;
}

static void *open_to_write(void *context)
{
	struct native_file *handle = context;
	intptr_t failed = 0;

	for (int i = 0; i < ROUNDS && !failed; i++) {
		_cleanup_native_ struct native_file *f = NULL;

		failed = native_open(handle, NULL, O_WRONLY, &f) < 0 ||
			 native_write(f, "x", 1, 0, false) != 1;
	}
	return (void *)failed;
}

static int open_at_once(void *data)
{
	struct native_file *handle = handle_of(name(0));
	void *failed_to_read, *failed_to_write;
	pthread_t reader, writer;

	(void)data;
	drop_capabilities();
	assert_int_equal(pthread_create(&reader, NULL, open_to_read, handle), 0);
	assert_int_equal(pthread_create(&writer, NULL, open_to_write, handle), 0);
	assert_int_equal(pthread_join(reader, &failed_to_read), 0);
	assert_int_equal(pthread_join(writer, &failed_to_write), 0);
	assert_null(failed_to_read);
	assert_null(failed_to_write);
	assert_int_equal(ds_of(sysv_id(0)).shm_nattch, 0);
	native_file_unref(handle);
	return 0;
}

/* Who opens first may only read, and the one attachment must do for both. */
static void test_opened_at_once(void **state)
{
	(void)state;
	sysv_make(0, SIZE, 0600);
	assert_int_equal(fixture_child(open_at_once, NULL), 0);
	model->remove(0);
}

/* The file behind segment 0, which is longer or shorter than the segment if root likes.
 */
static int open_behind(void)
{
	unsigned char *p = sysv_map(0, 2 * SIZE);
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + 2 * SIZE);
	fd = open(path, O_RDWR | O_CLOEXEC);
	sysv_unmap(p, 2 * SIZE);
	return fd;
}

static int copy_what_is_not_there(void *data)
{
	_cleanup_native_ struct native_file *handle = handle_of(name(0));
	struct native_file *f;
	char buf[2 * SIZE];

	drop_capabilities();
	f = open_named(NULL, name(0), O_RDWR);
	assert_int_equal(ftruncate(*(int *)data, SIZE), 0);
	assert_int_equal(native_read(f, buf, 1, SIZE), -EIO);
	assert_int_equal(native_write(f, "x", 1, SIZE, false), -EIO);
	/* What comes before it does come. */
	assert_int_equal(native_read(f, buf, 2 * SIZE, 0), SIZE);
	native_file_unref(f);
	/* What is attached now is not as long as the segment, and memory of ours may lie
	 * behind it. */
	assert_int_equal(try_open(handle, NULL, O_RDONLY), -EIO);
	assert_int_equal(try_open(handle, NULL, O_RDWR), -EIO);
	assert_int_equal(ds_of(sysv_id(0)).shm_nattch, 0);
	return 0;
}

/* Root can take away pages of a segment: to touch them is SIGBUS. */
static void test_pages_taken_away(void **state)
{
	int fd;

	(void)state;
	sysv_make(0, 2 * SIZE, 0600);
	fd = open_behind();
	if (fd >= 0)
		assert_int_equal(fixture_child(copy_what_is_not_there, &fd), 0);
	close_fd(fd);
	model->remove(0);
	if (fd < 0)
		skip();
}

static int upgrade_to_less(void *data)
{
	_cleanup_native_ struct native_file *handle = handle_of(name(0));
	struct native_file *f;
	char c;

	drop_capabilities();
	f = open_named(NULL, name(0), O_RDONLY);
	assert_int_equal(ftruncate(*(int *)data, SIZE), 0);
	assert_int_equal(try_open(handle, NULL, O_RDWR), -EIO);
	assert_int_equal(ds_of(sysv_id(0)).shm_nattch, 1);
	assert_int_equal(native_read(f, &c, 1, 0), 1);
	native_file_unref(f);
	return 0;
}

static void test_attached_shorter(void **state)
{
	int fd;

	(void)state;
	sysv_make(0, 2 * SIZE, 0600);
	fd = open_behind();
	if (fd >= 0)
		assert_int_equal(fixture_child(upgrade_to_less, &fd), 0);
	close_fd(fd);
	model->remove(0);
	if (fd < 0)
		skip();
}

/* The tests with huge pages need so many, and take them from the machine meanwhile. */
#define HUGE_PAGES 3

static struct {
	int fd; /* nr_hugepages, locked: one test at a time */
	long before;
	size_t size; /* of one, in bytes; 0: there are none */
} huge;

/* The number behind @what in file @path. */
static long read_number(const char *path, const char *what)
{
	FILE *f = fopen(path, "re");
	char line[128];
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, what, strlen(what)) == 0)
			n = strtol(line + strlen(what), NULL, 10);
	if (f)
		fclose(f);
	return n;
}

static void write_number(int fd, long n)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%ld", n);

	assert_int_equal(pwrite(fd, text, (size_t)length, 0), length);
}

static int setup_huge(void **state)
{
	static const char *const path = "/proc/sys/vm/nr_hugepages";
	int r = setup(state);

	/* Last, since the rest can fail: it is the machine's. */
	huge.size = 0;
	huge.fd = fixture_valgrind() ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (huge.fd < 0 || flock(huge.fd, LOCK_EX) < 0)
		return r;
	huge.before = read_number(path, "");
	write_number(huge.fd, huge.before + HUGE_PAGES);
	if (read_number("/proc/meminfo", "HugePages_Free:") >= HUGE_PAGES)
		huge.size = (size_t)read_number("/proc/meminfo", "Hugepagesize:") << 10;
	return r;
}

static int teardown_huge(void **state)
{
	/* First, likewise. */
	if (huge.fd >= 0) {
		write_number(huge.fd, huge.before);
		close(huge.fd);
	}
	return teardown(state);
}

#define huge_test(test) cmocka_unit_test_setup_teardown(test, setup_huge, teardown_huge)

static void need_huge_pages(void)
{
	/* Valgrind makes segments of small pages only. */
	if (fixture_valgrind())
		skip();
	if (!huge.size) {
		print_message("no huge pages to be had\n");
		skip();
	}
}

static void test_huge_pages(void **state)
{
	struct native_file *handle, *f = NULL;
	struct shmid_ds before, after;
	unsigned char *p;
	int id;

	(void)state;
	need_huge_pages();
	id = shmget(sysv_key(0), huge.size + 100, SHM_HUGETLB | IPC_CREAT | 0600);
	assert_true(id >= 0);
	handle = handle_of(name(0));
	before = ds_of(id);
	assert_int_equal(stat_of(handle).st_size, huge.size + 100);
	assert_string_equal(told(handle, "flags"), "");
	after = ds_of(id);
	expect_same_ds(&after, &before);
	p = attach(id);
	assert_int_equal(native_open(handle, NULL, O_RDWR, &f), 0);
	assert_string_equal(told(f, "flags"), "hugetlb");
	assert_string_equal(told(handle, "flags"), "hugetlb");
	use_directly(f, id, huge.size + 100, p);
	/* Not what they take: kernels multiply twice by how many small ones they are. */
	assert_int_equal(stat_of(f).st_blocks, column(id, COLUMN_RSS) / 512);
	native_file_unref(f);
	native_file_unref(handle);
	assert_int_equal(shmdt(p), 0);
	drop(0, NULL);
	assert_true(is_gone(id));
}

/* Where there are no more of them, to touch the segment is SIGBUS. */
static void test_huge_pages_run_out(void **state)
{
	struct native_file *f;
	long pages;
	int id, failed = 0;
	char c;

	(void)state;
	need_huge_pages();
	pages = huge.before + HUGE_PAGES + 1;
	id = shmget(IPC_PRIVATE, (size_t)pages * huge.size,
		    SHM_HUGETLB | SHM_NORESERVE | IPC_CREAT | 0600);
	assert_true(id >= 0);
	f = open_named(NULL, id_name(id), O_RDWR);
	for (long i = 0; i < pages; i++) {
		ssize_t n = native_read(f, &c, 1, (uint64_t)i * huge.size);

		assert_true(n == 1 || n == -EIO);
		failed += n < 0;
	}
	assert_true(failed > 0);
	drop_named(id_name(id), f);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_without_privilege),
		kind_test(test_allocated_without_privilege),
		kind_test(test_reading_then_writing),
		kind_test(test_refused_without_privilege),
		kind_test(test_opened_at_once),
		kind_test(test_pages_taken_away),
		kind_test(test_attached_shorter),
		huge_test(test_huge_pages),
		huge_test(test_huge_pages_run_out),
	};

	return kind_run("sysv-direct", tests, argc, argv);
}
