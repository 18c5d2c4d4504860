/* SPDX-License-Identifier: MIT */
/*
 * Where nothing can be passed through: segments of huge pages, which can back no file,
 * and a daemon without privilege, which cannot reach the file behind a segment. Reading
 * and writing work all the same, by copies from the attachment, and a shared mapping is
 * refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "person.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"
#define WANTED     4

/*
 * The huge pages of the machine belong to all. Only one of these programs asks for some
 * at a time, and its first process, which nothing here can end, gives them back.
 */
struct pages {
	pid_t owner;
	long added;
};
static struct pages *pages; /* shared by the processes of this program */
static int pages_fd = -1;   /* of HUGE_PAGES, locked */

static long pages_count(void)
{
	char text[32] = "";

	if (pread(pages_fd, text, sizeof(text) - 1, 0) < 0)
		return -1;
	return strtol(text, NULL, 10);
}

static void pages_set(long n)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%ld", n > 0 ? n : 0);

	if (pwrite(pages_fd, text, (size_t)length, 0) < 0)
		perror(HUGE_PAGES);
}

static void pages_give_back(void)
{
	if (getpid() == pages->owner && pages->added > 0)
		pages_set(pages_count() - pages->added);
}

static void pages_init(void)
{
	pages = mmap(NULL, sizeof(*pages), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		exit(1);
	pages->owner = getpid();
	pages_fd = open(HUGE_PAGES, O_RDWR | O_CLOEXEC);
	atexit(pages_give_back);
}

/* The number behind @what in /proc/meminfo. */
static long machine_has(const char *what)
{
	FILE *info = fopen("/proc/meminfo", "re");
	char line[128];
	long n = -1;

	assert_non_null(info);
	while (n < 0 && fgets(line, sizeof(line), info))
		if (strncmp(line, what, strlen(what)) == 0)
			n = strtol(line + strlen(what), NULL, 10);
	fclose(info);
	return n;
}

static long free_pages(void)
{
	return machine_has("HugePages_Free:");
}

/* Others may change how many there are, which is no matter here. */
static long used_pages(void)
{
	return machine_has("HugePages_Total:") - free_pages();
}

#define HUGE ((size_t)2 << 20)

/* Skips the test where this machine has no huge pages to spare, or others. */
static void need_huge_pages(void)
{
	bool usual = machine_has("Hugepagesize:") == HUGE / 1024;

	/* The lock is that of the first process as well, and so is held until its end. */
	if (usual && pages_fd >= 0 && pages->added < WANTED &&
	    flock(pages_fd, LOCK_EX) == 0) {
		long found = pages_count();

		pages_set(found + WANTED - pages->added);
		pages->added += pages_count() - found;
	}
	if (pages->added < WANTED) {
		print_message("skipped: no huge pages of 2 MiB to be had\n");
		skip();
	}
	/* Those of the test before are given back a moment after its daemon has gone. */
	await_that(free_pages() >= WANTED);
}

static int make_huge(key_t key, size_t size, int flags)
{
	return must(shmget(key, size, IPC_CREAT | IPC_EXCL | SHM_HUGETLB | flags | 0600));
}

/* What holds for every file that is read and written by copies. */
static void expect_direct(const char *path)
{
	_cleanup_close_ int fd = must(open(path, O_RDWR | O_CLOEXEC));
	_cleanup_close_ int readable = must(open(path, O_RDONLY | O_CLOEXEC));
	char *p;

	assert_string_equal(told(path, "io"), "direct");
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	refused((char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readable, 0), ENODEV);
	assert_int_equal(must(pwrite(fd, "private", 7, 5)), 7);
	p = must((char *)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, readable,
			      0));
	assert_memory_equal(p + 5, "private", 7);
	must(munmap(p, PAGE));
}

static void test_huge_pages(void **state)
{
	const size_t size = 3 * HUGE / 2 + 77;
	_cleanup_close_ int fd = -1;
	char found[100];
	int id;

	(void)state;
	need_huge_pages();
	id = make_huge(KEY, size, 0);
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_size, size);
	expect_direct(A);
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	assert_int_equal(must(pwrite(fd, "text", 4, (off_t)HUGE - 2)), 4);
	segment_expect(id, HUGE - 2, "text");
	segment_put(id, size - 10, "0123456789");
	assert_int_equal(must(pread(fd, found, sizeof(found), (off_t)size - 10)), 10);
	assert_memory_equal(found, "0123456789", 10);
	assert_int_equal(must(pread(fd, found, sizeof(found), (off_t)size)), 0);
	assert_int_equal(must(pwrite(fd, "abcd", 4, (off_t)size - 2)), 2);
	refused(pwrite(fd, "abcd", 4, (off_t)size), ENOSPC);
	refused(ftruncate(fd, (off_t)HUGE), EPERM);
	must(ftruncate(fd, (off_t)size));
	must(fallocate(fd, 0, 0, (off_t)size));
	refused(fallocate(fd, 0, 0, (off_t)size + 1), ENOSPC);
	refused(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE),
		EOPNOTSUPP);
	segment_expect(id, HUGE - 2, "text");
	assert_int_equal(must(lseek(fd, 100, SEEK_DATA)), 100);
	assert_int_equal(must(lseek(fd, 100, SEEK_HOLE)), size);
	assert_int_equal(segment_status(id).shm_segsz, size);
}

