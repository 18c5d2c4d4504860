/* SPDX-License-Identifier: MIT */
/* System V segments: what creates, finds, changes and removes them, and what is refused.
 */
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "segment-fixture.h"

#define THREADS 4
#define ROUNDS  1000
#define MANY    100

static struct shmfs_sysv *must_open(int32_t key, enum shmfs_how how, uint64_t size,
				    uint32_t perm)
{
	struct shmfs_sysv *sysv = NULL;

	assert_int_equal(shmfs_sysv_open(key, how, size, perm, &sysv), 0);
	assert_non_null(sysv);
	return sysv;
}

/* The refusal @expected, that leaves the caller's pointer and the segments alone. */
static void refused(int expected, int32_t key, enum shmfs_how how, uint64_t size,
		    uint32_t perm)
{
	struct shmfs_sysv *sysv = (struct shmfs_sysv *)&sysv;
	int before = sysv_count();

	assert_int_equal(shmfs_sysv_open(key, how, size, perm, &sysv), expected);
	assert_ptr_equal(sysv, (struct shmfs_sysv *)&sysv);
	assert_int_equal(sysv_count(), before);
}

static void refused_id(int expected, int id)
{
	struct shmfs_sysv *sysv = (struct shmfs_sysv *)&sysv;

	assert_int_equal(shmfs_sysv_open_id(id, &sysv), expected);
	assert_ptr_equal(sysv, (struct shmfs_sysv *)&sysv);
}

/* Opens what has been created before as @sysv, and finds the same segment. */
static void opens(const struct shmfs_sysv *sysv, int32_t key, enum shmfs_how how,
		  uint64_t size)
{
	struct shmfs_sysv *opened = must_open(key, how, size, 0600);

	assert_int_equal(shmfs_sysv_id(opened), shmfs_sysv_id(sysv));
	assert_int_equal(shmfs_sysv_key_of(opened), key);
	assert_int_equal(shmfs_sysv_size(opened), shmfs_sysv_size(sysv));
	assert_null(shmfs_sysv_close(opened));
}

static void no_key(int expected, const char *path)
{
	int32_t key = 77;

	assert_int_equal(shmfs_sysv_key(path, 1, &key), expected);
	assert_int_equal(key, 77);
}

static void test_key(void **state)
{
	static const int ids[] = { 0, 1, 'x', 128, 255 };
	int32_t key, other;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		assert_int_equal(shmfs_sysv_key("/dev/null", (uint8_t)ids[i], &key), 0);
		assert_int_equal(key, ftok("/dev/null", ids[i]));
	}
	assert_int_equal(shmfs_sysv_key("/dev/zero", 255, &other), 0);
	assert_int_not_equal(key, other);
	assert_int_equal(symlink("/dev/null", "/dev/shm/link"), 0);
	assert_int_equal(shmfs_sysv_key("/dev/shm/link", 255, &other), 0);
	assert_int_equal(key, other);
	assert_int_equal(unlink("/dev/shm/link"), 0);
	assert_int_equal(symlink("loop", "/dev/shm/loop"), 0);
	no_key(-ELOOP, "/dev/shm/loop");
	assert_int_equal(unlink("/dev/shm/loop"), 0);
	no_key(-EINVAL, NULL);
	no_key(-ENOENT, "");
	no_key(-ENOENT, "/dev/shm/nothing");
	no_key(-ENOTDIR, "/dev/null/x");
}

static void test_create_only(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 5000);
	struct shmid_ds ds = sysv_stat(shmfs_sysv_id(sysv));

	(void)state;
	assert_int_equal(shmfs_sysv_key_of(sysv), KEY);
	assert_int_equal(shmfs_sysv_size(sysv), 5000);
	assert_int_equal(ds.shm_segsz, 5000);
	assert_int_equal(ds.shm_perm.__key, KEY);
	assert_int_equal(ds.shm_perm.uid, geteuid());
	/* To open it is no attachment. */
	assert_int_equal(ds.shm_nattch, 0);
	assert_int_equal(ds.shm_atime, 0);
	refused(-EEXIST, KEY, SHMFS_CREATE_ONLY, 5000, 0600);
	refused(-EEXIST, KEY, SHMFS_CREATE_ONLY, 1, 0600);
	sysv_drop(sysv);
	/* The key is free again, and any number is a key. */
	sysv_drop(sysv_create(KEY, 1));
	sysv_drop(sysv_create(-1, 1));
	sysv_drop(sysv_create(INT32_MIN, 1));
	assert_null(shmfs_sysv_close(NULL));
}

