/* SPDX-License-Identifier: MIT */
/* Heaps as one user meets them: what they do, and what they refuse. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "heap/fixture.h"
#include "util/clock.h"

static shmfs_offset_t *root_of(struct shmfs_heap *heap)
{
	return shmfs_heap_root(heap);
}

static void test_opening(void **state)
{
	const struct shmfs_heap_options odd = { .size = 100000,
						.limit = 150000,
						.perm = 0640 };
	struct shmfs_heap *heap, *other;
	struct shmfs_heap_info info;
	struct stat st;

	(void)state;
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &heap), -ENOENT);
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_CREATE_ONLY, &odd, &heap), 0);
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_CREATE_ONLY, &odd, &other), -EEXIST);
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_OPEN_OR_CREATE, NULL, &other), 0);
	assert_int_equal(stat("/dev/shm/" HEAP, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* All of it is allocated. */
	assert_int_equal(st.st_size, 102400);
	assert_int_equal(st.st_blocks * 512, st.st_size);
	shmfs_heap_info(heap, &info);
	assert_int_equal(info.size, 102400);
	assert_int_equal(info.limit, 151552);
	assert_int_equal(info.attachments, 2);
	assert_null(shmfs_heap_close(other));
	shmfs_heap_info(heap, &info);
	assert_int_equal(info.attachments, 1);
	assert_int_equal(info.used, 0);
	fixture_heap_end(heap);
	assert_null(shmfs_heap_close(NULL));
}

static void test_wrong_options(void **state)
{
	static const struct {
		struct shmfs_heap_options options;
		int error;
	} wrong[] = {
		{ { .size = 65536, .limit = 4096 }, -EINVAL },
		{ { .size = UINT64_C(1) << 36 }, -EFBIG },
		{ { .size = 65536, .limit = UINT64_MAX }, -EFBIG },
		{ { .perm = 01000 }, -EINVAL },
	};
	struct shmfs_heap *heap;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(shmfs_heap_open(HEAP, SHMFS_CREATE_ONLY,
						 &wrong[i].options, &heap),
				 wrong[i].error);
	assert_int_equal(shmfs_heap_open(HEAP, (enum shmfs_how)7, NULL, &heap), -EINVAL);
	assert_int_equal(shmfs_heap_open("a/b", SHMFS_CREATE_ONLY, NULL, &heap), -EINVAL);
}

/* A heap for which there is no memory leaves neither a name nor memory. */
static void test_no_memory(void **state)
{
	const struct shmfs_heap_options large = { .size = UINT64_C(8) << 20 };
	struct shmfs_heap *heap;

	(void)state;
	sandbox_tmpfs("/dev/shm", "size=4m");
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_CREATE_ONLY, &large, &heap),
			 -ENOSPC);
	assert_int_equal(sandbox_count_entries("/dev/shm"), 0);
	/* A heap that cannot grow says so, and goes on. */
	heap = fixture_heap(65536, UINT64_C(16) << 20);
	assert_int_equal(shmfs_heap_grow(heap, UINT64_C(8) << 20), -ENOSPC);
	assert_int_equal(shmfs_heap_alloc(heap, UINT64_C(6) << 20, 16, root_of(heap)),
			 -ENOSPC);
	assert_int_equal(shmfs_heap_alloc(heap, UINT64_C(1) << 20, 16, root_of(heap)), 0);
	memset(shmfs_heap_at(heap, *root_of(heap), UINT64_C(1) << 20), 1, 1 << 20);
	fixture_heap_end(heap);
	assert_int_equal(umount("/dev/shm"), 0);
}

