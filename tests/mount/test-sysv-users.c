/* SPDX-License-Identifier: MIT */
/*
 * Who may do what with a segment is for the native kernel to say: the owner, the creator,
 * the members of the groups of both. So each act of each person on segments of each mode
 * is done natively on one and through the mount on another, and must come to the same:
 * the result, and what is left of the segment.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "segments.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KEY           0x1234
#define OWNER         1000
#define GROUP         2000
#define CREATOR       1500
#define CREATOR_GROUP 2500

static const struct person creator = { .name = "creator",
				       .uid = CREATOR,
				       .gid = CREATOR_GROUP };

static const struct person people[] = {
	{ .name = "root" },
	{ .name = "owner", .uid = OWNER, .gid = 1000 },
	{ .name = "owner in the group", .uid = OWNER, .gid = GROUP },
	{ .name = "creator", .uid = CREATOR, .gid = 1001 },
	{ .name = "member", .uid = 1001, .gid = GROUP },
	{ .name = "member by the way",
	  .uid = 1002,
	  .gid = 1002,
	  .group_count = 3,
	  .groups = { 1, GROUP, 3000 } },
	{ .name = "member of the creator's", .uid = 1003, .gid = CREATOR_GROUP },
	{ .name = "member of the creator's by the way",
	  .uid = 1004,
	  .gid = 1004,
	  .group_count = 2,
	  .groups = { 1, CREATOR_GROUP } },
	{ .name = "stranger",
	  .uid = 1005,
	  .gid = 1005,
	  .group_count = 1,
	  .groups = { 2001 } },
};

/* The size of the program that the segments hold, so that they can be executed. */
static size_t size;

static int attach(const void *id, int flags)
{
	return shmat(*(const int *)id, NULL, flags) == (void *)-1 ? -errno : 0;
}

static int native_read(const void *id)
{
	return attach(id, SHM_RDONLY);
}

static int native_write(const void *id)
{
	return attach(id, 0);
}

static int native_execute(const void *id)
{
	return attach(id, SHM_RDONLY | SHM_EXEC);
}

/* A program's file must be one for somebody, by the rule of the file systems. */
static int native_run(const void *id)
{
	struct shmid_ds ds = segment_status(*(const int *)id);
	int r = attach(id, SHM_RDONLY | SHM_EXEC);

	return ds.shm_perm.mode & 0111 ? r : -EACCES;
}

static int native_anything(const void *id)
{
	(void)id;
	return 0;
}

static int native_set(const void *id, uid_t uid, gid_t gid, int mode)
{
	struct shmid_ds ds = segment_status(*(const int *)id);

	if (uid != (uid_t)-1)
		ds.shm_perm.uid = uid;
	if (gid != (gid_t)-1)
		ds.shm_perm.gid = gid;
	if (mode >= 0)
		ds.shm_perm.mode = (unsigned short)mode;
	return errno_or(shmctl(*(const int *)id, IPC_SET, &ds));
}

static int native_chmod(const void *id)
{
	return native_set(id, (uid_t)-1, (gid_t)-1, 0751);
}

static int native_chown_self(const void *id)
{
	return native_set(id, getuid(), (gid_t)-1, -1);
}

static int native_chown_away(const void *id)
{
	return native_set(id, 77, (gid_t)-1, -1);
}

static int native_chgrp_own(const void *id)
{
	return native_set(id, (uid_t)-1, getgid(), -1);
}

static int native_chgrp_away(const void *id)
{
	return native_set(id, (uid_t)-1, 77, -1);
}

static int native_remove(const void *id)
{
	return errno_or(shmctl(*(const int *)id, IPC_RMID, NULL));
}

static const char *path_of(const void *id)
{
	return id_path(*(const int *)id);
}

#define MOUNTED(name, expr)                               \
	static int mounted_##name(const void *id)         \
	{                                                 \
		return errno_or((expr)) < 0 ? -errno : 0; \
	}

