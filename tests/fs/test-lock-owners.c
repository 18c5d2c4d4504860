/* SPDX-License-Identifier: MIT */
/* The owners of locks: what they open, what that costs, and who is named. */
#include <sys/file.h>

#include "fs/internal.h"
#include "fs/range.h"
#include "fixture.h"

#define ALICE 0x1111
#define BOB   0x2222

static int set_from(struct room *room, uint64_t file, uint64_t owner, pid_t pid,
		    short type, off_t start, off_t length)
{
	const struct flock lock = { .l_type = type, .l_start = start, .l_len = length };
	struct fs_busy busy = { .file = NULL };
	int r = fs_setlk(room->fs, &somebody, file, owner, pid, &lock, &busy);

	native_file_unref(busy.file);
	return r;
}

static int set(struct room *room, uint64_t file, uint64_t owner, short type, off_t start,
	       off_t length)
{
	/* As the kernel does: who unlocks it does not say. */
	return set_from(room, file, owner, type == F_UNLCK ? 0 : (pid_t)owner, type,
			start, length);
}

static pid_t holder(struct room *room, uint64_t file, uint64_t owner, off_t start,
		    off_t length)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = start, .l_len = length };

	assert_int_equal(fs_getlk(room->fs, file, owner, &lock), 0);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static uint64_t open_as(struct room *room, int flags)
{
	struct fs_open_file file;

	if (!fake_find(&room->fake, "a"))
		fake_add(&room->fake, "a");
	assert_int_equal(
		fs_open(room->fs, &somebody, lookup(room, "a").node, flags, &file), 0);
	return file.number;
}

/* Others see who may only read as a reader, also when he locks. */
static void test_opened_as_the_file(void **state)
{
	static const struct {
		int file, flock, record;
		short type;
	} cases[] = {
		{ O_RDONLY, O_RDONLY, O_RDONLY, F_RDLCK },
		{ O_WRONLY, O_RDONLY, O_RDWR | O_APPEND, F_WRLCK },
		{ O_RDWR, O_RDONLY, O_RDWR | O_APPEND, F_RDLCK },
		{ O_RDWR, O_RDONLY, O_RDWR | O_APPEND, F_WRLCK },
	};
	struct room *room = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t file = open_as(room, cases[i].file);
		struct fs_busy busy;

		assert_int_equal(fs_flock(room->fs, &somebody, file, LOCK_EX, &busy), 0);
		assert_int_equal(room->fake.opened, cases[i].flock);
		assert_int_equal(set(room, file, ALICE, cases[i].type, 0, 1), 0);
		assert_int_equal(room->fake.opened, cases[i].record);
		/* By the process's own power: the caller has the file open already. */
		assert_null(room->fake.callers[FAKE_OPEN]);
		fs_release(room->fs, file);
	}
}

/* A process locks by one file that is open for reading, then by one for writing. */
static void test_reader_becomes_writer(void **state)
{
	struct room *room = *state;
	uint64_t reads = open_as(room, O_RDONLY);
	uint64_t writes = open_as(room, O_RDWR);

	assert_int_equal(set(room, reads, ALICE, F_RDLCK, 0, 10), 0);
	assert_int_equal(set(room, reads, ALICE, F_RDLCK, 20, 10), 0);
	assert_int_equal(set(room, writes, ALICE, F_WRLCK, 5, 1), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(holder(room, reads, BOB, 0, 1), ALICE);
		assert_int_equal(holder(room, reads, BOB, 5, 1), ALICE);
		assert_int_equal(holder(room, reads, BOB, 20, 10), ALICE);
		assert_int_equal(holder(room, reads, BOB, 10, 10), 0);
		assert_int_equal(holder(room, reads, ALICE, 0, 0), 0);
		/* Once more by the first one. */
		assert_int_equal(set(room, reads, ALICE, F_RDLCK, 6, 1), 0);
	}
	assert_int_equal(fs_flush(room->fs, reads, ALICE), 0);
	assert_int_equal(holder(room, reads, BOB, 0, 0), 0);
	fs_release(room->fs, writes);
	fs_release(room->fs, reads);
}