static void test_refusals(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0), *reader;
	uint64_t elsewhere = 0, size;
	char long_name[257];
	void *object;

	(void)state;
	memset(long_name, 'x', 256);
	long_name[256] = '\0';
	assert_int_equal(shmfs_heap_alloc(heap, 8, 16, &elsewhere), -EFAULT);
	assert_int_equal(shmfs_heap_free(heap, &elsewhere), -EFAULT);
	assert_int_equal(shmfs_heap_alloc(heap, 8, 3, root_of(heap)), -EINVAL);
	assert_int_equal(shmfs_heap_alloc(heap, 8, 8192, root_of(heap)), -EINVAL);
	assert_int_equal(shmfs_heap_alloc(heap, UINT64_MAX, 8, root_of(heap)), -ENOSPC);
	assert_int_equal(shmfs_heap_alloc(heap, 100, 8, root_of(heap)), 0);
	assert_int_equal(shmfs_heap_alloc(heap, 100, 8, root_of(heap)), -EEXIST);
	assert_int_equal(shmfs_heap_size_of(heap, *root_of(heap) + 16, &size), -EINVAL);
	assert_int_equal(shmfs_heap_resize(heap, *root_of(heap) + 16, 5), -EINVAL);
	assert_int_equal(shmfs_heap_construct(heap, "", 1, 8, NULL, &object), -EINVAL);
	assert_int_equal(shmfs_heap_construct(heap, long_name, 1, 8, NULL, &object),
			 -ENAMETOOLONG);
	assert_int_equal(shmfs_heap_construct(heap, long_name + 1, 1, 8, NULL, &object),
			 0);
	assert_int_equal(shmfs_heap_commit(heap), -EPERM);
	assert_int_equal(shmfs_heap_abort(heap), -EPERM);
	assert_int_equal(shmfs_heap_log(heap, root_of(heap), 8), -EPERM);
	assert_null(shmfs_heap_at(heap, 0, 1));
	assert_null(shmfs_heap_at(heap, UINT64_C(1) << 40, 1));
	assert_int_equal(shmfs_heap_offset(heap, &elsewhere), 0);

	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_find(reader, long_name + 1, 1, 8, &object), 0);
	assert_int_equal(shmfs_heap_construct(reader, "x", 1, 8, NULL, &object), -EROFS);
	assert_int_equal(shmfs_heap_destroy(reader, long_name + 1), -EROFS);
	assert_int_equal(shmfs_heap_begin(reader), -EROFS);
	assert_int_equal(shmfs_heap_free(reader, root_of(reader)), -EROFS);
	assert_int_equal(shmfs_heap_grow(reader, 1), -EROFS);
	assert_int_equal(shmfs_heap_trim(reader), -EROFS);
	assert_int_equal(shmfs_heap_check(reader, fixture_problem, NULL), 0);
	shmfs_heap_close(reader);

	assert_int_equal(shmfs_heap_free(heap, root_of(heap)), 0);
	assert_int_equal(shmfs_heap_free(heap, root_of(heap)), 0);
	fixture_heap_end(heap);
}

/* A reader learns that names are being changed, and does not see half a change. */
static void test_reader_and_transaction(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0), *reader;
	void *object;

	(void)state;
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	assert_int_equal(shmfs_heap_begin(heap), 0);
	assert_int_equal(shmfs_heap_construct(heap, "new", 1, 8, NULL, &object), 0);
	assert_int_equal(shmfs_heap_find(heap, "new", 1, 8, &object), 0);
	assert_int_equal(shmfs_heap_find(reader, "new", 1, 8, &object), -EBUSY);
	assert_int_equal(shmfs_heap_abort(heap), 0);
	assert_int_equal(shmfs_heap_find(reader, "new", 1, 8, &object), -ENOENT);
	assert_int_equal(shmfs_heap_find_or_construct(heap, "new", 1, 8, NULL, &object),
			 0);
	assert_int_equal(shmfs_heap_find_or_construct(heap, "new", 1, 8, NULL, &object),
			 0);
	assert_int_equal(shmfs_heap_find(reader, "new", 1, 8, &object), 0);
	shmfs_heap_close(reader);
	fixture_heap_end(heap);
}

/* A transaction has its limit: what does not fit is refused, and the rest can go on. */
static void test_large_transaction(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	unsigned char *memory;

	(void)state;
	assert_int_equal(shmfs_heap_alloc(heap, 8192, 8, root_of(heap)), 0);
	memory = shmfs_heap_at(heap, *root_of(heap), 8192);
	memset(memory, 1, 8192);
	assert_int_equal(shmfs_heap_begin(heap), 0);
	assert_int_equal(shmfs_heap_begin(heap), 0);
	assert_int_equal(shmfs_heap_log(heap, memory, 8192), -E2BIG);
	assert_int_equal(shmfs_heap_log(heap, root_of(heap), 8), 0);
	assert_int_equal(shmfs_heap_log(heap, root_of(heap) + 1, 8), -EFAULT);
	assert_int_equal(shmfs_heap_log(heap, root_of(heap), 16), -EFAULT);
	assert_int_equal(shmfs_heap_log(heap, memory, SIZE_MAX / 2), -EFAULT);
	assert_int_equal(shmfs_heap_log(heap, memory + 3, 1000), 0);
	memset(memory + 3, 2, 1000);
	assert_int_equal(shmfs_heap_commit(heap), 0);
	assert_int_equal(shmfs_heap_trim(heap), -EBUSY);
	assert_int_equal(shmfs_heap_abort(heap), 0);
	for (int i = 0; i < 8192; i++)
		assert_int_equal(memory[i], 1);
	fixture_heap_end(heap);
}

