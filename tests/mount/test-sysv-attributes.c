/* SPDX-License-Identifier: MIT */
/*
 * What is told about segments: as attributes of files, as extended attributes, and of all
 * together as a file system's. Each is held against what shmctl(2) says.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "person.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1001 };

static void expect_stat(const struct stat *st, int id)
{
	struct shmid_ds ds = segment_status(id);
	time_t latest = ds.shm_ctime;

	if (ds.shm_atime > latest)
		latest = ds.shm_atime;
	if (ds.shm_dtime > latest)
		latest = ds.shm_dtime;
	assert_int_equal(st->st_ino, id);
	assert_int_equal(st->st_mode, S_IFREG | (ds.shm_perm.mode & 0777));
	assert_int_equal(st->st_nlink, 1);
	assert_int_equal(st->st_uid, ds.shm_perm.uid);
	assert_int_equal(st->st_gid, ds.shm_perm.gid);
	assert_int_equal(st->st_size, ds.shm_segsz);
	assert_int_equal(st->st_blksize, PAGE);
	assert_int_equal(st->st_blocks, segment_column(id, "rss") / 512);
	assert_int_equal(st->st_atime, ds.shm_atime);
	assert_int_equal(st->st_mtime, latest);
	assert_int_equal(st->st_ctime, ds.shm_ctime);
	assert_int_equal(st->st_mtim.tv_nsec, 0);
}

/* The clock has gone on to another second: the kernel's times have no other. */
static void await_second(void)
{
	time_t now = time(NULL);

	await_that(time(NULL) > now);
}

static void check_stat(int id)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, id_name(id), O_PATH);
	struct stat st = file_stat(MOUNT_DIR, id_name(id));

	expect_stat(&st, id);
	st = fd_stat(fd);
	expect_stat(&st, id);
}

static void test_stat(void **state)
{
	int id = segment_make_as(&alice, KEY, 5 * PAGE + 1, 0640);
	_cleanup_close_ int fd = -1;
	struct stat st;
	char *p;

	(void)state;
	check_stat(id);
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_atime, 0);
	await_second();
	/* Each of these has a time of its own. */
	p = segment_attach(id, 0);
	check_stat(id);
	await_second();
	segment_detach(p);
	check_stat(id);
	await_second();
	segment_give(id, 1002, 1003, 0604);
	check_stat(id);
	await_second();
	segment_put(id, PAGE, "text");
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_blocks, PAGE / 512);
	check_stat(id);
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDONLY);
	st = fd_stat(fd);
	expect_stat(&st, id);
	segment_give(id, 0, 0, 0);
	st = fd_stat(fd);
	expect_stat(&st, id);
	check_stat(id);
}

/* All attributes in one, a line each, as each of them says. */
static void test_info(void **state)
{
	static const char *const names[] = {
		"io",   "key",   "shmid", "cpid",  "lpid", "nattch", "cuid",
		"cgid", "atime", "dtime", "ctime", "rss",  "swap",   "flags",
	};
	_cleanup_close_ int fd = -1;
	char expected[1024] = "", found[1024] = "";

	(void)state;
	segment_make_as(&alice, KEY, 5 * PAGE + 1, 0640);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			 "%s: %s\n", names[i], told(key_path(KEY), names[i]));
	must(getxattr(key_path(KEY), "user.shmfs.info", found, sizeof(found) - 1));
	assert_string_equal(found, expected);
	refused(getxattr(MOUNT_DIR, "user.shmfs.info", NULL, 0), ENODATA);
	/* What is not known yet has no line. */
	fd = file_open(MOUNT_DIR, key_name(KEY + 1), O_RDWR | O_CREAT);
	memset(found, 0, sizeof(found));
	must(fgetxattr(fd, "user.shmfs.info", found, sizeof(found) - 1));
	assert_non_null(strstr(found, "\nkey: 0x"));
	assert_null(strstr(found, "shmid"));
}

