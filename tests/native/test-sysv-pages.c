/* SPDX-License-Identifier: MIT */
/* The pages of attachments: how large they are has to be found out. */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "attachment-fixture.h"

/*
 * Lets all mappings be locked from now on, so that they refuse what tells pages of the
 * usual size. False where that cannot be had: sanitizers only pretend.
 */
static bool lock_mappings(void)
{
	void *probe;
	int r;

	if (mlockall(MCL_FUTURE) < 0)
		return false;
	probe = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(probe, MAP_FAILED);
	r = madvise(probe, page, MADV_COLD);
	munmap(probe, page);
	return r < 0;
}

static int map_locked(void *data)
{
	struct shmfs_region *region;

	if (!lock_mappings())
		return 77;
	region = must_map(data, SHMFS_READ_WRITE);
	assert_int_equal(shmfs_region_page_size(region), page);
	assert_int_equal(shmfs_region_shrink_back(region, page), 0);
	bytes_of(region)[0] = 'x';
	shmfs_region_unmap(region);
	assert_int_equal(sysv_nattch(data), 0);
	return 0;
}

static int map_locked_without_proc(void *data)
{
	sandbox_tmpfs("/proc", NULL);
	return map_locked(data);
}

/* There /proc has to tell, for which it takes a descriptor. */
static int map_locked_without_fds(void *data)
{
	const struct rlimit none = { 0, 0 };

	if (!lock_mappings())
		return 77;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	refused(-EMFILE, data, SHMFS_READ_WRITE, NULL, 0);
	assert_int_equal(sysv_nattch(data), 0);
	return 0;
}

static void test_locked(void **state)
{
	static struct shmfs_sysv *sysv;
	int r;

	(void)state;
	sysv = sysv_create(KEY, 2 * page);
	r = fixture_child(map_locked, sysv);
	if (r != 77) {
		assert_int_equal(r, 0);
		/* Valgrind keeps descriptors for itself. */
		if (!fixture_valgrind())
			assert_int_equal(fixture_child(map_locked_without_fds, sysv), 0);
		assert_int_equal(fixture_child(map_locked_without_proc, sysv), 0);
		assert_int_equal(umount2("/proc", 0), 0);
	}
	sysv_drop(sysv);
	if (r == 77)
		skip(); /* no memory may be locked here */
}

/* The size of a huge page, or 0. */
static size_t huge_page(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_HUGETLB);
	struct stat st;

	if (fd < 0)
		return 0;
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return (size_t)st.st_blksize;
}

static struct shmfs_sysv *create_huge(size_t size)
{
	struct shmfs_sysv *sysv = NULL;
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | SHM_HUGETLB | 0600);

	if (id < 0 && errno == ENOMEM)
		_exit(77); /* others were faster to take them */
	assert_true(id >= 0);
	assert_int_equal(shmfs_sysv_open_id(id, &sysv), 0);
	assert_int_equal(shmfs_sysv_size(sysv), size);
	return sysv;
}

/* One huge page of which a bit is used. */
static void use_huge_page(size_t huge)
{
	struct shmfs_sysv *sysv = create_huge(5000);
	struct shmfs_region *region = must_map(sysv, SHMFS_READ_WRITE);
	char *address = bytes_of(region);

	assert_int_equal(shmfs_region_page_size(region), huge);
	assert_int_equal((uintptr_t)address % huge, 0);
	refused(-EEXIST, sysv, SHMFS_READ_WRITE, address, SHMFS_REGION_FIXED);
	strcpy(address + 4990, "kept");
	assert_int_equal(shmfs_region_flush(region, 4500, 0, SHMFS_FLUSH_SYNC), 0);
	assert_int_equal(shmfs_region_advise(region, SHMFS_ADVICE_WILLNEED), 0);
	assert_string_equal(address + 4990, "kept");
	assert_int_equal(shmfs_region_shrink_front(region, 4500), 0);
	assert_int_equal(shmfs_region_shrink_back(region, 1), 0);
	assert_ptr_equal(bytes_of(region), address + 4500);
	assert_true(is_mapped(address));
	assert_int_equal(sysv_nattch(sysv), 1);
	shmfs_region_unmap(region);
	assert_int_equal(sysv_nattch(sysv), 0);
	refused(-EINVAL, sysv, SHMFS_READ_WRITE, address + page, SHMFS_REGION_FIXED);
	shmfs_region_unmap(map_at(sysv, address, SHMFS_REGION_FIXED));
	region = map_at(sysv, address + page, 0);
	assert_int_equal(shmfs_region_shrink_back(region, 5000), 0);
	assert_int_equal(sysv_nattch(sysv), 0);
	shmfs_region_unmap(region);
	sysv_drop(sysv);
}

