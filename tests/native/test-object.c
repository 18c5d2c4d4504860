/* SPDX-License-Identifier: MIT */
/* What include/shmfs/object.h promises, refusals first among it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <shmfs/object.h>

#include "fixture.h"

static struct shmfs_object *must_open(const char *name, enum shmfs_how how,
				      enum shmfs_mode mode, uint32_t perm)
{
	struct shmfs_object *object = NULL;

	assert_int_equal(shmfs_object_open(name, how, mode, perm, &object), 0);
	assert_non_null(object);
	return object;
}

static struct shmfs_object *must_create(const char *name)
{
	return must_open(name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, SHMFS_PERM_DEFAULT);
}

/* The refusal @expected, that leaves the caller's pointer alone. */
static void refused(int expected, const char *name, enum shmfs_how how,
		    enum shmfs_mode mode, uint32_t perm)
{
	struct shmfs_object *object = (struct shmfs_object *)&object;

	assert_int_equal(shmfs_object_open(name, how, mode, perm, &object), expected);
	assert_ptr_equal(object, (struct shmfs_object *)&object);
}

static struct stat stat_of(const struct shmfs_object *object)
{
	struct stat st;

	assert_int_equal(fstat(shmfs_object_fd(object), &st), 0);
	return st;
}

static uint64_t size_of(const struct shmfs_object *object)
{
	uint64_t size;

	assert_int_equal(shmfs_object_size(object, &size), 0);
	return size;
}

