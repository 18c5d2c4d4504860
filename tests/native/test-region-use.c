/* SPDX-License-Identifier: MIT */
/* What is done with regions once they are mapped, and regions of other files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <shmfs/region.h>

#include "fixture.h"

static size_t page;

/* A file of @size bytes, where the byte at i is i % 251; the caller closes it. */
static int make_file(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t i;
	char *bytes;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	for (i = 0; i < size; i++)
		bytes[i] = (char)(i % 251);
	munmap(bytes, size);
	return fd;
}

static struct shmfs_region *must_map(int fd, enum shmfs_mode mode, uint64_t offset,
				     uint64_t size)
{
	struct shmfs_region *region;

	assert_int_equal(shmfs_region_map_fd(fd, mode, offset, size, NULL, 0, &region),
			 0);
	return region;
}

static struct shmfs_region *map_new(size_t size, uint64_t offset, uint64_t length)
{
	int fd = make_file(size);
	struct shmfs_region *region = must_map(fd, SHMFS_READ_WRITE, offset, length);

	close(fd);
	return region;
}

static char *bytes_of(const struct shmfs_region *region)
{
	return shmfs_region_address(region);
}

static void refused(int expected, int fd, enum shmfs_mode mode, uint64_t size)
{
	struct shmfs_region *region = NULL;

	assert_int_equal(shmfs_region_map_fd(fd, mode, 0, size, NULL, 0, &region),
			 expected);
	assert_null(region);
}

/*
 * Whether our file is mapped there. Not by asking for any mapping, as mincore() would:
 * what was given back others can have taken.
 */
static bool is_mapped(const char *address)
{
	uintptr_t begin, end, wanted = (uintptr_t)address;
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps)) {
		assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end), 2);
		found = wanted >= begin && wanted < end && strstr(line, "/memfd:test");
	}
	fclose(maps);
	return found;
}

static void test_other_files(void **state)
{
	int pipes[2], directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int path = open("/", O_PATH | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	refused(-ENXIO, pipes[0], SHMFS_READ_ONLY, 0);
	refused(-ENODEV, pipes[0], SHMFS_READ_ONLY, 1);
	refused(-ENODEV, directory, SHMFS_READ_ONLY, 1);
	refused(-EBADF, path, SHMFS_READ_ONLY, 1);
	close(pipes[0]);
	close(pipes[1]);
	close(directory);
	close(path);
}

/* A character device has no size: who maps it must know. */
static void test_device(void **state)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct shmfs_region *region;

	(void)state;
	refused(-ENXIO, fd, SHMFS_READ_WRITE, 0);
	region = must_map(fd, SHMFS_READ_WRITE, 0, 5000);
	assert_int_equal(shmfs_region_size(region), 5000);
	bytes_of(region)[4999] = 'x';
	assert_int_equal(shmfs_region_advise(region, SHMFS_ADVICE_DONTNEED), 0);
	assert_int_equal(bytes_of(region)[4999], 'x');
	shmfs_region_unmap(region);
	close(fd);
}

static void test_sealed(void **state)
{
	int fd = make_file(100);

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	refused(-EPERM, fd, SHMFS_READ_WRITE, 0);
	shmfs_region_unmap(must_map(fd, SHMFS_READ_PRIVATE, 0, 0));
	close(fd);
}

/* Huge pages are mapped, and given back, as a whole. */
static void test_huge_pages(void **state)
{
	int r, fd = memfd_create("test", MFD_CLOEXEC | MFD_HUGETLB);
	struct shmfs_region *region = NULL;
	struct stat st;

	(void)state;
	if (fd < 0)
		return; /* a kernel without them */
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, 2 * st.st_blksize), 0);
	r = shmfs_region_map_fd(fd, SHMFS_READ_WRITE, 100, 1000, NULL, 0, &region);
	close(fd);
	if (r < 0) {
		assert_int_equal(r, -ENOMEM); /* none is set aside on this machine */
		return;
	}
	assert_int_equal(shmfs_region_page_size(region), st.st_blksize);
	assert_int_equal((uintptr_t)bytes_of(region) % (uintptr_t)st.st_blksize, 100);
	assert_int_equal(shmfs_region_shrink_back(region, 900), 0);
	assert_int_equal(shmfs_region_shrink_front(region, 100), 0);
	assert_null(shmfs_region_address(region));
	shmfs_region_unmap(region);
}

static void test_page_size(void **state)
{
	struct shmfs_region *region = map_new(100, 0, 0);

	(void)state;
	assert_int_equal(shmfs_region_page_size(NULL), page);
	assert_int_equal(shmfs_region_page_size(region), page);
	shmfs_region_unmap(region);
}