MOUNTED(stat, stat(path_of(id), &(struct stat){ 0 }))
MOUNTED(exists, access(path_of(id), F_OK))
MOUNTED(access_read, access(path_of(id), R_OK))
MOUNTED(access_write, access(path_of(id), W_OK))
MOUNTED(access_execute, access(path_of(id), R_OK | X_OK))
MOUNTED(truncate, truncate(path_of(id), (off_t)size))
MOUNTED(chmod, chmod(path_of(id), 0751))
MOUNTED(chown_self, chown(path_of(id), getuid(), (gid_t)-1))
MOUNTED(chown_away, chown(path_of(id), 77, (gid_t)-1))
MOUNTED(chgrp_own, chown(path_of(id), (uid_t)-1, getgid()))
MOUNTED(chgrp_away, chown(path_of(id), (uid_t)-1, 77))
MOUNTED(unlink, unlink(path_of(id)))

/* Not where that would be allowed only to a writer. */
static int is_protected(int fd)
{
	char *p;

	if (!mount_passthrough())
		return 0;
	if (mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
		return -ERANGE;
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	return mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0 ? -ERANGE : 0;
}

static int mounted_read(const void *id)
{
	int fd = open(path_of(id), O_RDONLY | O_CLOEXEC);
	char c;

	if (fd < 0 || pread(fd, &c, 1, 1) < 0)
		return -errno;
	return c == 'E' ? is_protected(fd) : -ERANGE;
}

static int mounted_write(const void *id)
{
	int fd = open(path_of(id), O_RDWR | O_CLOEXEC);
	char *p;

	if (fd < 0 || pwrite(fd, "E", 1, 1) < 0)
		return -errno;
	if (!mount_passthrough())
		return 0;
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || mprotect(p, PAGE, PROT_READ | PROT_WRITE) < 0)
		return -errno;
	p[1] = 'E';
	return 0;
}

static int opened(const void *id, int flags)
{
	return open(path_of(id), flags | O_CLOEXEC, 0600) < 0 ? -errno : 0;
}

static int mounted_write_only(const void *id)
{
	return opened(id, O_WRONLY | O_APPEND);
}

static int mounted_read_truncating(const void *id)
{
	return opened(id, O_RDONLY | O_TRUNC);
}

static int mounted_open_or_create(const void *id)
{
	return opened(id, O_RDWR | O_CREAT);
}

static int mounted_path(const void *id)
{
	return opened(id, O_PATH);
}

static int mounted_execute(const void *id)
{
	char *const argv[] = { (char *)"true", NULL };

	execv(path_of(id), argv);
	return -errno;
}

/* What may take the segment away comes last. */
static const struct act {
	const char *name;
	int (*native)(const void *id);
	int (*mounted)(const void *id);
} acts[] = {
	{ "stat", native_anything, mounted_stat },
	{ "exists", native_anything, mounted_exists },
	{ "path", native_anything, mounted_path },
	{ "read", native_read, mounted_read },
	{ "write", native_write, mounted_write },
	{ "write only", native_write, mounted_write_only },
	{ "read, truncating", native_write, mounted_read_truncating },
	{ "open or create", native_write, mounted_open_or_create },
	{ "truncate", native_write, mounted_truncate },
	{ "execute", native_run, mounted_execute },
	{ "access: read", native_read, mounted_access_read },
	{ "access: write", native_write, mounted_access_write },
	{ "access: execute", native_execute, mounted_access_execute },
	{ "chmod", native_chmod, mounted_chmod },
	{ "chown to oneself", native_chown_self, mounted_chown_self },
	{ "chown to another", native_chown_away, mounted_chown_away },
	{ "chgrp to one's own", native_chgrp_own, mounted_chgrp_own },
	{ "chgrp to another", native_chgrp_away, mounted_chgrp_away },
	{ "remove", native_remove, mounted_unlink },
};

static char *program;

