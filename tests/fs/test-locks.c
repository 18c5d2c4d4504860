/* SPDX-License-Identifier: MIT */
/* Record locks and flock locks: who has them, who is told, and when they go. */
#include <pthread.h>
#include <sys/file.h>
#include <time.h>

#include "fixture.h"

#define ALICE 0x1111
#define BOB   0x2222

static struct flock range(short type, off_t start, off_t length)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};
}

static int set(struct room *room, uint64_t file, uint64_t owner, short type, off_t start,
	       off_t length)
{
	struct flock lock = range(type, start, length);
	struct fs_busy busy = { .file = NULL };
	int r = fs_setlk(room->fs, &somebody, file, owner, (pid_t)owner, &lock, &busy);

	assert_int_equal(r == -EAGAIN, busy.file != NULL);
	native_file_unref(busy.file);
	return r;
}

static int take_flock(struct room *room, uint64_t file, int operation)
{
	struct fs_busy busy = { .file = NULL };
	int r = fs_flock(room->fs, &somebody, file, operation, &busy);

	assert_int_equal(r == -EAGAIN, busy.file != NULL);
	native_file_unref(busy.file);
	return r;
}

/* Who is in the way of a write lock: the process, 0 for nobody. */
static pid_t holder(struct room *room, uint64_t file, uint64_t owner, off_t start,
		    off_t length)
{
	struct flock lock = range(F_WRLCK, start, length);

	assert_int_equal(fs_getlk(room->fs, file, owner, &lock), 0);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static struct fs_open_file open_a(struct room *room)
{
	if (!fake_find(&room->fake, "a"))
		fake_add(&room->fake, "a");
	return open_node(room, lookup(room, "a").node);
}

static void test_two_owners(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(room, f.number, BOB, F_WRLCK, 5, 10), -EAGAIN);
	assert_int_equal(set(room, f.number, BOB, F_RDLCK, 5, 10), -EAGAIN);
	assert_int_equal(set(room, f.number, BOB, F_WRLCK, 10, 10), 0);
	/* One's own lock is in nobody's way. */
	assert_int_equal(set(room, f.number, ALICE, F_RDLCK, 0, 10), 0);
	assert_int_equal(set(room, f.number, BOB, F_RDLCK, 5, 5), 0);
	assert_int_equal(set(room, f.number, ALICE, F_UNLCK, 0, 10), 0);
	assert_int_equal(set(room, f.number, BOB, F_WRLCK, 0, 0), 0);
	fs_release(room->fs, f.number);
}

static void test_getlk(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct flock lock = range(F_WRLCK, 15, 1);

	assert_int_equal(holder(room, f.number, ALICE, 0, 0), 0);
	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 10, 10), 0);
	assert_int_equal(holder(room, f.number, ALICE, 0, 0), 0);
	assert_int_equal(holder(room, f.number, BOB, 0, 0), ALICE);
	assert_int_equal(holder(room, f.number, BOB, 0, 10), 0);
	assert_int_equal(fs_getlk(room->fs, f.number, BOB, &lock), 0);
	assert_int_equal(lock.l_start, 10);
	assert_int_equal(lock.l_len, 10);
	/* Asking leaves no file behind. */
	assert_int_equal(room->fake.files, 2);
	fs_release(room->fs, f.number);
}

static void test_native_lockers(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct fake_object *o = fake_find(&room->fake, "a");

	fake_lock(&room->fake, o, F_WRLCK, 0, 9, 4711);
	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), -EAGAIN);
	assert_int_equal(holder(room, f.number, ALICE, 0, 1), 4711);
	fake_lock(&room->fake, o, F_UNLCK, 0, 9, 4711);
	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), 0);
	fs_release(room->fs, f.number);
}

/* A native lock of an open file has no process, nor has one of ours that way. */
static void test_native_lock_of_a_file(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 100, 1), 0);
	fake_lock(&room->fake, fake_find(&room->fake, "a"), F_WRLCK, 0, 9, -1);
	assert_int_equal(holder(room, f.number, BOB, 0, 1), 0);
	assert_int_equal(holder(room, f.number, BOB, 100, 1), ALICE);
	fs_release(room->fs, f.number);
}

/*
 * One thread of Bob's waits while another closes a descriptor of the file: his other
 * locks go, but the one that is waited for is his when it is granted.
 */