static void test_open_only(void **state)
{
	struct shmfs_sysv *sysv;

	(void)state;
	refused(-ENOENT, KEY, SHMFS_OPEN_ONLY, 0, 0);
	refused(-ENOENT, KEY, SHMFS_OPEN_ONLY, 5000, 0);
	sysv = sysv_create(KEY, 5000);
	opens(sysv, KEY, SHMFS_OPEN_ONLY, 0);
	opens(sysv, KEY, SHMFS_OPEN_ONLY, 1);
	opens(sysv, KEY, SHMFS_OPEN_ONLY, 5000);
	refused(-EINVAL, KEY, SHMFS_OPEN_ONLY, 5001, 0);
	refused(-ENOENT, KEY + 1, SHMFS_OPEN_ONLY, 0, 0);
	/* The permissions are not looked at. */
	assert_null(shmfs_sysv_close(must_open(KEY, SHMFS_OPEN_ONLY, 0, UINT32_MAX)));
	sysv_drop(sysv);
	refused(-ENOENT, KEY, SHMFS_OPEN_ONLY, 0, 0);
}

static void test_open_or_create(void **state)
{
	struct shmfs_sysv *sysv;

	(void)state;
	refused(-EINVAL, KEY, SHMFS_OPEN_OR_CREATE, 0, 0600);
	sysv = must_open(KEY, SHMFS_OPEN_OR_CREATE, 5000, 0640);
	assert_int_equal(shmfs_sysv_size(sysv), 5000);
	opens(sysv, KEY, SHMFS_OPEN_OR_CREATE, 5000);
	opens(sysv, KEY, SHMFS_OPEN_OR_CREATE, 1);
	opens(sysv, KEY, SHMFS_OPEN_OR_CREATE, 0);
	/* What is there is never replaced, nor does it grow. */
	refused(-EINVAL, KEY, SHMFS_OPEN_OR_CREATE, 5001, 0600);
	opens(sysv, KEY, SHMFS_OPEN_ONLY, 5000);
	assert_int_equal(sysv_stat(shmfs_sysv_id(sysv)).shm_perm.mode, 0640);
	sysv_drop(sysv);
}

static void test_private(void **state)
{
	struct shmfs_sysv *a, *b;

	(void)state;
	a = must_open(SHMFS_SYSV_PRIVATE, SHMFS_CREATE_ONLY, 100, 0600);
	b = must_open(SHMFS_SYSV_PRIVATE, SHMFS_OPEN_OR_CREATE, 100, 0600);
	assert_int_not_equal(shmfs_sysv_id(a), shmfs_sysv_id(b));
	assert_int_equal(shmfs_sysv_key_of(a), SHMFS_SYSV_PRIVATE);
	/* shmget() would create one. */
	refused(-EINVAL, SHMFS_SYSV_PRIVATE, SHMFS_OPEN_ONLY, 100, 0600);
	refused(-EINVAL, SHMFS_SYSV_PRIVATE, SHMFS_OPEN_ONLY, 0, 0600);
	sysv_drop(a);
	sysv_drop(b);
}