static void test_flush(void **state)
{
	struct shmfs_region *region = map_new(3 * page, 100, 0);
	uint64_t size = shmfs_region_size(region);

	(void)state;
	assert_int_equal(shmfs_region_flush(region, 0, 0, SHMFS_FLUSH_SYNC), 0);
	assert_int_equal(shmfs_region_flush(region, 0, size, SHMFS_FLUSH_ASYNC), 0);
	assert_int_equal(shmfs_region_flush(region, 1, 1, SHMFS_FLUSH_SYNC), 0);
	assert_int_equal(shmfs_region_flush(region, page, size - page, SHMFS_FLUSH_SYNC),
			 0);
	assert_int_equal(shmfs_region_flush(region, size - 1, 0, SHMFS_FLUSH_SYNC), 0);
	assert_int_equal(shmfs_region_flush(region, size, 0, SHMFS_FLUSH_SYNC), -EINVAL);
	assert_int_equal(shmfs_region_flush(region, 0, size + 1, SHMFS_FLUSH_SYNC),
			 -EINVAL);
	assert_int_equal(shmfs_region_flush(region, 1, size, SHMFS_FLUSH_SYNC), -EINVAL);
	assert_int_equal(shmfs_region_flush(region, 1, UINT64_MAX, SHMFS_FLUSH_SYNC),
			 -EINVAL);
	assert_int_equal(shmfs_region_flush(region, UINT64_MAX, 2, SHMFS_FLUSH_SYNC),
			 -EINVAL);
	assert_int_equal(shmfs_region_flush(region, 0, 0, (enum shmfs_flush)2), -EINVAL);
	shmfs_region_unmap(region);
}

static void test_shrink_back(void **state)
{
	struct shmfs_region *region = map_new(3 * page, 10, 0);
	char *begin = bytes_of(region);

	(void)state;
	/* Within the last page nothing is unmapped; then it goes. */
	assert_int_equal(shmfs_region_shrink_back(region, page - 1), 0);
	assert_true(is_mapped(begin + 2 * page));
	assert_int_equal(shmfs_region_shrink_back(region, 1), 0);
	assert_false(is_mapped(begin + 2 * page));
	assert_true(is_mapped(begin + page));
	assert_ptr_equal(bytes_of(region), begin);
	assert_int_equal(shmfs_region_size(region), 2 * page - 10);
	assert_int_equal(begin[2 * page - 11], (char)((2 * page - 1) % 251));
	assert_int_equal(shmfs_region_shrink_back(region, 2 * page - 9), -EINVAL);
	assert_int_equal(shmfs_region_shrink_back(region, UINT64_MAX), -EINVAL);
	assert_int_equal(shmfs_region_shrink_back(region, 0), 0);
	assert_int_equal(shmfs_region_size(region), 2 * page - 10);
	shmfs_region_unmap(region);
	assert_false(is_mapped(begin));
}

static void test_shrink_front(void **state)
{
	struct shmfs_region *region = map_new(3 * page, 10, 0);
	char *begin = bytes_of(region);

	(void)state;
	assert_int_equal(shmfs_region_shrink_front(region, page - 11), 0);
	assert_true(is_mapped(begin));
	assert_int_equal(shmfs_region_shrink_front(region, 1), 0);
	assert_false(is_mapped(begin));
	assert_true(is_mapped(begin + page));
	assert_ptr_equal(bytes_of(region), begin + page - 10);
	assert_int_equal(shmfs_region_size(region), 2 * page);
	assert_int_equal(bytes_of(region)[0], (char)(page % 251));
	assert_int_equal(shmfs_region_shrink_front(region, 2 * page + 1), -EINVAL);
	assert_int_equal(shmfs_region_size(region), 2 * page);
	shmfs_region_unmap(region);
	assert_false(is_mapped(begin + 2 * page));
}

static void test_shrink_to_nothing(void **state)
{
	struct shmfs_region *region = map_new(3 * page, 10, 0);
	char *begin = bytes_of(region);

	(void)state;
	assert_int_equal(shmfs_region_shrink_back(region, shmfs_region_size(region)), 0);
	assert_false(is_mapped(begin));
	assert_false(is_mapped(begin + 2 * page));
	assert_null(shmfs_region_address(region));
	assert_int_equal(shmfs_region_size(region), 0);
	assert_int_equal(shmfs_region_shrink_back(region, 0), -EINVAL);
	assert_int_equal(shmfs_region_shrink_front(region, 0), -EINVAL);
	assert_int_equal(shmfs_region_flush(region, 0, 0, SHMFS_FLUSH_SYNC), -EINVAL);
	assert_int_equal(shmfs_region_advise(region, SHMFS_ADVICE_NORMAL), -EINVAL);
	shmfs_region_unmap(region);
}