static void test_closing_while_waiting(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct fs_open_file g = open_a(room);
	struct flock lock = range(F_WRLCK, 0, 1);
	struct fs_busy busy = { .file = NULL };

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), 0);
	assert_int_equal(set(room, f.number, BOB, F_WRLCK, 5, 1), 0);
	assert_int_equal(fs_setlk(room->fs, &somebody, f.number, BOB, BOB, &lock, &busy),
			 -EAGAIN);
	assert_int_equal(fs_flush(room->fs, g.number, BOB), 0);
	assert_int_equal(holder(room, f.number, ALICE, 5, 1), 0);
	assert_int_equal(set(room, f.number, ALICE, F_UNLCK, 0, 1), 0);
	assert_int_equal(fs_lock_again(room->fs, &busy, false), 0);
	native_file_unref(busy.file);
	assert_int_equal(holder(room, f.number, ALICE, 0, 1), BOB);
	assert_int_equal(fs_flush(room->fs, g.number, BOB), 0);
	assert_int_equal(holder(room, f.number, ALICE, 0, 1), 0);
	fs_release(room->fs, f.number);
	fs_release(room->fs, g.number);
}

static void test_again_gives_what_to_wait_on(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct flock lock = range(F_WRLCK, 0, 1);
	struct fs_busy busy = { .file = NULL };

	assert_int_equal(
		fs_setlk(room->fs, &somebody, f.number, ALICE, ALICE, &lock, &busy), 0);
	assert_null(busy.file);
	assert_int_equal(fs_setlk(room->fs, &somebody, f.number, BOB, BOB, &lock, &busy),
			 -EAGAIN);
	assert_non_null(busy.file);
	assert_int_equal(lock.l_type, F_WRLCK);
	/* What is waited for and granted there is the owner's. */
	assert_int_equal(set(room, f.number, ALICE, F_UNLCK, 0, 1), 0);
	assert_int_equal(fs_lock_again(room->fs, &busy, false), 0);
	native_file_unref(busy.file);
	assert_int_equal(holder(room, f.number, ALICE, 0, 1), BOB);
	assert_int_equal(holder(room, f.number, BOB, 0, 1), 0);
	fs_release(room->fs, f.number);
}

static void test_other_errors_give_nothing_to_wait_on(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct flock lock = range(F_WRLCK, 0, 1);
	struct fs_busy busy = { .file = NULL };

	fake_fail(&room->fake, FAKE_LOCK, 1, -ENOLCK);
	assert_int_equal(fs_setlk(room->fs, &somebody, f.number, ALICE, 1, &lock, &busy),
			 -ENOLCK);
	fake_fail(&room->fake, FAKE_FLOCK, 1, -ENOLCK);
	assert_int_equal(fs_flock(room->fs, &somebody, f.number, LOCK_EX, &busy),
			 -ENOLCK);
	assert_null(busy.file);
	fs_release(room->fs, f.number);
}

/* Closing any descriptor of the file drops the locks of who closes, and nobody else's. */
static void test_flush_drops_the_owner(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct fs_open_file g = open_a(room);

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), 0);
	assert_int_equal(set(room, f.number, BOB, F_WRLCK, 1, 1), 0);
	assert_int_equal(fs_flush(room->fs, g.number, ALICE), 0);
	assert_int_equal(holder(room, f.number, BOB, 0, 0), 0);
	assert_int_equal(holder(room, f.number, ALICE, 1, 1), BOB);
	assert_int_equal(fs_flush(room->fs, g.number, 0x3333), 0);
	fs_release(room->fs, f.number);
	fs_release(room->fs, g.number);
}

/* Locks of open file descriptions go with the file, of which no close tells. */
static void test_release_drops_what_no_flush_does(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct fs_open_file g = open_a(room);

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), 0);
	assert_int_equal(set(room, g.number, BOB, F_WRLCK, 1, 1), 0);
	fs_release(room->fs, f.number);
	assert_int_equal(holder(room, g.number, BOB, 0, 1), 0);
	assert_int_equal(holder(room, g.number, ALICE, 1, 1), BOB);
	fs_release(room->fs, g.number);
	assert_int_equal(room->fake.files, 0);
}

/* Nobody waits for the request that closes a file, but who is refused is told of it. */
static void test_what_may_be_closing(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct flock lock = range(F_WRLCK, 0, 1);
	struct fs_busy busy;
	struct fs_open_file g;

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), 0);
	assert_int_equal(fs_setlk(room->fs, &somebody, f.number, BOB, BOB, &lock, &busy),
			 -EAGAIN);
	assert_false(busy.closing);
	native_file_unref(busy.file);
	g = open_a(room);
	assert_int_equal(fs_setlk(room->fs, &somebody, f.number, BOB, BOB, &lock, &busy),
			 -EAGAIN);
	assert_true(busy.closing);
	native_file_unref(busy.file);
	fs_release(room->fs, f.number);
	fs_release(room->fs, g.number);
}

