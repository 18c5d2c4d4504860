/* SPDX-License-Identifier: MIT */
/*
 * A program in another language, written from shmfs_heap(5), finds what is in a heap
 * while it is being used.
 *
 * usage: test-heap-reader HEAP.PY
 */
#include <fcntl.h>

#include "heap/fixture.h"

static const char *reader;

/* Runs the reader on @file. Returns its status. */
static int run_reader(const char *file, char output[], size_t size)
{
	char command[512];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "python3 %s %s 2>&1", reader, file);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(output, 1, size - 1, f);
	output[n] = '\0';
	return pclose(f);
}

static void test_reading(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	char output[65536], name[16], *line = output;
	void *object;

	(void)state;
	assert_int_equal(run_reader("/dev/shm/" HEAP, output, sizeof(output)), 0);
	assert_string_equal(output, "");
	for (unsigned int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "name-%03u", i);
		assert_int_equal(shmfs_heap_construct(heap, name, i, 8, name, &object),
				 0);
	}
	assert_int_equal(shmfs_heap_destroy(heap, "name-007"), 0);
	assert_int_equal(run_reader("/dev/shm/" HEAP, output, sizeof(output)), 0);
	for (unsigned int i = 0; i < 200; i++) {
		char expected[64];
		int n = snprintf(expected, sizeof(expected),
				 "name-%03u %u 8 b'name-%03u'\n", i, i, i);

		if (i == 7)
			continue;
		assert_memory_equal(line, expected, n);
		line += n;
	}
	assert_string_equal(line, "");
	fixture_heap_end(heap);
}

/* A name that follows itself does not keep the reader for ever. */
static void test_circle(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	char output[1024];
	shmfs_offset_t *next;
	void *object;

	(void)state;
	assert_int_equal(shmfs_heap_construct(heap, "x", 1, 8, NULL, &object), 0);
	/* The numbers of a name and a short name take 64 bytes. */
	next = (void *)((char *)object - 64);
	*next = shmfs_heap_offset(heap, next);
	assert_int_not_equal(run_reader("/dev/shm/" HEAP, output, sizeof(output)), 0);
	assert_non_null(strstr(output, "more names than there are"));
	*next = 0;
	fixture_heap_end(heap);
}

/* A file that is cut off within its header. */
static void test_short(void **state)
{
	int fd = open("/dev/shm/" HEAP, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	static const char header[] = "SHMFHEAP\4\3\2\1\1\0\0";
	char output[1024];

	(void)state;
	assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
	close(fd);
	assert_int_not_equal(run_reader("/dev/shm/" HEAP, output, sizeof(output)), 0);
	assert_non_null(strstr(output, "heap: position 16"));
	assert_int_equal(shmfs_heap_remove(HEAP), 0);
}

static void test_no_heap(void **state)
{
	char output[1024];

	(void)state;
	assert_int_not_equal(run_reader("/proc/self/exe", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "this is no heap"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_reading),
		fixture_test(test_circle),
		fixture_test(test_short),
		fixture_test(test_no_heap),
	};

	if (argc != 2)
		return 2;
	reader = argv[1];
	sandbox_enter();
	return cmocka_run_group_tests_name("heap-reader", tests, NULL, NULL) != 0;
}