static void test_growing_for_others(void **state)
{
	struct shmfs_heap *heap = fixture_heap(65536, UINT64_C(64) << 20), *other;
	uint64_t size = UINT64_C(20) << 20;
	struct shmfs_heap_info info;
	struct stat st;

	(void)state;
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &other), 0);
	assert_int_equal(shmfs_heap_alloc(heap, size, 4096, root_of(heap)), 0);
	memset(shmfs_heap_at(heap, *root_of(heap), size), 7, (size_t)size);
	/* The other finds it without a call. */
	assert_int_equal(((char *)shmfs_heap_at(other, *root_of(other), size))[size - 1],
			 7);
	assert_int_equal(shmfs_heap_free(other, root_of(other)), 0);
	assert_int_equal(shmfs_heap_trim(other), 0);
	shmfs_heap_info(heap, &info);
	assert_in_range(info.size, 4096, 65536);
	assert_int_equal(stat("/dev/shm/" HEAP, &st), 0);
	assert_int_equal(st.st_blocks * 512, info.size);
	shmfs_heap_close(other);
	fixture_heap_end(heap);
}

/* Also where it has become a part of other free memory. */
static void test_freed_twice(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	shmfs_offset_t *places, freed;
	uint64_t size;
	void *object;

	(void)state;
	assert_int_equal(shmfs_heap_construct(heap, "x", 1, 3 * sizeof(*places), NULL,
					      &object),
			 0);
	places = object;
	for (int i = 0; i < 3; i++)
		assert_int_equal(shmfs_heap_alloc(heap, 100, 16, &places[i]), 0);
	for (int i = 0; i < 2; i++) {
		freed = places[i];
		assert_int_equal(shmfs_heap_free(heap, &places[i]), 0);
		assert_int_equal(shmfs_heap_size_of(heap, freed, &size), -EINVAL);
		assert_int_equal(shmfs_heap_resize(heap, freed, 8), -EINVAL);
		places[i] = freed;
		assert_int_equal(shmfs_heap_free(heap, &places[i]), -EINVAL);
	}
	fixture_heap_end(heap);
}

static void test_any_file(void **state)
{
	int fd = memfd_create("heap", MFD_CLOEXEC);
	struct shmfs_heap *heap, *reader;
	void *object;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(shmfs_heap_open_fd(fd, SHMFS_READ_WRITE, &heap), -EINVAL);
	assert_int_equal(shmfs_heap_create_fd(fd, NULL, &heap), 0);
	assert_int_equal(shmfs_heap_create_fd(fd, NULL, &reader), -EEXIST);
	assert_int_equal(shmfs_heap_construct(heap, "x", 1, 4, "abc", &object), 0);
	assert_int_equal(shmfs_heap_open_fd(fd, SHMFS_READ_ONLY, &reader), 0);
	assert_int_equal(shmfs_heap_open_fd(fd, SHMFS_COPY_ON_WRITE, &reader), -EINVAL);
	close(fd);
	assert_int_equal(shmfs_heap_find(reader, "x", 1, 4, &object), 0);
	assert_string_equal(object, "abc");
	assert_int_equal(shmfs_heap_open_fd(fd, SHMFS_READ_WRITE, &heap), -EBADF);
	assert_int_equal(shmfs_heap_open_fd(fd, SHMFS_READ_ONLY, &heap), -EBADF);
	shmfs_heap_close(reader);
	shmfs_heap_close(heap);
}

/* A heap with @byte at @offset is refused with @error. */
static void refused(long offset, unsigned char byte, int error)
{
	int fd = open("/dev/shm/" HEAP, O_RDWR);
	unsigned char before;
	struct shmfs_heap *heap;

	assert_int_equal(pread(fd, &before, 1, offset), 1);
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &heap), error);
	assert_int_equal(pwrite(fd, &before, 1, offset), 1);
	close(fd);
}