static uint64_t released_number;

static void *release(void *context)
{
	struct room *room = context;

	fs_release(room->fs, released_number);
	return NULL;
}

static void test_await_release(void **state)
{
	struct room *room = *state;
	struct timespec until = { 0, 0 };
	uint64_t seen = fs_releases(room->fs);
	pthread_t thread;

	assert_false(fs_await_release(room->fs, &seen, &until));
	fs_release(room->fs, open_a(room).number);
	assert_true(fs_await_release(room->fs, &seen, &until));
	assert_int_equal(seen, fs_releases(room->fs));
	assert_false(fs_await_release(room->fs, &seen, &until));
	released_number = open_a(room).number;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 10;
	assert_int_equal(pthread_create(&thread, NULL, release, room), 0);
	assert_true(fs_await_release(room->fs, &seen, &until));
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_locks_belong_to_a_node(void **state)
{
	struct room *room = *state;
	struct fs_open_file a = open_a(room);
	struct fs_open_file b;

	fake_add(&room->fake, "b");
	b = open_node(room, lookup(room, "b").node);
	assert_int_equal(set(room, a.number, ALICE, F_WRLCK, 0, 1), 0);
	assert_int_equal(set(room, b.number, BOB, F_WRLCK, 0, 1), 0);
	assert_int_equal(fs_flush(room->fs, b.number, ALICE), 0);
	assert_int_equal(holder(room, a.number, BOB, 0, 1), ALICE);
	fs_release(room->fs, a.number);
	fs_release(room->fs, b.number);
}

static void test_flock(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct fs_open_file g = open_a(room);
	struct fs_busy busy = { .file = NULL };

	assert_int_equal(take_flock(room, f.number, LOCK_SH), 0);
	assert_int_equal(take_flock(room, g.number, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(take_flock(room, g.number, LOCK_EX), -EAGAIN);
	assert_int_equal(fs_flock(room->fs, &somebody, g.number, LOCK_EX, &busy),
			 -EAGAIN);
	assert_non_null(busy.file);
	assert_int_equal(take_flock(room, f.number, LOCK_UN), 0);
	assert_int_equal(fs_lock_again(room->fs, &busy, false), 0);
	native_file_unref(busy.file);
	/* What was waited for is the file's. */
	assert_int_equal(take_flock(room, f.number, LOCK_SH), -EAGAIN);
	fs_release(room->fs, g.number);
	assert_int_equal(take_flock(room, f.number, LOCK_EX), 0);
	fs_release(room->fs, f.number);
}

/* The lock of an open file goes with it, also where other files are open on the node. */
static void test_release_drops_the_flock(void **state)
{
	struct room *room = *state;
	struct fs_open_file files[3];

	for (int i = 0; i < 3; i++)
		files[i] = open_a(room);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(take_flock(room, files[i].number, LOCK_EX), 0);
		fs_release(room->fs, files[i].number);
	}
}

/* A request that waits keeps its file, whoever closes. */
static void test_waiting_outlives_the_release(void **state)
{
	struct room *room = *state;
	struct fs_open_file f = open_a(room);
	struct flock lock = range(F_WRLCK, 0, 1);
	struct fs_busy busy = { .file = NULL };

	assert_int_equal(set(room, f.number, ALICE, F_WRLCK, 0, 1), 0);
	assert_int_equal(fs_setlk(room->fs, &somebody, f.number, BOB, 2, &lock, &busy),
			 -EAGAIN);
	fs_release(room->fs, f.number);
	assert_int_equal(room->fake.files, 1);
	assert_int_equal(fs_lock_again(room->fs, &busy, false), -EBADF);
	native_file_unref(busy.file);
	assert_int_equal(room->fake.files, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_two_owners),
		room_test(test_getlk),
		room_test(test_native_lockers),
		room_test(test_native_lock_of_a_file),
		room_test(test_again_gives_what_to_wait_on),
		room_test(test_closing_while_waiting),
		room_test(test_other_errors_give_nothing_to_wait_on),
		room_test(test_flush_drops_the_owner),
		room_test(test_release_drops_what_no_flush_does),
		room_test(test_what_may_be_closing),
		room_test(test_await_release),
		room_test(test_locks_belong_to_a_node),
		room_test(test_flock),
		room_test(test_release_drops_the_flock),
		room_test(test_waiting_outlives_the_release),
	};

	return cmocka_run_group_tests_name("locks", tests, NULL, NULL) != 0;
}