static void test_huge_pages_are_told(void **state)
{
	_cleanup_close_ int fd = -1;
	struct shmid_ds before, after;
	int id, ordinary;

	(void)state;
	need_huge_pages();
	id = make_huge(KEY, HUGE, 0);
	ordinary = segment_make(IPC_PRIVATE, HUGE, 0600);
	segment_give(id, 1000, 1000, 0);
	before = segment_status(id);
	/* Nothing tells but what is attached, as it is while it is open. */
	assert_string_equal(told(A, "flags"), "");
	assert_string_equal(told(id_path(ordinary), "flags"), "");
	after = segment_status(id);
	assert_memory_equal(&before, &after, sizeof(after));
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY);
	assert_string_equal(told(A, "flags"), "hugetlb");
	must(unlink(A));
	assert_string_equal(told(id_path(id), "flags"), "dest,hugetlb");
}

static void test_huge_pages_come_back(void **state)
{
	long before;
	int id, fd;

	(void)state;
	need_huge_pages();
	before = used_pages();
	id = make_huge(KEY, 2 * HUGE, 0);
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	assert_int_equal(must(pwrite(fd, "x", 1, (off_t)HUGE)), 1);
	assert_int_equal(used_pages(), before + 1);
	must(fallocate(fd, 0, 0, 2 * HUGE));
	assert_int_equal(used_pages(), before + 2);
	assert_int_equal(segment_nattch(id), 1);
	must(unlink(A));
	must(close(fd));
	await_that(!segment_exists(id));
	await_that(used_pages() == before);
}

/* Nobody has promised these pages: a touch of them would be the end of the daemon. */
static void test_missing_huge_pages(void **state)
{
	_cleanup_close_ int fd = -1;
	char text[100] = "text";
	int count = 64, written = 0;

	(void)state;
	need_huge_pages();
	assert_true(free_pages() < count);
	make_huge(KEY, (size_t)count * HUGE, SHM_NORESERVE);
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	while (pwrite(fd, text, sizeof(text), (off_t)((size_t)written * HUGE)) > 0)
		written++;
	assert_int_equal(errno, EIO);
	assert_in_range(written, 1, count - 1);
	refused(pread(fd, text, sizeof(text), (off_t)((size_t)(count - 1) * HUGE)), EIO);
	refused(fallocate(fd, 0, 0, (off_t)((size_t)count * HUGE)), ENOSPC);
	assert_int_equal(must(pread(fd, text, 5, 0)), 5);
	assert_string_equal(text, "text");
	assert_string_equal(told(A, "nattch"), "1");
}

static int use_own(const void *arg)
{
	int fd =
		open(USER_DIR "/0x00001234", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	char io[16] = "", found[8] = "";

	(void)arg;
	if (fd < 0 || ftruncate(fd, 5000) < 0 || pwrite(fd, "text", 4, 4998) != 2 ||
	    fallocate(fd, 0, 0, 5000) < 0 || close(fd) < 0)
		return -errno;
	fd = open(USER_DIR "/0x00001234", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, found, sizeof(found), 4997) != 3)
		return -errno;
	if (memcmp(found, "\0te", 3) != 0)
		return -ERANGE;
	if (fgetxattr(fd, "user.shmfs.io", io, sizeof(io)) != 6 || strcmp(io, "direct"))
		return -EINVAL;
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED)
		return -EEXIST;
	return errno == ENODEV ? 0 : -errno;
}

