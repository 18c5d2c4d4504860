/* SPDX-License-Identifier: MIT */
/*
 * Listing: every object that is there from the beginning of a listing to its end appears
 * in it exactly once, however many others come and go meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define OBJECTS 5000

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _cleanup_dir_ _cleanup_(cleanup_dir)

static const char *numbered(unsigned int number)
{
	static char name[32];

	snprintf(name, sizeof(name), "object-%05u", number);
	return name;
}

static void make_numbered(unsigned int number)
{
	must(mknod(at(NATIVE_DIR, numbered(number)), S_IFREG | 0600, 0));
}

static void make_objects(void)
{
	for (unsigned int i = 0; i < OBJECTS; i++)
		make_numbered(i);
}

/* The number in @name; -1 for a name that numbered() does not give. */
static int number_of(const char *name)
{
	unsigned int number;

	return sscanf(name, "object-%5u", &number) == 1 ? (int)number : -1;
}

static void see(unsigned char *seen, const char *name)
{
	int number = number_of(name);

	if (number >= 0 && number < OBJECTS)
		seen[number]++;
}

/* Those that @stays says were there all the time must have been seen once, others at
 * most. */
static void check_seen(const unsigned char *seen, bool (*stays)(int number))
{
	for (int i = 0; i < OBJECTS; i++)
		if (seen[i] > 1 || (stays(i) && seen[i] == 0))
			fail_msg("object %d was seen %d times", i, seen[i]);
}

static bool all_stay(int number)
{
	(void)number;
	return true;
}

static bool odd_stay(int number)
{
	return number % 2 == 1;
}

static DIR *open_dir(void)
{
	DIR *dir = opendir(MOUNT_DIR);

	if (!dir)
		fail_msg("opendir: %s", strerror(errno));
	return dir;
}

static struct dirent *next(DIR *dir)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (!entry && errno != 0)
		fail_msg("readdir: %s", strerror(errno));
	return entry;
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 0);
	file_make(NATIVE_DIR, "a", 0600, "");
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 1);
	must(unlink(NATIVE_DIR "/a"));
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 0);
}

static void test_entries(void **state)
{
	_cleanup_dir_ DIR *dir = NULL;
	unsigned int dots = 0, objects = 0;
	struct dirent *entry;

	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	file_make(MOUNT_DIR, "b", 0600, "");
	dir = open_dir();
	while ((entry = next(dir))) {
		if (entry->d_name[0] == '.') {
			assert_int_equal(entry->d_type, DT_DIR);
			dots++;
		} else {
			assert_int_equal(entry->d_type, DT_REG);
			assert_int_equal(entry->d_ino,
					 file_stat(NATIVE_DIR, entry->d_name).st_ino);
			objects++;
		}
	}
	assert_int_equal(dots, 2);
	assert_int_equal(objects, 2);
}

static void test_listing_in_small_pieces(void **state)
{
	static const unsigned int sizes[] = { 64, 200, 1024, 100000 };
	static char buffer[100000];

	(void)state;
	make_objects();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_close_ int fd =
			must(open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		unsigned char seen[OBJECTS] = { 0 };
		long n;

		while ((n = must(syscall(SYS_getdents64, fd, buffer, sizes[i]))) > 0)
			for (long at_byte = 0; at_byte < n;) {
				struct dirent64 *entry =
					(struct dirent64 *)(void *)(buffer + at_byte);

				see(seen, entry->d_name);
				at_byte += entry->d_reclen;
			}
		check_seen(seen, all_stay);
	}
}

/* Even objects go, new ones come and go, old names come back, all along the listing. */
static void churn(int step)
{
	unsigned int even = (unsigned int)step * 2 % OBJECTS;

	unlink(at(NATIVE_DIR, numbered(even)));
	make_numbered(OBJECTS + (unsigned int)step);
	if (step % 3 == 0)
		must(unlink(at(NATIVE_DIR, numbered(OBJECTS + (unsigned int)step))));
	if (step % 5 == 0)
		make_numbered(even);
}

static void test_listing_under_churn(void **state)
{
	_cleanup_dir_ DIR *dir = NULL;
	unsigned char seen[OBJECTS] = { 0 };
	struct dirent *entry;
	int step = 0;

	(void)state;
	make_objects();
	dir = open_dir();
	while ((entry = next(dir))) {
		see(seen, entry->d_name);
		if (step < OBJECTS)
			churn(step++);
	}
	check_seen(seen, odd_stay);
}