static void test_other_formats(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0), *reader;
	int fd;

	(void)state;
	refused(0, 'X', -EINVAL);         /* magic */
	refused(8, 9, -EPROTONOSUPPORT);  /* byte order */
	refused(12, 2, -EPROTONOSUPPORT); /* version */
	refused(16, 1, -EPROTONOSUPPORT); /* an incompatible feature */
	refused(20, 1, -EROFS);           /* one that can be read */
	refused(28, 1, -EUCLEAN);         /* slots */
	refused(48, 1, -EUCLEAN);         /* the log */
	refused(192 + 4, 1, -EUCLEAN);    /* the size */
	fd = open("/dev/shm/" HEAP, O_RDWR);
	assert_int_equal(pwrite(fd, "\1", 1, 20), 1);
	assert_int_equal(shmfs_heap_open_read_only(HEAP, &reader), 0);
	shmfs_heap_close(reader);
	assert_int_equal(pwrite(fd, "\0", 1, 20), 1);
	close(fd);
	fixture_heap_end(heap);
}

static int use_in_child(void *data)
{
	struct shmfs_heap *heap = data;
	struct shmfs_heap_info info;
	void *object;

	/* The parent's transaction is not ours, and neither is its slot. */
	if (shmfs_heap_commit(heap) != -EPERM)
		return 1;
	shmfs_heap_info(heap, &info);
	if (info.attachments != 2)
		return 2;
	return shmfs_heap_find(heap, "child", 1, 8, &object) == -ENOENT ? 0 : 3;
}

static int construct_in_child(void *data)
{
	void *object;

	return shmfs_heap_construct(data, "child", 1, 8, NULL, &object) ? 1 : 0;
}

/* Dies with the lock. */
static int die_in_child(void *data)
{
	struct shmfs_heap *heap = data;
	void *object;

	shmfs_heap_begin(heap);
	shmfs_heap_destroy(heap, "child");
	shmfs_heap_construct(heap, "half", 1, 8, NULL, &object);
	kill(getpid(), SIGKILL);
	return 0;
}

static void test_forking(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	struct shmfs_heap_info info;
	void *object;

	(void)state;
	assert_int_equal(shmfs_heap_begin(heap), 0);
	assert_int_equal(fixture_child(use_in_child, heap), 0);
	assert_int_equal(shmfs_heap_commit(heap), 0);
	assert_int_equal(fixture_child(construct_in_child, heap), 0);
	assert_int_equal(fixture_child(die_in_child, heap), -SIGKILL);
	assert_int_equal(shmfs_heap_construct(heap, "half", 1, 8, NULL, &object), 0);
	assert_int_equal(shmfs_heap_find(heap, "child", 1, 8, &object), 0);
	shmfs_heap_info(heap, &info);
	assert_int_equal(info.deaths, 1);
	assert_int_equal(info.attachments, 1);
	fixture_heap_end(heap);
}

/* A reader that locks the slots for reading does not keep the dead alive. */
static void test_read_locks(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	struct flock slot = { .l_type = F_RDLCK, .l_len = 8 };
	int fd, pipes[2];
	pid_t child;
	char c;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		shmfs_heap_begin(heap);
		if (write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &c, 1), 1);
	fd = open("/dev/shm/" HEAP, O_RDONLY | O_CLOEXEC);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* One by one: that of the parent is locked already. */
	for (int i = 0; i < 1024; i++) {
		slot.l_start = 8192 + i * 8;
		fcntl(fd, F_OFD_SETLK, &slot);
	}
	alarm(60);
	assert_int_equal(shmfs_heap_begin(heap), 0);
	assert_int_equal(shmfs_heap_commit(heap), 0);
	alarm(0);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	fixture_heap_end(heap);
}

/* The child of a process that dies with the lock: lives on, and takes it when told. */
static void outlive(struct shmfs_heap *heap, int go, int told)
{
	pid_t self = getpid();
	char c;

	alarm(60);
	if (write(told, &self, sizeof(self)) == sizeof(self) && read(go, &c, 1) == 1 &&
	    shmfs_heap_begin(heap) == 0 && shmfs_heap_commit(heap) == 0 &&
	    write(told, &c, 1) == 1)
		pause();
	_exit(1);
}