/* Two, of which one is given back. */
static void shrink_huge_pages(size_t huge)
{
	struct shmfs_sysv *sysv = create_huge(huge + 10);
	struct shmfs_region *region = must_map(sysv, SHMFS_READ_WRITE);
	char *address = bytes_of(region);

	address[huge] = 'x';
	assert_int_equal(shmfs_region_shrink_front(region, huge - 1), 0);
	assert_true(is_mapped(address));
	assert_int_equal(shmfs_region_shrink_front(region, 1), 0);
	assert_false(is_mapped(address));
	assert_ptr_equal(bytes_of(region), address + huge);
	assert_int_equal(bytes_of(region)[0], 'x');
	assert_int_equal(sysv_nattch(sysv), 1);
	shmfs_region_unmap(region);
	assert_int_equal(sysv_nattch(sysv), 0);
	region = must_map(sysv, SHMFS_READ_ONLY);
	address = bytes_of(region);
	assert_int_equal(shmfs_region_shrink_back(region, 10), 0);
	assert_true(is_mapped(address));
	assert_false(is_mapped(address + huge));
	shmfs_region_unmap(region);
	assert_false(is_mapped(address));
	assert_int_equal(sysv_nattch(sysv), 0);
	sysv_drop(sysv);
}

static int use_huge_pages(void *data)
{
	size_t huge = *(size_t *)data;

	use_huge_page(huge);
	shrink_huge_pages(huge);
	return 0;
}

static long pages_count(int fd)
{
	char text[64] = "";

	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	return strtol(text, NULL, 10);
}

/* Less where there is no room. */
static void pages_add(int fd, long n)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "%ld\n", pages_count(fd) + n);

	assert_int_equal(pwrite(fd, text, (size_t)length, 0), length);
}

/* Two more while @fn runs in a child, however that ends. 77 if they cannot be had. */
static int with_pages(int fd, int (*fn)(void *data), void *data)
{
	long before = pages_count(fd), added;
	int r = 77;

	pages_add(fd, 2);
	added = pages_count(fd) - before;
	if (added == 2)
		r = fixture_child(fn, data);
	pages_add(fd, -added);
	return r;
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Not for ever: who has it may hang. */
static int lock(int fd)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	int r;

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	alarm(30);
	r = flock(fd, LOCK_EX);
	alarm(0);
	return r;
}

/*
 * The huge pages of the machine belong to all. Programs that want more take turns, and
 * what would end this one waits until they are given back.
 */
static int with_huge_pages(int (*fn)(void *data), void *data)
{
	int r, fd = open("/proc/sys/vm/nr_hugepages", O_RDWR | O_CLOEXEC);
	sigset_t all, before;

	if (fd < 0)
		return 77;
	if (lock(fd) < 0) {
		close(fd);
		return 77;
	}
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	r = with_pages(fd, fn, data);
	close(fd);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	return r;
}

static void test_huge_pages(void **state)
{
	size_t huge = huge_page();
	int r = 77;

	(void)state;
	/* Valgrind takes the address, and not one for huge pages. */
	if (huge > 0 && !fixture_valgrind())
		r = with_huge_pages(use_huge_pages, &huge);
	if (r == 77) {
		print_message("there are no huge pages to be had\n");
		skip();
	}
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sysv_test(test_locked),
		sysv_test(test_huge_pages),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	sandbox_enter();
	return cmocka_run_group_tests_name("sysv-pages", tests, NULL, NULL) != 0;
}