/* The kernel keeps its own marks beside the bits of the mode. */
static void test_marks_are_not_in_the_mode(void **state)
{
	int id = segment_make(KEY, PAGE, 0751);
	_cleanup_close_ int fd = -1;

	(void)state;
	must(shmctl(id, SHM_LOCK, NULL));
	assert_int_equal(segment_status(id).shm_perm.mode, SHM_LOCKED | 0751);
	assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_mode, S_IFREG | 0751);
	assert_string_equal(told(A, "flags"), "locked");
	must(chmod(A, 0640));
	assert_int_equal(segment_status(id).shm_perm.mode, SHM_LOCKED | 0640);
	fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	segment_remove(id);
	assert_int_equal(segment_status(id).shm_perm.mode, SHM_DEST | SHM_LOCKED | 0640);
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0640);
	assert_string_equal(told(id_path(id), "flags"), "dest,locked");
	must(shmctl(id, SHM_UNLOCK, NULL));
	assert_string_equal(told(id_path(id), "flags"), "dest");
	must(fchmod(fd, 0600));
	assert_int_equal(segment_status(id).shm_perm.mode, SHM_DEST | 0600);
	/* Nobody can give it such a mark. */
	must(chmod(id_path(id), 06777));
	assert_int_equal(segment_status(id).shm_perm.mode, SHM_DEST | 0777);
}

static void expect_told(const char *path, const char *name, long long value)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%lld", value);
	assert_string_equal(told(path, name), expected);
}

static void check_told(int id)
{
	struct shmid_ds ds = segment_status(id);
	const char *path = id_path(id);
	char key[16];

	snprintf(key, sizeof(key), "0x%08x", (unsigned int)ds.shm_perm.__key);
	assert_string_equal(told(path, "key"), key);
	expect_told(path, "shmid", id);
	expect_told(path, "cpid", ds.shm_cpid);
	expect_told(path, "lpid", ds.shm_lpid);
	expect_told(path, "nattch", (long long)ds.shm_nattch);
	expect_told(path, "cuid", ds.shm_perm.cuid);
	expect_told(path, "cgid", ds.shm_perm.cgid);
	expect_told(path, "atime", ds.shm_atime);
	expect_told(path, "dtime", ds.shm_dtime);
	expect_told(path, "ctime", ds.shm_ctime);
	expect_told(path, "rss", segment_column(id, "rss"));
	expect_told(path, "swap", segment_column(id, "swap"));
}

static void test_what_is_told(void **state)
{
	int id = segment_make_as(&alice, (key_t)0xfedcba98, 3 * PAGE, 0);
	int private = segment_make(IPC_PRIVATE, 1, 0600);
	char *p;

	(void)state;
	check_told(id);
	check_told(private);
	assert_string_equal(told(id_path(id), "key"), "0xfedcba98");
	assert_string_equal(told(id_path(id), "flags"), "");
	assert_string_equal(told(id_path(id), "cuid"), "1000");
	assert_string_equal(told(id_path(id), "cgid"), "1001");
	assert_string_equal(told(id_path(private), "key"), "0x00000000");
	await_second();
	segment_give(id, 77, 88, 0644);
	segment_put(id, 0, "x");
	p = segment_attach(id, 0);
	check_told(id);
	assert_string_equal(told(id_path(id), "nattch"), "1");
	expect_told(id_path(id), "lpid", getpid());
	assert_string_equal(told(id_path(id), "rss"), "4096");
	segment_detach(p);
	check_told(id);
}

/* Through an open file: what the segment has by then. */
static void test_what_is_told_of_open_files(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	char value[64] = "";

	(void)state;
	must(fgetxattr(fd, "user.shmfs.nattch", value, sizeof(value)));
	assert_string_equal(value, "1");
	expect_told(A, "lpid", mount_pid());
	segment_remove(id);
	memset(value, 0, sizeof(value));
	must(fgetxattr(fd, "user.shmfs.key", value, sizeof(value)));
	assert_string_equal(value, "0x00000000");
	memset(value, 0, sizeof(value));
	must(fgetxattr(fd, "user.shmfs.flags", value, sizeof(value)));
	assert_string_equal(value, "dest");
}