static void test_arguments(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 1);

	(void)state;
	refused(-EINVAL, KEY + 1, (enum shmfs_how)3, 1, 0600);
	refused(-EINVAL, KEY + 1, (enum shmfs_how) - 1, 1, 0600);
	refused(-EINVAL, KEY + 1, SHMFS_CREATE_ONLY, 1, 01000);
	refused(-EINVAL, KEY, SHMFS_OPEN_OR_CREATE, 1, 010000);
	refused(-EINVAL, KEY + 1, SHMFS_CREATE_ONLY, 0, 0600);
	refused(-EINVAL, KEY + 1, SHMFS_CREATE_ONLY, UINT64_MAX, 0600);
	refused(-EINVAL, KEY, SHMFS_OPEN_ONLY, UINT64_MAX, 0600);
	assert_int_equal(shmfs_sysv_open(KEY + 1, SHMFS_CREATE_ONLY, 1, 0600, NULL),
			 -EINVAL);
	assert_int_equal(shmfs_sysv_open_id(shmfs_sysv_id(sysv), NULL), -EINVAL);
	assert_int_equal(shmfs_sysv_set_permissions(sysv, 01000), -EINVAL);
	assert_int_equal(sysv_count(), 1);
	sysv_drop(sysv);
}

static void test_open_id(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 5000), *opened;
	struct shmfs_sysv *private = sysv_create(SHMFS_SYSV_PRIVATE, 100);
	int id = shmfs_sysv_id(sysv);

	(void)state;
	assert_int_equal(shmfs_sysv_open_id(id, &opened), 0);
	assert_int_equal(shmfs_sysv_id(opened), id);
	assert_int_equal(shmfs_sysv_key_of(opened), KEY);
	assert_int_equal(shmfs_sysv_size(opened), 5000);
	shmfs_sysv_close(opened);
	assert_int_equal(shmfs_sysv_open_id(shmfs_sysv_id(private), &opened), 0);
	assert_int_equal(shmfs_sysv_key_of(opened), SHMFS_SYSV_PRIVATE);
	assert_int_equal(shmfs_sysv_size(opened), 100);
	shmfs_sysv_close(opened);
	refused_id(-EINVAL, -1);
	/* The same place in the kernel's table, at another time. */
	refused_id(-EINVAL, id + (1 << 24));
	sysv_drop(sysv);
	refused_id(-EINVAL, id);
	sysv_drop(private);
}

static void test_exact_permissions(void **state)
{
	static const uint32_t perms[] = { 0644, 0666, 0600, 0777, 0, 0007, 0200 };
	mode_t before = umask(077);
	struct shmfs_sysv *sysv;
	uint32_t perm;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(perms) / sizeof(*perms); i++) {
		sysv = must_open(KEY, SHMFS_CREATE_ONLY, 1, perms[i]);
		assert_int_equal(sysv_stat(shmfs_sysv_id(sysv)).shm_perm.mode, perms[i]);
		assert_int_equal(shmfs_sysv_permissions(sysv, &perm), 0);
		assert_int_equal(perm, perms[i]);
		sysv_drop(sysv);
	}
	umask(before);
}

static void test_set_permissions(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 1);
	int id = shmfs_sysv_id(sysv);
	uint32_t perm = 0;

	(void)state;
	assert_int_equal(shmctl(id, SHM_LOCK, NULL), 0);
	assert_int_equal(shmfs_sysv_set_permissions(sysv, 0751), 0);
	assert_int_equal(shmfs_sysv_permissions(sysv, &perm), 0);
	assert_int_equal(perm, 0751);
	assert_int_equal(sysv_stat(id).shm_perm.mode, SHM_LOCKED | 0751);
	assert_int_equal(sysv_stat(id).shm_perm.uid, geteuid());
	assert_int_equal(shmfs_sysv_remove(id), 0);
	assert_int_equal(shmfs_sysv_permissions(sysv, &perm), -EINVAL);
	assert_int_equal(perm, 0751);
	assert_int_equal(shmfs_sysv_set_permissions(sysv, 0600), -EINVAL);
	shmfs_sysv_close(sysv);
}