/* A process may change its user between the two. */
static void test_writer_of_another_user(void **state)
{
	const struct caller other = { .uid = 2000, .gid = 2000 };
	const struct flock lock = { .l_type = F_WRLCK, .l_start = 5, .l_len = 1 };
	struct room *room = *state;
	struct fs_busy busy = { .file = NULL };
	unsigned int taken = room->fs->open.taken;

	/* In the second round with an owner that rests. */
	for (int i = 0; i < 2; i++) {
		uint64_t reads = open_as(room, O_RDONLY);
		uint64_t writes = open_as(room, O_RDWR);

		if (i == 1) {
			assert_int_equal(set(room, writes, BOB, F_WRLCK, 0, 1), 0);
			assert_int_equal(fs_flush(room->fs, writes, BOB), 0);
		}
		assert_int_equal(set(room, reads, ALICE, F_RDLCK, 0, 10), 0);
		assert_int_equal(set(room, reads, ALICE, F_RDLCK, 20, 10), 0);
		assert_int_equal(
			fs_setlk(room->fs, &other, writes, ALICE, 77, &lock, &busy), 0);
		assert_int_equal(holder(room, reads, BOB, 20, 10), 77);
		assert_int_equal(room->fs->ranges.taken, 4);
		assert_int_equal(fs_flush(room->fs, reads, ALICE), 0);
		assert_int_equal(room->fs->ranges.taken, 0);
		fs_release(room->fs, writes);
		fs_release(room->fs, reads);
		assert_int_equal(room->fs->open.taken, taken);
	}
}

static void test_reader_becomes_writer_while_waiting(void **state)
{
	struct room *room = *state;
	uint64_t reads = open_as(room, O_RDONLY);
	uint64_t writes = open_as(room, O_RDWR);
	const struct flock lock = { .l_type = F_RDLCK, .l_len = 1 };
	struct fs_busy busy;

	assert_int_equal(set(room, writes, BOB, F_WRLCK, 0, 1), 0);
	assert_int_equal(fs_setlk(room->fs, &somebody, reads, ALICE, ALICE, &lock, &busy),
			 -EAGAIN);
	assert_int_equal(set(room, writes, ALICE, F_WRLCK, 5, 1), 0);
	assert_int_equal(set(room, writes, BOB, F_UNLCK, 0, 1), 0);
	assert_int_equal(fs_lock_again(room->fs, &busy, false), 0);
	native_file_unref(busy.file);
	assert_int_equal(holder(room, writes, BOB, 0, 1), ALICE);
	assert_int_equal(holder(room, writes, ALICE, 0, 0), 0);
	assert_int_equal(fs_flush(room->fs, reads, ALICE), 0);
	assert_int_equal(holder(room, writes, BOB, 0, 0), 0);
	fs_release(room->fs, writes);
	fs_release(room->fs, reads);
}

/* While a file is open that others may write to, giving up locks closes nothing. */
static void test_resting(void **state)
{
	struct room *room = *state;
	uint64_t file = open_as(room, O_RDWR);
	unsigned int opens;

	assert_int_equal(set(room, file, ALICE, F_WRLCK, 0, 1), 0);
	opens = room->fake.calls[FAKE_OPEN];
	for (uint64_t owner = BOB; owner < BOB + 10; owner++) {
		assert_int_equal(fs_flush(room->fs, file, owner - 1), 0);
		assert_int_equal(fs_flush(room->fs, file, ALICE), 0);
		assert_int_equal(room->fake.files, 2);
		assert_int_equal(set(room, file, owner, F_WRLCK, 0, 1), 0);
		assert_int_equal(holder(room, file, ALICE, 0, 1), (pid_t)owner);
	}
	assert_int_equal(room->fake.calls[FAKE_OPEN], opens);
	fs_release(room->fs, file);
	assert_int_equal(room->fake.files, 0);
	assert_int_equal(room->fs->open.taken, 0);
}

static void test_who_has_none_unlocks_nothing(void **state)
{
	struct room *room = *state;
	uint64_t file = open_as(room, O_RDWR);
	unsigned int opens = room->fake.calls[FAKE_OPEN];
	struct fs_busy busy;

	assert_int_equal(set(room, file, ALICE, F_UNLCK, 0, 0), 0);
	assert_int_equal(fs_flock(room->fs, &somebody, file, LOCK_UN, &busy), 0);
	assert_int_equal(holder(room, file, ALICE, 0, 0), 0);
	assert_int_equal(room->fake.calls[FAKE_OPEN], opens);
	fs_release(room->fs, file);
}

