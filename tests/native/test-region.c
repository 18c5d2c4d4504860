/* SPDX-License-Identifier: MIT */
/* Mapping: what is mapped where, who sees whose stores, and what is refused. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include <shmfs/region.h>

#include "fixture.h"

static size_t page;

static struct shmfs_object *must_create(const char *name, uint64_t size)
{
	struct shmfs_object *object;

	assert_int_equal(shmfs_object_open(name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE,
					   SHMFS_PERM_DEFAULT, &object),
			 0);
	assert_int_equal(shmfs_object_truncate(object, size), 0);
	return object;
}

static struct shmfs_region *must_map(const struct shmfs_object *object,
				     enum shmfs_mode mode, uint64_t offset, uint64_t size)
{
	struct shmfs_region *region = NULL;

	assert_int_equal(shmfs_region_map(object, mode, offset, size, NULL, 0, &region),
			 0);
	assert_non_null(region);
	assert_int_equal(shmfs_region_mode(region), mode);
	return region;
}

static char *bytes_of(const struct shmfs_region *region)
{
	return shmfs_region_address(region);
}

static void done(struct shmfs_object *object)
{
	assert_int_equal(shmfs_object_remove(shmfs_object_name(object)), 0);
	assert_null(shmfs_object_close(object));
}

/* The refusal @expected, that leaves the caller's pointer alone. */
static void refused_fd(int expected, int fd, enum shmfs_mode mode, uint64_t offset,
		       uint64_t size, void *address, unsigned int flags)
{
	struct shmfs_region *region = (struct shmfs_region *)&region;

	assert_int_equal(shmfs_region_map_fd(fd, mode, offset, size, address, flags,
					     &region),
			 expected);
	assert_ptr_equal(region, (struct shmfs_region *)&region);
}

static void refused(int expected, const struct shmfs_object *object, uint64_t offset,
		    uint64_t size)
{
	refused_fd(expected, shmfs_object_fd(object), SHMFS_READ_WRITE, offset, size,
		   NULL, 0);
	refused_fd(expected, shmfs_object_fd(object), SHMFS_READ_PRIVATE, offset, size,
		   NULL, 0);
}

static void test_shared(void **state)
{
	struct shmfs_object *object = must_create("x", 1024);
	struct shmfs_region *rw = must_map(object, SHMFS_READ_WRITE, 0, 0);
	struct shmfs_region *ro = must_map(object, SHMFS_READ_ONLY, 0, 0);
	struct shmfs_region *private = must_map(object, SHMFS_READ_PRIVATE, 0, 0);

	(void)state;
	assert_int_equal(shmfs_region_size(rw), 1024);
	assert_int_equal(shmfs_region_size(ro), 1024);
	assert_ptr_not_equal(bytes_of(rw), bytes_of(ro));
	strcpy(bytes_of(rw), "hello");
	assert_string_equal(bytes_of(ro), "hello");
	assert_string_equal(bytes_of(private), "hello");
	done(object);
	/* The regions live on. */
	strcpy(bytes_of(rw) + 1000, "still");
	assert_string_equal(bytes_of(ro) + 1000, "still");
	assert_null(shmfs_region_unmap(rw));
	assert_string_equal(bytes_of(ro), "hello");
	assert_null(shmfs_region_unmap(ro));
	assert_null(shmfs_region_unmap(private));
	assert_null(shmfs_region_unmap(NULL));
}

static void test_copy_on_write(void **state)
{
	struct shmfs_object *object = must_create("x", 2 * page);
	struct shmfs_region *rw = must_map(object, SHMFS_READ_WRITE, 0, 0);
	struct shmfs_region *cow = must_map(object, SHMFS_COPY_ON_WRITE, 0, 0);

	(void)state;
	strcpy(bytes_of(rw), "before");
	assert_string_equal(bytes_of(cow), "before");
	strcpy(bytes_of(cow), "mine");
	assert_string_equal(bytes_of(rw), "before");
	strcpy(bytes_of(rw), "after");
	assert_string_equal(bytes_of(cow), "mine");
	/* Page by page. */
	strcpy(bytes_of(rw) + page, "second");
	assert_string_equal(bytes_of(cow) + page, "second");
	shmfs_region_unmap(rw);
	shmfs_region_unmap(cow);
	done(object);
}

