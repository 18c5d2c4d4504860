/* SPDX-License-Identifier: MIT */
/* As test-fault-posix.c, with segments. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "faulty.h"
#include "files.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

/* Removes all segments, whose number is small. */
static void remove_all(void)
{
	struct shmid_ds ds;
	struct shm_info info;
	int last = must(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info));

	for (int i = 0; i <= last; i++) {
		int id = shmctl(i, SHM_STAT_ANY, &ds);

		if (id < 0)
			continue;
		if (!(ds.shm_perm.mode & SHM_DEST))
			segment_remove(id);
		/* Else the kernel knows it for long. */
		refused(access(id_path(id), F_OK), ENOENT);
		refused(access(key_path(ds.shm_perm.__key), F_OK), ENOENT);
	}
	/* Those that the daemon has attached go when it has let them go. */
	await_that(segments_count() == 0);
}

static void make_a(void)
{
	segment_put(segment_make(KEY, PAGE, 0666), 0, "text");
}

static bool exists(void)
{
	return shmget(KEY, 0, 0) >= 0;
}

static void close_tried(int fd)
{
	if (fd >= 0)
		tried(close(fd));
}

/* A pending file that never gets a size. */
static void pend(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	struct stat st;

	if (fd < 0)
		return;
	if (tried(fstat(fd, &st)) == 0)
		assert_int_equal(st.st_size, 0);
	tried(fchmod(fd, 0640));
	close_tried(fd);
	assert_false(exists());
}

static void size(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	if (fd < 0)
		return;
	assert_int_equal(exists(), tried(ftruncate(fd, 2 * PAGE)) == 0);
	if (exists())
		assert_int_equal(segment_status(segment_find(KEY)).shm_segsz, 2 * PAGE);
	tried(pwrite(fd, "text", 4, 0));
	close_tried(fd);
}

/* What was written becomes a segment when it is closed. */
static void write_first(void)
{
	int fd = (int)tried(
		open(MOUNT_DIR "/0x00000000", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	struct stat st;
	bool wrote;

	if (fd < 0)
		return;
	wrote = tried(pwrite(fd, "text", 4, 0)) == 4;
	assert_int_equal(segments_count(), 0);
	if (tried(close(fd)) == 0)
		assert_int_equal(segments_count(), wrote);
	/* The daemon learns of the closing before it answers anything else. */
	tried(stat(MOUNT_DIR, &st));
}

static void use_open(int fd)
{
	char found[5] = "";
	struct stat st;

	if (tried(fstat(fd, &st)) == 0)
		assert_int_equal(st.st_size, PAGE);
	if (tried(pread(fd, found, 4, 0)) >= 0)
		assert_string_equal(found, "text");
	tried(pwrite(fd, "text", 4, 0));
	tried(ftruncate(fd, PAGE));
	tried(lseek(fd, 0, SEEK_DATA));
	tried(fallocate(fd, 0, 0, PAGE));
}

static void use(void)
{
	const char *by_id = id_path(segment_find(KEY));
	int reads = (int)tried(open(A, O_RDONLY | O_CLOEXEC));
	int writes = (int)tried(open(by_id, O_RDWR | O_TRUNC | O_CLOEXEC));

	if (writes >= 0)
		use_open(writes);
	close_tried(writes);
	close_tried(reads);
	segment_expect(segment_find(KEY), 0, "text");
}

static void ask(void)
{
	static const char *const names[] = { "key", "nattch", "rss", "flags", "io" };
	char name[32], value[64];
	struct statvfs vfs;
	struct stat st;

	if (tried(stat(A, &st)) == 0)
		assert_int_equal(st.st_size, PAGE);
	tried(access(A, R_OK));
	tried(statvfs(MOUNT_DIR, &vfs));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "user.shmfs.%s", names[i]);
		tried(getxattr(A, name, value, sizeof(value)));
	}
	tried(chmod(A, 0600));
	tried(chown(A, 1, 1));
	tried(truncate(A, PAGE));
}

static void remove_open(void)
{
	int fd = (int)tried(open(A, O_RDWR | O_CLOEXEC));
	bool done = tried(unlink(A)) == 0;
	char found[5] = "";

	assert_int_equal(exists(), !done);
	if (fd >= 0 && tried(pread(fd, found, 4, 0)) > 0)
		assert_string_equal(found, "text");
	close_tried(fd);
}

#define MANY 20

static void make_many(void)
{
	for (key_t key = 1; key <= MANY; key++)
		segment_make(key, PAGE, 0666);
}

static void list(void)
{
	DIR *dir = opendir(MOUNT_DIR);
	struct dirent *entry;
	unsigned int n = 0;
	struct stat st;

	tried(dir ? 0 : -1);
	if (!dir)
		return;
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		tried(fstatat(dirfd(dir), entry->d_name, &st, 0));
	}
	if (errno)
		tried(-1);
	else
		assert_int_equal(n, MANY);
	closedir(dir);
}

static void lock(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_len = 1 };
	int fd = (int)tried(open(A, O_RDWR | O_CLOEXEC));

	if (fd < 0)
		return;
	tried(fcntl(fd, F_SETLK, &range));
	tried(flock(fd, LOCK_EX));
	tried(fcntl(fd, F_GETLK, &range));
	close_tried(fd);
}

static const struct scene scenes[] = {
	{ "pend", NULL, pend, 0, false },
	{ "size", NULL, size, 0, false },
	{ "write first", NULL, write_first, 0, false },
	{ "use", make_a, use, 0, false },
	{ "ask", make_a, ask, 0, false },
	{ "unlink", make_a, remove_open, 0, false },
	{ "list", make_many, list, 7, false },
	{ "lock", make_a, lock, 0, true },
};

static void test_segments(void **state)
{
	(void)state;
	faulty_start("kind=sysv");
	play_all(scenes, sizeof(scenes) / sizeof(scenes[0]), remove_all);
}

/* Which is what a listing and a pending file have for their times. */
static void test_clock(void **state)
{
	(void)state;
	faulty_start("kind=sysv");
	play_back_in_time(scenes, sizeof(scenes) / sizeof(scenes[0]), remove_all);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test_unmounted(test_segments),
		segments_test_unmounted(test_clock),
	};

	faulty_init();
	return cmocka_run_group_tests_name("fault-sysv", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