static int read_attributes(const void *arg)
{
	char value[64];

	(void)arg;
	if (getxattr(A, "user.shmfs.cuid", value, sizeof(value)) != 1 || value[0] != '0')
		return -errno;
	if (getxattr(A, "user.shmfs.flags", value, sizeof(value)) != 0)
		return -ERANGE;
	if (setxattr(A, "user.shmfs.key", "x", 1, 0) == 0 || errno != EPERM)
		return -EINVAL;
	return 0;
}

static void test_extended_attributes(void **state)
{
	char list[64], small[4];
	struct outcome o;

	(void)state;
	segment_make(KEY, PAGE, 0);
	/* As /proc/sysvipc/shm tells everybody. */
	assert_int_equal(person_do(&alice, read_attributes, NULL), 0);
	/* Not listed, so that no copy carries them along. */
	assert_int_equal(must(listxattr(A, list, sizeof(list))), 0);
	refused(getxattr(A, "user.shmfs.key", small, sizeof(small)), ERANGE);
	assert_int_equal(must(getxattr(A, "user.shmfs.key", NULL, 0)), 10);
	refused(getxattr(A, "user.shmfs.none", NULL, 0), ENODATA);
	refused(getxattr(A, "user.shmfs.", NULL, 0), ENODATA);
	refused(getxattr(A, "user.other", NULL, 0), EOPNOTSUPP);
	refused(setxattr(A, "user.other", "x", 1, 0), EOPNOTSUPP);
	refused(setxattr(A, "user.shmfs.io", "x", 1, 0), EPERM);
	refused(removexattr(A, "user.shmfs.nattch"), EPERM);
	refused(removexattr(A, "user.other"), EOPNOTSUPP);
	o = command_run(NULL, (const char *const[]){ "cp", "--preserve=all", A,
						     SCRATCH_DIR "/copy", NULL });
	assert_string_equal(o.err, "");
	assert_int_equal(o.status, 0);
	must(unlink(SCRATCH_DIR "/copy"));
}

static void test_nobody_attached(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);

	(void)state;
	close(file_open(MOUNT_DIR, key_name(KEY), O_RDONLY));
	await_that(segment_nattch(id) == 0);
	assert_string_equal(told(A, "nattch"), "0");
	expect_told(A, "dtime", (long long)segment_status(id).shm_dtime);
	check_told(id);
	check_stat(id);
}

#define MANY 1000

/* What was done natively is seen by whoever looks afterwards. */
/* Asks for whatever there is, and for what is refused, until it is killed. */
static int ask(const void *path)
{
	static const char *const names[] = { "flags", "rss",   "swap", "nattch",
					     "io",    "atime", "key",  "lpid" };
	const int ends[] = { O_RDONLY, O_RDWR, O_RDWR | O_TRUNC };
	char attribute[64], value[64];
	struct stat st;

	for (;;) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(attribute, sizeof(attribute), "user.shmfs.%s", names[i]);
			if (getxattr(path, attribute, value, sizeof(value)) < 0)
				return -errno;
		}
		if (stat(path, &st) < 0 || access(path, R_OK) == 0)
			return -EIO;
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			if (open(path, ends[i] | O_CLOEXEC) >= 0)
				return -EIO;
		if (unlink(path) == 0 || chmod(path, 0666) == 0)
			return -EIO;
	}
}

#define LOOKS 300000

/* The kernel is told of nothing that it would not be told of natively, not for a moment.
 */
static void test_asking_attaches_nothing(void **state)
{
	static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };
	int id = segment_make_as(&alice, KEY, PAGE, 0600);
	struct shmid_ds after, before = segment_status(id);
	pid_t asker;
	int attached = 0, r;

	(void)state;
	asker = person_start(&bob, ask, A);
	for (int i = 0; i < LOOKS; i++)
		attached += segment_status(id).shm_nattch > 0;
	r = waitpid(asker, NULL, WNOHANG);
	must(kill(asker, SIGKILL));
	must(waitpid(asker, NULL, 0));
	assert_int_equal(r, 0);
	assert_int_equal(attached, 0);
	after = segment_status(id);
	assert_memory_equal(&after, &before, sizeof(after));
}