/* A step that must come to @expected. */
#define step(expr, expected)                                                 \
	do {                                                                 \
		int step_ = (expr) == -1 ? errno : 0;                        \
		if (step_ != (expected)) {                                   \
			fprintf(stderr, "%s: %s\n", #expr, strerror(step_)); \
			return -EPROTO;                                      \
		}                                                            \
	} while (0)

static int use_others(const void *arg)
{
	struct stat st;
	char c = 0;
	int fd;

	(void)arg;
	/* All of root's: with no right at all, to read, to read and write. */
	step(stat(USER_DIR "/0x00000001", &st), 0);
	step(open(USER_DIR "/0x00000001", O_RDONLY), EACCES);
	step(open(USER_DIR "/0x00000002", O_RDWR), EACCES);
	step(fd = open(USER_DIR "/0x00000002", O_RDONLY), 0);
	step((int)pread(fd, &c, 1, 0), 0);
	step(fd = open(USER_DIR "/0x00000003", O_RDWR), 0);
	step((int)pwrite(fd, &c, 1, 1), 0);
	step(chmod(USER_DIR "/0x00000003", 0600), EPERM);
	step(chown(USER_DIR "/0x00000003", getuid(), getgid()), EPERM);
	step(unlink(USER_DIR "/0x00000003"), EPERM);
	step(chmod(USER_DIR "/0x00001234", 0600), 0);
	step(access(USER_DIR "/0x00000001", R_OK), EACCES);
	step(access(USER_DIR "/0x00000003", R_OK | W_OK), 0);
	return c == 'r' && st.st_size == PAGE ? 0 : -ERANGE;
}

static int remove_own(const void *arg)
{
	(void)arg;
	return errno_or(unlink(USER_DIR "/0x00001234"));
}

static void mount_as_user(void)
{
	struct outcome o;

	person_needs_root();
	ordinary_allow();
	o = ordinary_mount("kind=sysv");
	if (o.status != 0)
		fail_msg("alice cannot mount: %s", o.err);
}

static void test_ordinary_user(void **state)
{
	struct shmid_ds ds;

	(void)state;
	mount_as_user();
	for (key_t key = 1; key <= 3; key++)
		segment_put(segment_make(key, PAGE,
					 key == 1   ? 0600
					 : key == 2 ? 0644
						    : 0666),
			    0, "r");
	assert_int_equal(person_do(&ordinary_user, use_own, NULL), 0);
	ds = segment_status(segment_find(KEY));
	assert_int_equal(ds.shm_perm.uid, ordinary_user.uid);
	assert_int_equal(ds.shm_perm.gid, ordinary_user.gid);
	assert_int_equal(ds.shm_perm.mode, 0640);
	segment_expect(segment_find(KEY), 4998, "te");
	assert_int_equal(person_do(&ordinary_user, use_others, NULL), 0);
	segment_expect(segment_find(3), 0, "rr");
	assert_int_equal(segment_status(segment_find(KEY)).shm_perm.mode, 0600);
	assert_int_equal(person_do(&ordinary_user, remove_own, NULL), 0);
	await_that(segments_count() == 3);
	await_that(segment_nattch(segment_find(3)) == 0);
	ordinary_unmount();
	ordinary_disallow();
}

/* Takes the memory away from under a segment, as only root can. */
static void shrink(int id)
{
	char *p = segment_attach(id, SHM_RDONLY);
	_cleanup_close_ int fd = -1;
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + 2 * PAGE);
	fd = must(open(path, O_RDWR | O_CLOEXEC));
	must(ftruncate(fd, PAGE));
	segment_detach(p);
}

/* Reads a page until it goes. */
static int use_shrunk(const void *arg)
{
	int fd = open(USER_DIR "/0x00000001", O_RDWR | O_CLOEXEC);
	ssize_t n;
	char c;

	(void)arg;
	step(fd, 0);
	while ((n = pread(fd, &c, 1, PAGE)) == 1)
		(void)poll(NULL, 0, 1);
	step((int)n, EIO);
	step((int)pwrite(fd, "x", 1, PAGE), EIO);
	step((int)pread(fd, &c, 1, 0), 0);
	step((int)pwrite(fd, "x", 1, 0), 0);
	return 0;
}

static void test_memory_is_taken_away(void **state)
{
	int id, status = -1;
	pid_t pid;

	(void)state;
	mount_as_user();
	id = segment_make(1, 2 * PAGE, 0666);
	pid = must(fork());
	if (pid == 0)
		_exit(-person_do(&ordinary_user, use_shrunk, NULL));
	await_that(segment_nattch(id) == 1);
	shrink(id);
	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	assert_int_equal(status, 0);
	await_that(segment_nattch(id) == 0);
	ordinary_unmount();
	ordinary_disallow();
}

/* What is left of it is less than it says, and nobody may take other memory for it. */
static void test_memory_is_missing(void **state)
{
	int id = segment_make(KEY, 2 * PAGE, 0600);

	(void)state;
	shrink(id);
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_size, 2 * PAGE);
	refused(open(A, O_RDWR), EIO);
	refused(open(A, O_RDONLY), EIO);
	assert_int_equal(segment_nattch(id), 0);
	must(unlink(A));
	assert_false(segment_exists(id));
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_huge_pages),
		segments_test(test_huge_pages_are_told),
		segments_test(test_huge_pages_come_back),
		segments_test(test_missing_huge_pages),
		segments_test_unmounted(test_ordinary_user),
		segments_test_unmounted(test_memory_is_taken_away),
		segments_test(test_memory_is_missing),
	};

	return cmocka_run_group_tests_name("sysv-direct", tests, NULL, NULL);
}

int main(void)
{
	pages_init();
	return mount_main(120, run);
}