static void test_read_only_object(void **state)
{
	struct shmfs_object *object = must_create("x", 1024), *ro;
	struct shmfs_region *region;
	int fd;

	(void)state;
	assert_int_equal(shmfs_object_open("x", SHMFS_OPEN_ONLY, SHMFS_READ_ONLY, 0, &ro),
			 0);
	refused_fd(-EACCES, shmfs_object_fd(ro), SHMFS_READ_WRITE, 0, 0, NULL, 0);
	region = must_map(ro, SHMFS_COPY_ON_WRITE, 0, 0);
	bytes_of(region)[0] = 'x';
	shmfs_region_unmap(region);
	shmfs_region_unmap(must_map(ro, SHMFS_READ_ONLY, 0, 0));
	shmfs_region_unmap(must_map(ro, SHMFS_READ_PRIVATE, 0, 0));
	shmfs_object_close(ro);
	fd = open("/dev/shm/x", O_WRONLY | O_CLOEXEC);
	refused_fd(-EACCES, fd, SHMFS_READ_WRITE, 0, 0, NULL, 0);
	refused_fd(-EACCES, fd, SHMFS_READ_ONLY, 0, 0, NULL, 0);
	close(fd);
	done(object);
}

/* A store into a region that cannot be written is SIGSEGV, not a success. */
static int store(void *data)
{
	*(volatile char *)data = 'x';
	return 0;
}

static void test_protection(void **state)
{
	struct shmfs_object *object = must_create("x", 1024);
	struct shmfs_region *ro = must_map(object, SHMFS_READ_ONLY, 0, 0);
	struct shmfs_region *private = must_map(object, SHMFS_READ_PRIVATE, 0, 0);

	(void)state;
	assert_int_equal(fixture_child(store, bytes_of(ro)), -SIGSEGV);
	assert_int_equal(fixture_child(store, bytes_of(private)), -SIGSEGV);
	assert_int_equal(bytes_of(ro)[0], 0);
	shmfs_region_unmap(ro);
	shmfs_region_unmap(private);
	done(object);
}

static void test_offset(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 4095, 4096, 4097, 5000, 8192, 9999 };
	struct shmfs_object *object = must_create("x", 10000);
	struct shmfs_region *whole = must_map(object, SHMFS_READ_WRITE, 0, 0), *region;
	size_t i;

	(void)state;
	for (i = 0; i < 10000; i++)
		bytes_of(whole)[i] = (char)(i % 251);
	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		region = must_map(object, SHMFS_READ_ONLY, offsets[i], 0);
		assert_int_equal(shmfs_region_size(region), 10000 - offsets[i]);
		assert_memory_equal(bytes_of(region), bytes_of(whole) + offsets[i],
				    (size_t)(10000 - offsets[i]));
		shmfs_region_unmap(region);
		region = must_map(object, SHMFS_READ_ONLY, offsets[i], 1);
		assert_int_equal(shmfs_region_size(region), 1);
		assert_int_equal(*bytes_of(region), bytes_of(whole)[offsets[i]]);
		shmfs_region_unmap(region);
	}
	shmfs_region_unmap(whole);
	done(object);
}

static void test_beyond_the_end(void **state)
{
	struct shmfs_object *object = must_create("x", 0);

	(void)state;
	refused(-ENXIO, object, 0, 0);
	refused(-ENXIO, object, 0, 1);
	assert_int_equal(shmfs_object_truncate(object, 5000), 0);
	refused(-ENXIO, object, 5000, 0);
	refused(-ENXIO, object, 5000, 1);
	refused(-ENXIO, object, 5001, 0);
	refused(-ENXIO, object, 0, 5001);
	refused(-ENXIO, object, 4999, 2);
	refused(-ENXIO, object, 8192, 0);
	refused(-ENXIO, object, INT64_MAX, 0);
	refused(-ENXIO, object, 0, INT64_MAX);
	refused(-EOVERFLOW, object, 1, INT64_MAX);
	refused(-EOVERFLOW, object, 1, UINT64_MAX);
	refused(-EOVERFLOW, object, UINT64_MAX, 0);
	refused(-EOVERFLOW, object, UINT64_MAX, 1);
	refused(-EOVERFLOW, object, 4096, UINT64_MAX - 4095);
	refused(-EOVERFLOW, object, 1ULL << 63, 1ULL << 63);
	done(object);
}