static void test_holder_of_what_is_left(void **state)
{
	struct room *room = *state;
	uint64_t file = open_as(room, O_RDWR);

	assert_int_equal(set(room, file, ALICE, F_WRLCK, 0, 100), 0);
	assert_int_equal(set(room, file, ALICE, F_UNLCK, 0, 10), 0);
	assert_int_equal(holder(room, file, BOB, 0, 0), ALICE);
	assert_int_equal(set(room, file, ALICE, F_UNLCK, 50, 10), 0);
	assert_int_equal(set(room, file, ALICE, F_RDLCK, 70, 10), 0);
	for (off_t at = 10; at < 100; at++)
		assert_int_equal(holder(room, file, BOB, at, 1),
				 at >= 50 && at < 60 ? 0 : ALICE);
	fs_release(room->fs, file);
}

/* Two have the same range, and each is told of the other. */
static void test_same_range(void **state)
{
	struct room *room = *state;
	uint64_t first = open_as(room, O_RDONLY);
	uint64_t second = open_as(room, O_RDONLY);

	assert_int_equal(set(room, first, ALICE, F_RDLCK, 0, 10), 0);
	assert_int_equal(set(room, second, BOB, F_RDLCK, 0, 10), 0);
	assert_int_equal(holder(room, first, ALICE, 0, 10), BOB);
	assert_int_equal(holder(room, second, BOB, 0, 10), ALICE);
	fs_release(room->fs, second);
	fs_release(room->fs, first);
}

#define OWNERS 30

/* However many there are, one native call tells whose the lock is. */
static void test_asking_many(void **state)
{
	struct room *room = *state;
	uint64_t files[OWNERS], file = open_as(room, O_RDONLY);
	unsigned int locks;

	for (int i = 0; i < OWNERS; i++) {
		files[i] = open_as(room, O_RDONLY);
		assert_int_equal(set(room, files[i], ALICE + i, F_RDLCK, i, 1), 0);
	}
	locks = room->fake.calls[FAKE_LOCK];
	for (int i = 0; i < OWNERS; i++)
		assert_int_equal(holder(room, file, BOB, i, 1), ALICE + i);
	assert_int_equal(room->fake.calls[FAKE_LOCK], locks + OWNERS);
	/* Each goes with its file. */
	for (int i = 0; i < OWNERS; i++) {
		fs_release(room->fs, files[i]);
		assert_int_equal(room->fake.files, 1 + 2 * (OWNERS - 1 - i));
		assert_int_equal(holder(room, file, BOB, i, 1), 0);
	}
	fs_release(room->fs, file);
}

/* The fake has no room for so many, but the count is taken before it is asked. */
static void test_ranges_count(void **state)
{
	struct room *room = *state;
	uint64_t file = open_as(room, O_RDWR);
	struct quota *ranges = &room->fs->ranges;

	assert_int_equal(ranges->max, RANGES_MAX);
	ranges->max = 4;
	for (off_t i = 0; i < 4; i++)
		assert_int_equal(set(room, file, ALICE, F_WRLCK, 10 * i, 5), 0);
	assert_int_equal(ranges->taken, 4);
	assert_int_equal(set(room, file, ALICE, F_WRLCK, 100, 1), -ENOLCK);
	assert_int_equal(set(room, file, BOB, F_WRLCK, 100, 1), -ENOLCK);
	/* It would leave two. */
	assert_int_equal(set(room, file, ALICE, F_UNLCK, 1, 1), -ENOLCK);
	assert_int_equal(holder(room, file, BOB, 1, 1), ALICE);
	assert_int_equal(set(room, file, ALICE, F_UNLCK, 0, 1), 0);
	assert_int_equal(set(room, file, ALICE, F_UNLCK, 0, 15), 0);
	assert_int_equal(ranges->taken, 2);
	assert_int_equal(set(room, file, ALICE, F_WRLCK, 0, 0), 0);
	assert_int_equal(ranges->taken, 1);
	assert_int_equal(set(room, file, ALICE, F_RDLCK, 5, 5), 0);
	assert_int_equal(ranges->taken, 3);
	assert_int_equal(fs_flush(room->fs, file, ALICE), 0);
	assert_int_equal(ranges->taken, 0);
	assert_int_equal(set(room, file, BOB, F_RDLCK, 5, 5), 0);
	fs_release(room->fs, file);
	assert_int_equal(ranges->taken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_opened_as_the_file),
		room_test(test_reader_becomes_writer),
		room_test(test_writer_of_another_user),
		room_test(test_reader_becomes_writer_while_waiting),
		room_test(test_resting),
		room_test(test_who_has_none_unlocks_nothing),
		room_test(test_holder_of_what_is_left),
		room_test(test_same_range),
		room_test(test_asking_many),
		room_test(test_ranges_count),
	};

	return cmocka_run_group_tests_name("lock-owners", tests, NULL, NULL) != 0;
}