static void test_listing_under_churn_in_small_pieces(void **state)
{
	_cleanup_close_ int fd =
		must(open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned char seen[OBJECTS] = { 0 };
	_Alignas(struct dirent64) char buffer[512];
	int step = 0;
	long n;

	(void)state;
	make_objects();
	while ((n = must(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)))) > 0) {
		for (long at_byte = 0; at_byte < n;) {
			struct dirent64 *entry =
				(struct dirent64 *)(void *)(buffer + at_byte);

			see(seen, entry->d_name);
			at_byte += entry->d_reclen;
		}
		for (int i = 0; i < 10 && step < OBJECTS; i++)
			churn(step++);
	}
	check_seen(seen, odd_stay);
}

#define STRIDE 500

/* From each remembered position the listing goes on as if it had never left. */
static void test_positions_stay_good(void **state)
{
	_cleanup_dir_ DIR *dir = NULL;
	unsigned char before[OBJECTS / STRIDE + 1][OBJECTS] = { { 0 } };
	long positions[OBJECTS / STRIDE + 1];
	unsigned char seen[OBJECTS] = { 0 };
	struct dirent *entry;
	int n = 0;

	(void)state;
	make_objects();
	dir = open_dir();
	for (int i = 0; (entry = next(dir)); i++) {
		see(seen, entry->d_name);
		if (i % STRIDE == 0 && n <= OBJECTS / STRIDE) {
			memcpy(before[n], seen, sizeof(seen));
			positions[n++] = telldir(dir);
		}
	}
	check_seen(seen, all_stay);
	/*
	 * The oldest object stays: from a position with nothing left behind it, tmpfs
	 * itself (seen on Linux 6.18) begins anew.
	 */
	for (int step = 1; step < OBJECTS / 2; step++)
		churn(step);
	while (n-- > 0) {
		seekdir(dir, positions[n]);
		while ((entry = next(dir)))
			see(before[n], entry->d_name);
		check_seen(before[n], odd_stay);
	}
}

static void test_rewind_starts_anew(void **state)
{
	_cleanup_dir_ DIR *dir = NULL;
	unsigned int n = 0;
	struct dirent *entry;

	(void)state;
	dir = open_dir();
	while ((entry = next(dir)))
		assert_int_equal(entry->d_name[0], '.');
	file_make(NATIVE_DIR, "a", 0600, "");
	rewinddir(dir);
	while ((entry = next(dir)))
		n += !strcmp(entry->d_name, "a");
	assert_int_equal(n, 1);
}

static void test_streams_are_independent(void **state)
{
	_cleanup_dir_ DIR *a = NULL;
	_cleanup_dir_ DIR *b = NULL;
	struct dirent *entry;
	unsigned char seen[2][OBJECTS] = { { 0 }, { 0 } };

	(void)state;
	make_objects();
	a = open_dir();
	b = open_dir();
	while ((entry = next(a))) {
		see(seen[0], entry->d_name);
		entry = next(b);
		assert_non_null(entry);
		see(seen[1], entry->d_name);
	}
	assert_null(next(b));
	check_seen(seen[0], all_stay);
	check_seen(seen[1], all_stay);
}

/* What rm -r does. */
static void test_removing_while_listing(void **state)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;

	(void)state;
	make_objects();
	dir = open_dir();
	while ((entry = next(dir)))
		if (entry->d_name[0] != '.')
			must(unlink(at(MOUNT_DIR, entry->d_name)));
	assert_int_equal(sandbox_count_entries(NATIVE_DIR), 0);
}

/* A listing may carry attributes along, but they are not kept for later. */
static void test_attributes_after_a_listing_are_fresh(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "");
	for (int size = 1; size < 200; size++) {
		_cleanup_dir_ DIR *dir = open_dir();
		struct dirent *entry;
		struct stat st;

		while ((entry = next(dir)))
			must(fstatat(dirfd(dir), entry->d_name, &st, 0));
		must(truncate(NATIVE_DIR "/a", size));
		must(fstatat(dirfd(dir), "a", &st, 0));
		assert_int_equal(st.st_size, size);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_empty),
		mount_test(test_entries),
		mount_test(test_listing_in_small_pieces),
		mount_test(test_listing_under_churn),
		mount_test(test_listing_under_churn_in_small_pieces),
		mount_test(test_positions_stay_good),
		mount_test(test_rewind_starts_anew),
		mount_test(test_streams_are_independent),
		mount_test(test_removing_while_listing),
		mount_test(test_attributes_after_a_listing_are_fresh),
	};

	return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