static void read_program(void)
{
	_cleanup_close_ int fd = must(open("/bin/true", O_RDONLY | O_CLOEXEC));

	size = (size_t)fd_stat(fd).st_size;
	program = malloc(size);
	assert_non_null(program);
	assert_int_equal(must(read(fd, program, size)), size);
}

static int make(void)
{
	int id = segment_make_as(&creator, IPC_PRIVATE, size, 0600);
	char *p = segment_attach(id, 0);

	memcpy(p, program, size);
	segment_detach(p);
	return id;
}

static bool left_alike(int a, int b)
{
	struct shmid_ds x, y;

	/* Removed through the mount, it goes with the last release. */
	if (!segment_exists(a)) {
		await_that(!segment_exists(b));
		return true;
	}
	x = segment_status(a);
	y = segment_status(b);
	return x.shm_perm.mode == y.shm_perm.mode && x.shm_perm.uid == y.shm_perm.uid &&
	       x.shm_perm.gid == y.shm_perm.gid && x.shm_perm.cuid == y.shm_perm.cuid &&
	       x.shm_perm.cgid == y.shm_perm.cgid && x.shm_segsz == y.shm_segsz;
}

static void compare(const struct person *who, const struct act *act, mode_t mode,
		    const int ids[2])
{
	int expected, found;

	for (int i = 0; i < 2; i++)
		segment_give(ids[i], OWNER, GROUP, mode);
	expected = person_do(who, act->native, &ids[0]);
	found = person_do(who, act->mounted, &ids[1]);
	if (found != expected)
		fail_msg("%s with mode %o by %s: %s, not %s", act->name, mode, who->name,
			 strerror(-found), strerror(-expected));
	if (!left_alike(ids[0], ids[1]))
		fail_msg("%s with mode %o by %s left another segment", act->name, mode,
			 who->name);
}

static void compare_all(const mode_t *modes, size_t n)
{
	person_needs_root();
	read_program();
	for (size_t m = 0; m < n; m++)
		for (size_t p = 0; p < COUNT(people); p++) {
			const int ids[2] = { make(), make() };

			for (size_t a = 0; a < COUNT(acts); a++)
				compare(&people[p], &acts[a], modes[m], ids);
			if (segment_exists(ids[0]))
				segment_remove(ids[0]);
			if (segment_exists(ids[1]))
				segment_remove(ids[1]);
		}
	free(program);
}

static void test_one_class(void **state)
{
	static const mode_t modes[] = { 0400, 0200, 0100, 0600, 0500, 0700,
					0040, 0020, 0010, 0060, 0050, 0070,
					0004, 0002, 0001, 0006, 0005, 0007 };

	(void)state;
	compare_all(modes, COUNT(modes));
}

/* Some deny to a nearer class what they grant to a farther one. */
static void test_several_classes(void **state)
{
	static const mode_t modes[] = { 0000, 0644, 0640, 0604, 0064, 0666, 0111,
					0711, 0744, 0654, 0447, 0077, 0777 };

	(void)state;
	compare_all(modes, COUNT(modes));
}

static void test_open_file_of_another(void **state)
{
	int id = segment_make_as(&people[1], KEY, PAGE, 0600);
	_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	const int *arg = &id;

	(void)state;
	assert_int_equal(fd_stat(fd).st_uid, OWNER);
	assert_int_equal(segment_nattch(id), 1);
	person_needs_root();
	size = PAGE;
	/* That it is attached here already lets nobody in. */
	assert_int_equal(person_do(&people[8], mounted_write_only, arg), -EACCES);
	assert_int_equal(person_do(&people[8], mounted_read_truncating, arg), -EACCES);
	assert_int_equal(person_do(&people[8], mounted_truncate, arg), -EACCES);
	assert_int_equal(person_do(&people[8], mounted_open_or_create, arg), -EACCES);
	assert_int_equal(person_do(&people[1], mounted_write_only, arg), 0);
	segment_give(id, OWNER, GROUP, 0644);
	assert_int_equal(person_do(&people[8], mounted_write_only, arg), -EACCES);
	assert_int_equal(person_do(&people[8], mounted_path, arg), 0);
}