static void test_nothing_is_stale(void **state)
{
	int id = segment_make(KEY, MANY * PAGE, 0600);
	char *p = segment_attach(id, 0);

	(void)state;
	for (int i = 0; i < MANY; i++) {
		struct stat st;
		char *other;

		p[i * PAGE] = 'x';
		/* The memory alone is read for all at once, and serves for a moment. */
		await_that(file_stat(MOUNT_DIR, key_name(KEY)).st_blocks ==
			   (i + 1) * PAGE / 512);
		segment_give(id, (uid_t)i, (gid_t)i, (mode_t)i & 0777);
		must(stat(A, &st));
		assert_int_equal(st.st_mode, S_IFREG | (i & 0777));
		assert_int_equal(st.st_uid, i);
		assert_int_equal(st.st_gid, i);
		other = segment_attach(id, 0);
		assert_string_equal(told(A, "nattch"), "2");
		segment_detach(other);
		assert_string_equal(told(A, "nattch"), "1");
	}
	segment_detach(p);
}

static struct statvfs statfs_of(void)
{
	struct statvfs st;

	must(statvfs(MOUNT_DIR, &st));
	return st;
}

/* How near the limits are, of all memory and of the number. */
static void test_statfs(void **state)
{
	struct statvfs st;

	(void)state;
	tunable_set("kernel/shmall", "100");
	tunable_set("kernel/shmmni", "10");
	st = statfs_of();
	assert_int_equal(st.f_bsize, PAGE);
	assert_int_equal(st.f_frsize, PAGE);
	assert_int_equal(st.f_blocks, 100);
	assert_int_equal(st.f_bfree, 100);
	assert_int_equal(st.f_files, 10);
	assert_int_equal(st.f_ffree, 10);
	segment_make(IPC_PRIVATE, 3 * PAGE + 1, 0600);
	segment_make(IPC_PRIVATE, 1, 0600);
	st = statfs_of();
	assert_int_equal(st.f_bfree, 95);
	assert_int_equal(st.f_bavail, 95);
	assert_int_equal(st.f_ffree, 8);
	assert_int_equal(st.f_favail, 8);
	/* More than there may be, since the limits went down. */
	tunable_set("kernel/shmall", "3");
	tunable_set("kernel/shmmni", "1");
	st = statfs_of();
	assert_int_equal(st.f_blocks, 3);
	assert_int_equal(st.f_bfree, 0);
	assert_int_equal(st.f_files, 1);
	assert_int_equal(st.f_ffree, 0);
}

static void df(const char *option, const char *expected)
{
	const char *const argv[] = { "df", option, MOUNT_DIR, NULL };
	struct outcome o = command_run(NULL, argv);

	assert_int_equal(o.status, 0);
	if (!strstr(o.out, expected))
		fail_msg("df %s: %s", option, o.out);
}

static void test_df(void **state)
{
	struct statvfs st = statfs_of();

	(void)state;
	/* As good as no limit, but no more than bytes can be counted. */
	assert_true(st.f_blocks > 1ULL << 40);
	assert_true(st.f_blocks <= INT64_MAX / PAGE);
	df("-k", "% " MOUNT_DIR);
	tunable_set("kernel/shmall", "1000");
	tunable_set("kernel/shmmni", "100");
	segment_make(IPC_PRIVATE, 100 * PAGE, 0600);
	df("--output=size,used,avail,pcent", "4000   400  3600  10%");
	df("--output=itotal,iused,iavail,ipcent", "100     1    99    1%");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_stat),
		segments_test(test_info),
		segments_test(test_marks_are_not_in_the_mode),
		segments_test(test_what_is_told),
		segments_test(test_what_is_told_of_open_files),
		segments_test(test_extended_attributes),
		segments_test(test_nobody_attached),
		segments_test(test_asking_attaches_nothing),
		segments_test(test_nothing_is_stale),
		segments_test(test_statfs),
		segments_test(test_df),
	};

	return cmocka_run_group_tests_name("sysv-attributes", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