static void test_remove(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 1), *removed;
	int id = shmfs_sysv_id(sysv);
	void *attached = shmat(id, NULL, 0);
	uint32_t perm;

	(void)state;
	assert_int_equal(shmfs_sysv_remove(-1), -EINVAL);
	assert_int_equal(shmfs_sysv_remove(id), 0);
	/* Until it is detached it can be found, but not by its key. */
	refused(-ENOENT, KEY, SHMFS_OPEN_ONLY, 0, 0);
	assert_int_equal(shmfs_sysv_open_id(id, &removed), 0);
	assert_int_equal(shmfs_sysv_key_of(removed), SHMFS_SYSV_PRIVATE);
	assert_int_equal(shmfs_sysv_key_of(sysv), KEY);
	assert_int_equal(shmfs_sysv_permissions(removed, &perm), 0);
	assert_int_equal(perm, SHMFS_PERM_DEFAULT);
	shmfs_sysv_close(removed);
	sysv_drop(sysv_create(KEY, 1));
	assert_int_equal(sysv_count(), 1);
	assert_int_equal(shmdt(attached), 0);
	refused_id(-EINVAL, id);
	assert_int_equal(shmfs_sysv_remove(id), -EINVAL);
	shmfs_sysv_close(sysv);
}

/* With a limit of the namespace at @value, @size bytes more are refused. */
static void limit(const char *path, const char *value, uint64_t size, int expected)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 4096);
	char before[64];

	if (sysv_tune(path, value, before)) {
		refused(expected, KEY + 1, SHMFS_CREATE_ONLY, size, 0600);
		refused(expected, KEY + 1, SHMFS_OPEN_OR_CREATE, size, 0600);
		refused(expected, SHMFS_SYSV_PRIVATE, SHMFS_CREATE_ONLY, size, 0600);
		opens(sysv, KEY, SHMFS_OPEN_OR_CREATE, 4096);
		sysv_untune(path, before);
		sysv_drop(must_open(KEY + 1, SHMFS_OPEN_OR_CREATE, size, 0600));
	} else {
		print_message("%s cannot be written\n", path);
	}
	sysv_drop(sysv);
}

static void test_limits(void **state)
{
	(void)state;
	limit("/proc/sys/kernel/shmmni", "1", 1, -ENOSPC);
	limit("/proc/sys/kernel/shmall", "16", 4096 * 100, -ENOSPC);
	limit("/proc/sys/kernel/shmmax", "4096", 4097, -EINVAL);
}

static int is_secret(int shmid, int32_t key, void *data)
{
	return shmid == shmfs_sysv_id(data) && key == KEY;
}

/* As a real other user, without any group of ours. */
static int other_user(void *data)
{
	const struct shmfs_sysv *secret = data;
	struct shmfs_region *region = NULL;
	struct shmfs_sysv *sysv;
	uint32_t perm;

	if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
		return 77;
	no_key(-EACCES, "/dev/shm/d/x");
	/* To find it needs nothing, all else what the permissions say. */
	opens(secret, KEY, SHMFS_OPEN_ONLY, 0);
	opens(secret, KEY, SHMFS_OPEN_OR_CREATE, 100);
	refused(-EEXIST, KEY, SHMFS_CREATE_ONLY, 100, 0666);
	assert_int_equal(shmfs_sysv_permissions(secret, &perm), 0);
	assert_int_equal(perm, 0600);
	assert_int_equal(shmfs_region_map_sysv(secret, SHMFS_READ_ONLY, NULL, 0, &region),
			 -EACCES);
	assert_int_equal(shmfs_sysv_set_permissions(secret, 0666), -EPERM);
	assert_int_equal(shmfs_sysv_remove(shmfs_sysv_id(secret)), -EPERM);
	assert_int_equal(shmfs_sysv_list(is_secret, (void *)secret), 1);
	/* Of one's own. To take all permissions from oneself is not for ever. */
	sysv = must_open(KEY + 1, SHMFS_CREATE_ONLY, 100, 0);
	opens(sysv, KEY + 1, SHMFS_OPEN_ONLY, 100);
	assert_int_equal(shmfs_region_map_sysv(sysv, SHMFS_READ_ONLY, NULL, 0, &region),
			 -EACCES);
	assert_int_equal(shmfs_sysv_set_permissions(sysv, 0400), 0);
	assert_int_equal(shmfs_region_map_sysv(sysv, SHMFS_READ_WRITE, NULL, 0, &region),
			 -EACCES);
	assert_null(region);
	assert_int_equal(shmfs_region_map_sysv(sysv, SHMFS_READ_ONLY, NULL, 0, &region),
			 0);
	shmfs_region_unmap(region);
	sysv_drop(sysv);
	return 0;
}