static int leave_child(void *data)
{
	int *pipes = data;
	struct shmfs_heap *heap;

	if (shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &heap) < 0)
		return 1;
	if (fork() == 0)
		outlive(heap, pipes[0], pipes[3]);
	shmfs_heap_begin(heap);
	kill(getpid(), SIGKILL);
	return 2;
}

/* A process dies with the lock, and a child of it, which has its mappings, does not. */
static void test_living_child(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, 0);
	int pipes[4];
	uint64_t begin;
	pid_t child;
	char c = 0;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(pipe2(pipes + 2, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fixture_child(leave_child, pipes), -SIGKILL);
		assert_int_equal(read(pipes[2], &child, sizeof(child)), sizeof(child));
		alarm(60);
		begin = clock_ns();
		/* The first time this process is the heir, then the child is. */
		if (i == 0) {
			assert_int_equal(shmfs_heap_begin(heap), 0);
			assert_int_equal(shmfs_heap_commit(heap), 0);
		}
		assert_int_equal(write(pipes[1], &c, 1), 1);
		assert_int_equal(read(pipes[2], &c, 1), 1);
		if (!fixture_valgrind())
			assert_true(clock_ns() - begin < UINT64_C(1000000000));
		alarm(0);
		assert_int_equal(kill(child, SIGKILL), 0);
	}
	for (int i = 0; i < 4; i++)
		close(pipes[i]);
	fixture_heap_end(heap);
}

/* Its creator may write to a heap that it makes read-only for all. */
static void test_creating_read_only(void **state)
{
	const struct shmfs_heap_options options = { .perm = 0444 };
	struct shmfs_heap *heap;
	struct stat st;

	(void)state;
	assert_int_equal(shmfs_heap_open(HEAP, SHMFS_CREATE_ONLY, &options, &heap), 0);
	assert_int_equal(stat("/dev/shm/" HEAP, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(shmfs_heap_alloc(heap, 8, 8, root_of(heap)), 0);
	fixture_heap_end(heap);
}

/* A heap grows to its limit for what fits there, and not for what does not. */
static void test_growing_to_limit(void **state)
{
	struct shmfs_heap *heap = fixture_heap(65536, 1 << 20);
	struct shmfs_heap_info info;
	uint64_t size = (1 << 20) - 65536;

	(void)state;
	assert_int_equal(shmfs_heap_alloc(heap, UINT64_MAX - 8, 16, root_of(heap)),
			 -ENOSPC);
	assert_int_equal(shmfs_heap_alloc(heap, 1 << 20, 16, root_of(heap)), -ENOSPC);
	shmfs_heap_info(heap, &info);
	assert_int_equal(info.size, 65536);
	assert_int_equal(shmfs_heap_alloc(heap, size - 4096, 16, root_of(heap)), 0);
	shmfs_heap_info(heap, &info);
	assert_int_equal(info.size, info.limit);
	fixture_heap_end(heap);
}

/* The table of names keeps up with them: else each name is slower than the one before. */
static void test_many_names(void **state)
{
	struct shmfs_heap *heap = fixture_heap(0, UINT64_C(1) << 28);
	unsigned int n = fixture_valgrind() ? 10000 : 200000;
	uint64_t count[2]; /* names, buckets */
	char name[16];
	void *object;
	int fd;

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(shmfs_heap_construct(heap, name, 1, 8, NULL, &object),
				 0);
	}
	fd = open("/dev/shm/" HEAP, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, count, sizeof(count), 232), sizeof(count));
	close(fd);
	assert_int_equal(count[0], n);
	assert_int_equal(count[1], n);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_opening),
		fixture_test(test_wrong_options),
		fixture_test(test_no_memory),
		fixture_test(test_refusals),
		fixture_test(test_reader_and_transaction),
		fixture_test(test_large_transaction),
		fixture_test(test_growing_for_others),
		fixture_test(test_freed_twice),
		fixture_test(test_any_file),
		fixture_test(test_other_formats),
		fixture_test(test_forking),
		fixture_test(test_read_locks),
		fixture_test(test_living_child),
		fixture_test(test_creating_read_only),
		fixture_test(test_growing_to_limit),
		fixture_test(test_many_names),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("heap", tests, NULL, NULL) != 0;
}