/* No address space is that large, whatever the object says. */
static void test_too_large(void **state)
{
	struct shmfs_object *object = must_create("x", INT64_MAX);
	int expected = fixture_valgrind() ? -EINVAL : -ENOMEM;

	(void)state;
	refused(-ENOMEM, object, 0, 0);
	refused(-ENOMEM, object, 1, INT64_MAX - 1);
	refused(expected, object, 0, 1ULL << 62);
	done(object);
}

static void test_arguments(void **state)
{
	struct shmfs_object *object = must_create("x", 1024);
	int fd = shmfs_object_fd(object);
	char *odd = (char *)(page * 1000000 + 1);

	(void)state;
	refused_fd(-EINVAL, fd, (enum shmfs_mode)4, 0, 0, NULL, 0);
	refused_fd(-EINVAL, fd, SHMFS_READ_WRITE, 0, 0, NULL, 2);
	refused_fd(-EINVAL, fd, SHMFS_READ_WRITE, 0, 0, NULL, SHMFS_REGION_FIXED);
	refused_fd(-EINVAL, fd, SHMFS_READ_WRITE, 0, 0, odd, SHMFS_REGION_FIXED);
	refused_fd(-EINVAL, fd, SHMFS_READ_WRITE, 2, 0, odd, SHMFS_REGION_FIXED);
	refused_fd(-EBADF, -1, SHMFS_READ_WRITE, 0, 0, NULL, 0);
	refused_fd(-EBADF, 1000, SHMFS_READ_WRITE, 0, 0, NULL, 0);
	done(object);
}

/* Every byte of every region can be touched, however it lies to the pages. */
static int touch(void *data)
{
	struct shmfs_region *region = data;
	size_t i;

	for (i = 0; i < shmfs_region_size(region); i++)
		((volatile char *)bytes_of(region))[i]++;
	return 0;
}

static void test_no_sigbus(void **state)
{
	static const uint64_t sizes[] = { 1, 4095, 4096, 4097, 8191, 8192, 8193, 20000 };
	struct shmfs_object *object = must_create("x", 0);
	struct shmfs_region *region;
	size_t i, back;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_int_equal(shmfs_object_truncate(object, sizes[i]), 0);
		for (back = 0; back < 3 && back < sizes[i]; back++) {
			region =
				must_map(object, SHMFS_READ_WRITE, back, sizes[i] - back);
			assert_int_equal(fixture_child(touch, region), 0);
			shmfs_region_unmap(region);
		}
	}
	done(object);
}

static void test_reserved_is_enough(void **state)
{
	struct shmfs_object *object;
	struct shmfs_region *region;

	(void)state;
	sandbox_tmpfs("/dev/shm", "mode=1777,size=256k");
	object = must_create("x", 0);
	assert_int_equal(shmfs_object_reserve(object, 200 << 10), 0);
	region = must_map(object, SHMFS_READ_WRITE, 0, 0);
	/* Another object takes all that is left; the stores have theirs. */
	done(must_create("y", 1 << 20));
	assert_int_equal(fixture_child(touch, region), 0);
	shmfs_region_unmap(region);
	done(object);
	assert_int_equal(umount2("/dev/shm", 0), 0);
}

static void test_hint(void **state)
{
	struct shmfs_object *object = must_create("x", 3 * page);
	struct shmfs_region *there = must_map(object, SHMFS_READ_WRITE, 0, 0), *region;
	char *address = bytes_of(there);

	(void)state;
	/* Taken: elsewhere, and what is there stays. */
	strcpy(address, "unharmed");
	assert_int_equal(
		shmfs_region_map(object, SHMFS_READ_ONLY, 0, 0, address, 0, &region), 0);
	assert_ptr_not_equal(bytes_of(region), address);
	assert_string_equal(address, "unharmed");
	shmfs_region_unmap(region);
	/* Free: there. Also the bytes in the middle of a page. */
	shmfs_region_unmap(there);
	assert_int_equal(shmfs_region_map(object, SHMFS_READ_ONLY, 100, 10, address + 100,
					  0, &region),
			 0);
	assert_ptr_equal(bytes_of(region), address + 100);
	shmfs_region_unmap(region);
	/* Impossible: a hint is only a hint. */
	assert_int_equal(shmfs_region_map(object, SHMFS_READ_ONLY, 100, 10, (char *)1, 0,
					  &region),
			 0);
	shmfs_region_unmap(region);
	done(object);
}