enum how { BY_FLOCK, BY_FCNTL, BY_OFD };

struct attempt {
	const char *path;
	enum how how;
};

static int take(int fd, enum how how, short type)
{
	struct flock range = { .l_type = type, .l_start = 10, .l_len = 10 };

	if (how == BY_FLOCK)
		return errno_or(flock(fd, type == F_UNLCK ? LOCK_UN : LOCK_EX | LOCK_NB));
	return errno_or(fcntl(fd, how == BY_OFD ? F_OFD_SETLK : F_SETLK, &range));
}

static int try_lock(const void *arg)
{
	const struct attempt *a = arg;
	int fd = open(a->path, O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : take(fd, a->how, F_WRLCK);

	/* The end of a process would give it back a moment later. */
	if (r == 0)
		r = take(fd, a->how, F_UNLCK);
	return r;
}

static void test_locks(void **state)
{
	static const char *const paths[] = { MOUNT_DIR "/0x00001234", MOUNT_DIR "/id-0" };

	(void)state;
	person_needs_root();
	assert_int_equal(segment_make_as(&people[1], KEY, PAGE, 0666), 0);
	for (int i = 0; i < 6; i++) {
		const struct attempt other = { paths[i % 2], (enum how)(i / 2) };
		_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);

		assert_int_equal(take(fd, other.how, F_WRLCK), 0);
		assert_int_equal(person_do(&people[8], try_lock, &other), -EAGAIN);
		assert_int_equal(person_do(&people[1], try_lock, &other), -EAGAIN);
		assert_int_equal(take(fd, other.how, F_UNLCK), 0);
		assert_int_equal(person_do(&people[8], try_lock, &other), 0);
		assert_int_equal(take(fd, other.how, F_WRLCK), 0);
		fd = close_fd(fd);
		await_that(person_do(&people[8], try_lock, &other) == 0);
	}
}

/* Many at once: nobody acts with what the daemon borrowed from another. */
static int act_in_turn(const void *arg)
{
	const struct person *who = arg;
	const char *own = key_path((key_t)who->uid);

	for (int i = 0; i < 200; i++) {
		struct stat st;
		int fd = open(own, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0 || ftruncate(fd, 100) < 0 || fstat(fd, &st) < 0 ||
		    close(fd) < 0)
			return -errno;
		if (st.st_uid != who->uid || st.st_gid != who->gid)
			return -ERANGE;
		if (open(MOUNT_DIR "/0x00001234", O_RDONLY | O_CLOEXEC) >= 0 ||
		    errno != EACCES)
			return -EPERM;
		if (unlink(MOUNT_DIR "/0x00001234") == 0 || unlink(own) < 0)
			return -EPERM;
	}
	return 0;
}

static void test_people_at_once(void **state)
{
	pid_t pids[COUNT(people)];

	(void)state;
	person_needs_root();
	segment_make(KEY, PAGE, 0600);
	for (size_t i = 4; i < COUNT(people); i++) {
		pids[i] = must(fork());
		if (pids[i] == 0)
			_exit(person_do(&people[i], act_in_turn, &people[i]) ? 1 : 0);
	}
	for (int i = 0; i < 200; i++)
		close(file_open(MOUNT_DIR, key_name(KEY), O_RDWR));
	for (size_t i = 4; i < COUNT(people); i++) {
		int status = -1;

		assert_int_equal(must(waitpid(pids[i], &status, 0)), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(segments_count(), 1);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_one_class),
		segments_test(test_several_classes),
		segments_test(test_open_file_of_another),
		segments_test(test_locks),
		segments_test(test_people_at_once),
	};

	return cmocka_run_group_tests_name("sysv-users", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(300, run);
}