static void test_other_user(void **state)
{
	static struct shmfs_sysv *secret;
	int r;

	(void)state;
	secret = must_open(KEY, SHMFS_CREATE_ONLY, 100, 0600);
	assert_int_equal(mkdir("/dev/shm/d", 0700), 0);
	r = fixture_child(other_user, secret);
	assert_int_equal(rmdir("/dev/shm/d"), 0);
	sysv_drop(secret);
	if (r == 77)
		skip(); /* a user namespace of one user */
	assert_int_equal(r, 0);
}

/* What a listing has told. */
struct listed {
	int n;
	int times[MANY]; /* by key - KEY */
	int private;
};

static int note(int shmid, int32_t key, void *data)
{
	struct listed *listed = data;

	assert_int_equal(sysv_stat(shmid).shm_perm.__key, key);
	listed->n++;
	if (key == SHMFS_SYSV_PRIVATE)
		listed->private ++;
	else
		listed->times[key - KEY]++;
	return 0;
}

static int cancel(int shmid, int32_t key, void *data)
{
	note(shmid, key, data);
	return -ECANCELED;
}

static int remove_it(int shmid, int32_t key, void *data)
{
	note(shmid, key, data);
	return shmfs_sysv_remove(shmid);
}

static void test_list(void **state)
{
	struct listed none = { 0 }, all = { 0 }, some = { 0 };
	struct shmfs_sysv *sysv;
	void *attached;
	int i;

	(void)state;
	assert_int_equal(shmfs_sysv_list(NULL, NULL), -EINVAL);
	assert_int_equal(shmfs_sysv_list(note, &none), 0);
	assert_int_equal(none.n, 0);
	for (i = 0; i < MANY; i++)
		shmfs_sysv_close(must_open(KEY + i, SHMFS_CREATE_ONLY, 1, 0));
	shmfs_sysv_close(sysv_create(SHMFS_SYSV_PRIVATE, 1));
	sysv = sysv_create(KEY + MANY, 1);
	attached = shmat(shmfs_sysv_id(sysv), NULL, 0);
	sysv_drop(sysv);
	assert_int_equal(shmfs_sysv_list(note, &all), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(all.times[i], 1);
	assert_int_equal(all.private, 2);
	assert_int_equal(shmfs_sysv_list(cancel, &some), -ECANCELED);
	assert_int_equal(some.n, 1);
	assert_int_equal(shmfs_sysv_list(remove_it, &some), 0);
	assert_int_equal(some.n, 1 + MANY + 2);
	assert_int_equal(shmdt(attached), 0);
}

/* Threads assert nothing themselves: cmocka's jump is the main thread's. */
static atomic_int failures;

static void *open_and_remove(void *data)
{
	struct shmfs_sysv *sysv;
	int i, r;

	for (i = 0; i < ROUNDS; i++) {
		r = shmfs_sysv_open(KEY, SHMFS_OPEN_OR_CREATE, 100, 0600, &sysv);
		if (r < 0) {
			atomic_fetch_add(&failures, 1);
			continue;
		}
		if (shmfs_sysv_key_of(sysv) != KEY || shmfs_sysv_size(sysv) != 100)
			atomic_fetch_add(&failures, 1);
		r = shmfs_sysv_remove(shmfs_sysv_id(sysv));
		if (r < 0 && r != -EINVAL && r != -EIDRM)
			atomic_fetch_add(&failures, 1);
		shmfs_sysv_close(sysv);
	}
	return data;
}

static void test_races(void **state)
{
	pthread_t threads[THREADS];
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_remove, NULL),
				 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&failures), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sysv_test(test_key),
		sysv_test(test_create_only),
		sysv_test(test_open_only),
		sysv_test(test_open_or_create),
		sysv_test(test_private),
		sysv_test(test_arguments),
		sysv_test(test_open_id),
		sysv_test(test_exact_permissions),
		sysv_test(test_set_permissions),
		sysv_test(test_remove),
		sysv_test(test_limits),
		sysv_test(test_other_user),
		sysv_test(test_list),
		sysv_test(test_races),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("sysv", tests, NULL, NULL) != 0;
}