static void test_create_only(void **state)
{
	struct shmfs_object *object;

	(void)state;
	object = must_create("x");
	assert_int_equal(size_of(object), 0);
	assert_string_equal(shmfs_object_name(object), "x");
	assert_int_equal(shmfs_object_mode(object), SHMFS_READ_WRITE);
	assert_int_equal(fcntl(shmfs_object_fd(object), F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(fcntl(shmfs_object_fd(object), F_GETFD), FD_CLOEXEC);
	refused(-EEXIST, "x", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, SHMFS_PERM_DEFAULT);
	refused(-EEXIST, "/x", SHMFS_CREATE_ONLY, SHMFS_READ_ONLY, SHMFS_PERM_DEFAULT);
	assert_null(shmfs_object_close(object));
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_open_only(void **state)
{
	struct shmfs_object *a, *b;

	(void)state;
	refused(-ENOENT, "x", SHMFS_OPEN_ONLY, SHMFS_READ_WRITE, 0);
	a = must_create("x");
	b = must_open("/x", SHMFS_OPEN_ONLY, SHMFS_READ_ONLY, 07777);
	assert_int_equal(stat_of(a).st_ino, stat_of(b).st_ino);
	assert_string_equal(shmfs_object_name(b), "x");
	assert_int_equal(shmfs_object_mode(b), SHMFS_READ_ONLY);
	assert_int_equal(fcntl(shmfs_object_fd(b), F_GETFL) & O_ACCMODE, O_RDONLY);
	shmfs_object_close(a);
	shmfs_object_close(b);
	assert_int_equal(shmfs_object_remove("///x"), 0);
}

static void test_open_or_create(void **state)
{
	struct shmfs_object *a, *b;

	(void)state;
	a = must_open("x", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0600);
	assert_int_equal(shmfs_object_truncate(a, 5000), 0);
	b = must_open("x", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0666);
	assert_int_equal(stat_of(a).st_ino, stat_of(b).st_ino);
	assert_int_equal(size_of(b), 5000);
	/* It was there: its permissions are its creator's. */
	assert_int_equal(stat_of(b).st_mode, S_IFREG | 0600);
	shmfs_object_close(a);
	shmfs_object_close(b);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_names(void **state)
{
	static const char *const table[] = {
		NULL, "", "/", ".", "..", "/..", "a/b", "a/"
	};
	struct shmfs_object *object;
	char name[1 + 256 + 1] = "/";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		refused(-EINVAL, table[i], SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0644);
		assert_int_equal(shmfs_object_remove(table[i]), -EINVAL);
	}
	memset(name + 1, 'x', 255);
	object = must_create(name);
	assert_string_equal(shmfs_object_name(object), name + 1);
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove(name), 0);
	name[1 + 255] = 'x';
	refused(-ENAMETOOLONG, name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0644);
	assert_int_equal(shmfs_object_remove(name), -ENAMETOOLONG);
}

static void test_arguments(void **state)
{
	(void)state;
	refused(-EINVAL, "x", (enum shmfs_how)3, SHMFS_READ_WRITE, 0644);
	refused(-EINVAL, "x", SHMFS_CREATE_ONLY, SHMFS_COPY_ON_WRITE, 0644);
	refused(-EINVAL, "x", SHMFS_CREATE_ONLY, SHMFS_READ_PRIVATE, 0644);
	refused(-EINVAL, "x", SHMFS_CREATE_ONLY, (enum shmfs_mode)4, 0644);
	refused(-EINVAL, "x", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 04644);
	refused(-EINVAL, "x", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 01000);
	assert_int_equal(shmfs_object_open("x", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0,
					   NULL),
			 -EINVAL);
	assert_null(shmfs_object_close(NULL));
}

static void created_with(enum shmfs_mode mode, mode_t mask, uint32_t perm)
{
	struct shmfs_object *object;
	mode_t before = umask(mask);

	object = must_open("x", SHMFS_OPEN_OR_CREATE, mode, perm);
	umask(before);
	assert_int_equal(stat_of(object).st_mode, S_IFREG | perm);
	assert_int_equal(stat_of(object).st_nlink, 1);
	assert_int_equal(stat_of(object).st_uid, geteuid());
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static int permissions(void *data)
{
	static const uint32_t perms[] = {
		SHMFS_PERM_DEFAULT, SHMFS_PERM_UNRESTRICTED, 0600, 0777, 0, 0007
	};
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	size_t i, j;

	(void)data;
	for (i = 0; i < sizeof(perms) / sizeof(*perms); i++)
		for (j = 0; j < sizeof(masks) / sizeof(*masks); j++) {
			created_with(SHMFS_READ_WRITE, masks[j], perms[i]);
			created_with(SHMFS_READ_ONLY, masks[j], perms[i]);
		}
	return 0;
}

static void test_permissions(void **state)
{
	(void)state;
	permissions(NULL);
}

/* The second way of creation, which is for where there is no /proc. */
static int permissions_without_proc(void *data)
{
	sandbox_tmpfs("/proc", NULL);
	return permissions(data);
}

static void test_permissions_without_proc(void **state)
{
	int r;

	(void)state;
	r = fixture_child(permissions_without_proc, NULL);
	umount2("/proc", MNT_DETACH);
	assert_int_equal(r, 0);
}

static void test_truncate(void **state)
{
	struct shmfs_object *object;
	char byte = 'x';

	(void)state;
	object = must_create("x");
	assert_int_equal(shmfs_object_truncate(object, 10000), 0);
	assert_int_equal(size_of(object), 10000);
	assert_int_equal(pwrite(shmfs_object_fd(object), &byte, 1, 9999), 1);
	assert_int_equal(shmfs_object_truncate(object, 9999), 0);
	assert_int_equal(shmfs_object_truncate(object, 1ULL << 40), 0);
	assert_int_equal(size_of(object), 1ULL << 40);
	assert_int_equal(pread(shmfs_object_fd(object), &byte, 1, 9999), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(shmfs_object_truncate(object, 1ULL << 63), -EFBIG);
	assert_int_equal(shmfs_object_truncate(object, UINT64_MAX), -EFBIG);
	assert_int_equal(size_of(object), 1ULL << 40);
	assert_int_equal(shmfs_object_truncate(object, 0), 0);
	assert_int_equal(size_of(object), 0);
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_read_only(void **state)
{
	struct shmfs_object *rw, *ro;

	(void)state;
	rw = must_create("x");
	assert_int_equal(shmfs_object_truncate(rw, 100), 0);
	ro = must_open("x", SHMFS_OPEN_ONLY, SHMFS_READ_ONLY, 0);
	assert_int_equal(shmfs_object_truncate(ro, 200), -EBADF);
	assert_int_equal(shmfs_object_truncate(ro, 100), -EBADF);
	assert_int_equal(shmfs_object_truncate(ro, UINT64_MAX), -EBADF);
	assert_int_equal(shmfs_object_reserve(ro, 100), -EBADF);
	assert_int_equal(size_of(ro), 100);
	shmfs_object_close(rw);
	shmfs_object_close(ro);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_reserve(void **state)
{
	struct shmfs_object *object;
	char byte = 'x';

	(void)state;
	object = must_create("x");
	assert_int_equal(shmfs_object_reserve(object, 0), -EINVAL);
	assert_int_equal(shmfs_object_reserve(object, 1ULL << 63), -EFBIG);
	assert_int_equal(size_of(object), 0);
	assert_int_equal(shmfs_object_reserve(object, 10000), 0);
	assert_int_equal(size_of(object), 10000);
	assert_true(stat_of(object).st_blocks * 512 >= 10000);
	assert_int_equal(pwrite(shmfs_object_fd(object), &byte, 1, 5000), 1);
	assert_int_equal(shmfs_object_reserve(object, 100), 0);
	assert_int_equal(size_of(object), 10000);
	byte = 0;
	assert_int_equal(pread(shmfs_object_fd(object), &byte, 1, 5000), 1);
	assert_int_equal(byte, 'x');
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_full(void **state)
{
	struct shmfs_object *object;
	struct stat before;
	char byte = 0;

	(void)state;
	sandbox_tmpfs("/dev/shm", "mode=1777,size=1m");
	object = must_create("x");
	assert_int_equal(shmfs_object_reserve(object, 300000), 0);
	assert_int_equal(pwrite(shmfs_object_fd(object), "x", 1, 299999), 1);
	before = stat_of(object);
	assert_int_equal(shmfs_object_reserve(object, 2000000), -ENOSPC);
	assert_int_equal(shmfs_object_reserve(object, 1ULL << 40), -ENOSPC);
	assert_int_equal(stat_of(object).st_size, before.st_size);
	assert_int_equal(stat_of(object).st_blocks, before.st_blocks);
	assert_int_equal(pread(shmfs_object_fd(object), &byte, 1, 299999), 1);
	assert_int_equal(byte, 'x');
	/* A hole needs no memory, only its reservation does. */
	assert_int_equal(shmfs_object_truncate(object, 1ULL << 40), 0);
	assert_int_equal(shmfs_object_reserve(object, 2000000), -ENOSPC);
	assert_int_equal(stat_of(object).st_blocks, before.st_blocks);
	assert_int_equal(size_of(object), 1ULL << 40);
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
	assert_int_equal(umount2("/dev/shm", 0), 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Signals come faster than the allocation could be done between two of them. */
static void test_reserve_among_signals(void **state)
{
	const struct itimerval often = { { 0, 500 }, { 0, 500 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = on_alarm };
	struct shmfs_object *object;
	sigset_t mask;
	int r;

	(void)state;
	object = must_create("x");
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	r = shmfs_object_reserve(object, 64 << 20);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	/* The last one may be under way still. */
	assert_true(signal(SIGALRM, SIG_IGN) != SIG_ERR);
	assert_int_equal(r, 0);
	assert_int_equal(size_of(object), 64 << 20);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	assert_int_equal(sigismember(&mask, SIGALRM), 0);
	shmfs_object_close(object);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void test_remove(void **state)
{
	struct shmfs_object *old, *new;
	char byte = 0;

	(void)state;
	assert_int_equal(shmfs_object_remove("x"), -ENOENT);
	old = must_create("x");
	assert_int_equal(shmfs_object_remove("x"), 0);
	assert_int_equal(shmfs_object_remove("x"), -ENOENT);
	new = must_create("x");
	assert_int_not_equal(stat_of(old).st_ino, stat_of(new).st_ino);
	assert_int_equal(shmfs_object_truncate(old, 100), 0);
	assert_int_equal(pwrite(shmfs_object_fd(old), "x", 1, 99), 1);
	assert_int_equal(pread(shmfs_object_fd(old), &byte, 1, 99), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(size_of(new), 0);
	assert_string_equal(shmfs_object_name(old), "x");
	shmfs_object_close(old);
	shmfs_object_close(new);
	assert_int_equal(shmfs_object_remove("x"), 0);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void not_an_object(const char *name, int expected)
{
	struct stat st;
	char path[64];

	refused(expected, name, SHMFS_OPEN_ONLY, SHMFS_READ_ONLY, 0);
	refused(expected, name, SHMFS_OPEN_ONLY, SHMFS_READ_WRITE, 0);
	refused(expected, name, SHMFS_OPEN_OR_CREATE, SHMFS_READ_ONLY, 0);
	refused(expected, name, SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0);
	refused(-EEXIST, name, SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0);
	assert_int_equal(shmfs_object_remove(name), expected);
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(remove(path), 0);
}

/* Opening one must not wait either: a FIFO has no other end here. */
static void test_not_objects(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/passwd", "/dev/shm/link"), 0);
	not_an_object("link", -ELOOP);
	assert_int_equal(symlink("nowhere", "/dev/shm/dangling"), 0);
	not_an_object("dangling", -ELOOP);
	assert_int_equal(mkdir("/dev/shm/directory", 0755), 0);
	not_an_object("directory", -EISDIR);
	assert_int_equal(mkfifo("/dev/shm/fifo", 0644), 0);
	not_an_object("fifo", -ENXIO);
	make_socket("/dev/shm/socket");
	not_an_object("socket", -ENXIO);
}

static int other_user(void *data)
{
	(void)data;
	if (setuid(65534) < 0)
		return 77;
	refused(-EACCES, "x", SHMFS_OPEN_ONLY, SHMFS_READ_WRITE, 0);
	refused(-EACCES, "x", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0666);
	refused(-EEXIST, "x", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE, 0666);
	shmfs_object_close(must_open("x", SHMFS_OPEN_ONLY, SHMFS_READ_ONLY, 0));
	/* Also where fs.protected_regular forbids O_CREAT on it. */
	shmfs_object_close(must_open("y", SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE, 0));
	assert_int_equal(shmfs_object_remove("x"), -EACCES);
	return 0;
}

static void test_other_user(void **state)
{
	int r;

	(void)state;
	shmfs_object_close(must_create("x"));
	shmfs_object_close(must_open("y", SHMFS_CREATE_ONLY, SHMFS_READ_WRITE,
				     SHMFS_PERM_UNRESTRICTED));
	r = fixture_child(other_user, NULL);
	assert_int_equal(shmfs_object_remove("x"), 0);
	assert_int_equal(shmfs_object_remove("y"), 0);
	if (r == 77)
		skip(); /* a user namespace of one user */
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_create_only),
		fixture_test(test_open_only),
		fixture_test(test_open_or_create),
		fixture_test(test_names),
		fixture_test(test_arguments),
		fixture_test(test_permissions),
		fixture_test(test_permissions_without_proc),
		fixture_test(test_truncate),
		fixture_test(test_read_only),
		fixture_test(test_reserve),
		fixture_test(test_full),
		fixture_test(test_reserve_among_signals),
		fixture_test(test_remove),
		fixture_test(test_not_objects),
		fixture_test(test_other_user),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("object", tests, NULL, NULL) != 0;
}