static void test_fixed(void **state)
{
	struct shmfs_object *object = must_create("x", 3 * page);
	struct shmfs_region *there = must_map(object, SHMFS_READ_WRITE, 0, 0), *region;
	char *address = bytes_of(there);
	int fd = shmfs_object_fd(object);

	(void)state;
	strcpy(address, "unharmed");
	strcpy(address + 2 * page, "unharmed too");
	refused_fd(-EEXIST, fd, SHMFS_READ_WRITE, 0, 0, address, SHMFS_REGION_FIXED);
	refused_fd(-EEXIST, fd, SHMFS_READ_WRITE, page + 1, 1, address + 2 * page + 1,
		   SHMFS_REGION_FIXED);
	/* One page of it is enough. */
	refused_fd(-EEXIST, fd, SHMFS_READ_WRITE, 0, 0, address - 2 * page,
		   SHMFS_REGION_FIXED);
	assert_string_equal(address, "unharmed");
	assert_string_equal(address + 2 * page, "unharmed too");
	shmfs_region_unmap(there);
	assert_int_equal(shmfs_region_map(object, SHMFS_READ_WRITE, page + 7, 0,
					  address + 7, SHMFS_REGION_FIXED, &region),
			 0);
	assert_ptr_equal(bytes_of(region), address + 7);
	assert_string_equal(bytes_of(region) + page - 7, "unharmed too");
	shmfs_region_unmap(region);
	done(object);
}

static void test_many(void **state)
{
	struct shmfs_object *object = must_create("x", 1024);
	struct shmfs_region *regions[64];
	size_t i, j;

	(void)state;
	for (i = 0; i < 64; i++) {
		regions[i] = must_map(object, SHMFS_READ_WRITE, 0, 0);
		for (j = 0; j < i; j++)
			assert_ptr_not_equal(bytes_of(regions[i]), bytes_of(regions[j]));
	}
	for (i = 0; i < 64; i++)
		bytes_of(regions[i])[i] = 'x';
	for (i = 0; i < 64; i++)
		assert_int_equal(bytes_of(regions[63 - i])[i], 'x');
	for (i = 0; i < 64; i++)
		shmfs_region_unmap(regions[i]);
	done(object);
}

static int store_hello(void *data)
{
	strcpy(data, "hello");
	return 0;
}

static void test_anonymous(void **state)
{
	struct shmfs_region *region = (struct shmfs_region *)&region;

	(void)state;
	assert_int_equal(shmfs_region_map_anonymous(0, NULL, 0, &region), -EINVAL);
	assert_int_equal(shmfs_region_map_anonymous(1, NULL, 2, &region), -EINVAL);
	assert_int_equal(shmfs_region_map_anonymous(1, NULL, SHMFS_REGION_FIXED, &region),
			 -EINVAL);
	assert_int_equal(shmfs_region_map_anonymous(UINT64_MAX, NULL, 0, &region),
			 -EOVERFLOW);
	assert_int_equal(shmfs_region_map_anonymous(INT64_MAX, NULL, 0, &region),
			 -ENOMEM);
	assert_ptr_equal(region, (struct shmfs_region *)&region);
	assert_int_equal(shmfs_region_map_anonymous(5000, NULL, 0, &region), 0);
	assert_int_equal(shmfs_region_size(region), 5000);
	assert_int_equal(shmfs_region_mode(region), SHMFS_READ_WRITE);
	assert_int_equal(bytes_of(region)[4999], 0);
	assert_int_equal(fixture_child(store_hello, bytes_of(region)), 0);
	assert_string_equal(bytes_of(region), "hello");
	shmfs_region_unmap(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_shared),
		fixture_test(test_copy_on_write),
		fixture_test(test_read_only_object),
		fixture_test(test_protection),
		fixture_test(test_offset),
		fixture_test(test_beyond_the_end),
		fixture_test(test_too_large),
		fixture_test(test_arguments),
		fixture_test(test_no_sigbus),
		fixture_test(test_reserved_is_enough),
		fixture_test(test_hint),
		fixture_test(test_fixed),
		fixture_test(test_many),
		fixture_test(test_anonymous),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	sandbox_enter();
	return cmocka_run_group_tests_name("region", tests, NULL, NULL) != 0;
}