/* What was given back is not the region's any more, and others' mappings there stay. */
static void test_shrunk_forgets(void **state)
{
	struct shmfs_region *region = map_new(4 * page, 0, 0), *front, *back;
	char *begin = bytes_of(region);
	int fd = make_file(page);

	(void)state;
	assert_int_equal(shmfs_region_shrink_front(region, page), 0);
	assert_int_equal(shmfs_region_shrink_back(region, page), 0);
	assert_int_equal(shmfs_region_map_fd(fd, SHMFS_READ_ONLY, 0, 0, begin,
					     SHMFS_REGION_FIXED, &front),
			 0);
	assert_int_equal(shmfs_region_map_fd(fd, SHMFS_READ_ONLY, 0, 0, begin + 3 * page,
					     SHMFS_REGION_FIXED, &back),
			 0);
	close(fd);
	shmfs_region_unmap(region);
	assert_false(is_mapped(begin + page));
	assert_false(is_mapped(begin + 2 * page));
	assert_true(is_mapped(bytes_of(front)));
	assert_true(is_mapped(bytes_of(back)));
	shmfs_region_unmap(front);
	shmfs_region_unmap(back);
}

/* Any sequence, against the one thing that it means: bytes [begin, end) of the file. */
static void shrink_at_random(size_t offset)
{
	struct shmfs_region *region = map_new(20 * page, offset, 0);
	size_t begin = offset, end = 20 * page, n;
	char *origin = bytes_of(region) - offset;

	while (begin < end) {
		n = (size_t)rand() % page;
		n = n < end - begin ? n : end - begin;
		if (rand() % 2) {
			assert_int_equal(shmfs_region_shrink_front(region, n), 0);
			begin += n;
		} else {
			assert_int_equal(shmfs_region_shrink_back(region, n), 0);
			end -= n;
		}
		assert_int_equal(shmfs_region_size(region), end - begin);
		if (begin == end)
			break;
		assert_ptr_equal(bytes_of(region), origin + begin);
		assert_int_equal(origin[begin], (char)(begin % 251));
		assert_int_equal(origin[end - 1], (char)((end - 1) % 251));
		assert_false(begin >= page && is_mapped(origin + begin - page));
		assert_false(is_mapped(origin + end + page - 1));
	}
	shmfs_region_unmap(region);
}

static void test_shrink_at_random(void **state)
{
	size_t i;

	(void)state;
	srand(1);
	for (i = 0; i < 20; i++)
		shrink_at_random(i * 503);
}

static void test_advise(void **state)
{
	struct shmfs_region *region = map_new(3 * page, 10, 0);
	int advice;

	(void)state;
	for (advice = SHMFS_ADVICE_NORMAL; advice <= SHMFS_ADVICE_DONTNEED; advice++)
		assert_int_equal(shmfs_region_advise(region, (enum shmfs_advice)advice),
				 0);
	assert_int_equal(shmfs_region_advise(region, (enum shmfs_advice)advice), -EINVAL);
	assert_int_equal(shmfs_region_advise(region, (enum shmfs_advice) - 1), -EINVAL);
	shmfs_region_unmap(region);
}

static void keeps(struct shmfs_region *region, const char *text)
{
	assert_int_equal(shmfs_region_advise(region, SHMFS_ADVICE_DONTNEED), 0);
	assert_string_equal(bytes_of(region), text);
	shmfs_region_unmap(region);
}

static void test_dontneed_keeps_data(void **state)
{
	struct shmfs_region *region;
	int fd = make_file(3 * page);

	(void)state;
	region = must_map(fd, SHMFS_READ_WRITE, 10, 0);
	strcpy(bytes_of(region), "shared");
	keeps(region, "shared");
	keeps(must_map(fd, SHMFS_READ_ONLY, 10, 0), "shared");
	keeps(must_map(fd, SHMFS_READ_PRIVATE, 10, 0), "shared");
	region = must_map(fd, SHMFS_COPY_ON_WRITE, 10, 0);
	strcpy(bytes_of(region), "mine");
	keeps(region, "mine");
	close(fd);
	assert_int_equal(shmfs_region_map_anonymous(100, NULL, 0, &region), 0);
	strcpy(bytes_of(region), "anonymous");
	keeps(region, "anonymous");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_other_files),
		fixture_test(test_device),
		fixture_test(test_sealed),
		fixture_test(test_huge_pages),
		fixture_test(test_page_size),
		fixture_test(test_flush),
		fixture_test(test_shrink_back),
		fixture_test(test_shrink_front),
		fixture_test(test_shrink_to_nothing),
		fixture_test(test_shrunk_forgets),
		fixture_test(test_shrink_at_random),
		fixture_test(test_advise),
		fixture_test(test_dontneed_keeps_data),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	sandbox_enter();
	return cmocka_run_group_tests_name("region-use", tests, NULL, NULL) != 0;
}
