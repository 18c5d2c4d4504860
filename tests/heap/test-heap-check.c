/* SPDX-License-Identifier: MIT */
/*
 * shmfs-check finds what is damaged, repairs what can be repaired, and tells by its
 * status.
 *
 * usage: test-heap-check SHMFS-CHECK
 *
 * SHMFS_TEST_WRAPPER has words to put before its command.
 */
#include <errno.h>
#include <fcntl.h>

#include "heap/fixture.h"

#define FILE_NAME "/dev/shm/" HEAP

static const char *program;

/* The exit status of shmfs-check @arguments, and what it prints. */
static int check(const char *arguments, char output[1024])
{
	const char *wrapper = getenv("SHMFS_TEST_WRAPPER");
	char command[512];
	int status;
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "%s %s %s 2>&1", wrapper ? wrapper : "",
		 program, arguments);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(output, 1, 1023, f);
	output[n] = '\0';
	status = pclose(f);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_check(const char *arguments, int status, const char *output)
{
	char printed[1024];

	assert_int_equal(check(arguments, printed), status);
	if (!strstr(printed, output))
		print_error("%s\n", printed);
	assert_non_null(strstr(printed, output));
}

static void test_in_order(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	void *object;

	(void)state;
	assert_int_equal(shmfs_heap_construct(heap, "x", 1, 100, NULL, &object), 0);
	assert_check(FILE_NAME, 0, "");
	assert_check("-v " FILE_NAME, 0, "1 named objects");
	assert_check("--repair " FILE_NAME, 0, "");
	fixture_heap_end(heap);
}

static int die(void *data)
{
	void *object;

	shmfs_heap_begin(data);
	shmfs_heap_construct(data, "half", 1, 8, NULL, &object);
	kill(getpid(), SIGKILL);
	return 0;
}

static void test_repairing(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);

	(void)state;
	assert_int_equal(fixture_child(die, heap), -SIGKILL);
	assert_check(FILE_NAME, 4, "a change is under way, or was when its maker died");
	assert_check("-r " FILE_NAME, 1, "the change of a process that died is undone");
	assert_check(FILE_NAME, 0, "");
	fixture_heap_end(heap);
}

/* The program finds @value at @offset, and a repair leaves it there. */
static void assert_damage(off_t offset, uint64_t value, int status, const char *output)
{
	int fd = open(FILE_NAME, O_RDWR);
	uint64_t before, after;

	assert_int_equal(pread(fd, &before, sizeof(before), offset), sizeof(before));
	assert_int_equal(pwrite(fd, &value, sizeof(value), offset), sizeof(value));
	assert_check(FILE_NAME, status, output);
	assert_check("-r " FILE_NAME, status, output);
	assert_int_equal(pread(fd, &after, sizeof(after), offset), sizeof(after));
	assert_int_equal(after, value);
	assert_int_equal(pwrite(fd, &before, sizeof(before), offset), sizeof(before));
	close(fd);
}

static void test_damage(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	off_t block;

	(void)state;
	assert_int_equal(shmfs_heap_alloc(heap, 100, 16, shmfs_heap_root(heap)), 0);
	block = (off_t)*shmfs_heap_root(heap) - 16;
	assert_damage(block, 24, 4, "its size 24 cannot be");
	/* In both halves, for both byte orders. */
	assert_damage(block + 8, UINT64_C(0x500000005), 4,
		      "says 80 bytes are before it, not 0");
	assert_damage(208, 1, 4, "blocks in use");
	assert_damage(712, 9, 4, "its bit is wrong");
	assert_damage(0, 0, 8, "this is no heap");
	assert_damage(28, 3, 8, "the header of the heap is damaged");
	fixture_heap_end(heap);
}

static void test_usage(void **state)
{
	(void)state;
	assert_check("", 16, "usage: shmfs-check");
	assert_check("--wrong x", 16, "usage: shmfs-check");
	assert_check("/dev/shm/none", 8, "/dev/shm/none: No such file");
	assert_check("/dev/null", 8, "this is no heap");
	assert_check("--help", 0, "--repair");
	assert_check("--version", 0, "shmfs-check ");
	assert_check(FILE_NAME " >/dev/full; exit $?", 8, "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_in_order),
		fixture_test(test_repairing),
		fixture_test(test_damage),
		fixture_test(test_usage),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	sandbox_enter();
	return cmocka_run_group_tests_name("heap-check", tests, NULL, NULL) != 0;
}
