/* SPDX-License-Identifier: MIT */
/* Where no more may be open, opening is refused, and nothing else. */
#include <sys/file.h>

#include "fixture.h"
#include "fs/internal.h"

#define FILES 3

/* A file system where all that may be open is: files of "a". Returns its node. */
static uint64_t fill(struct room *room, struct fs_open_file files[FILES])
{
	uint64_t node;

	fake_add(&room->fake, "a");
	room->fs->open.max = FILES;
	node = lookup(room, "a").node;
	for (int i = 0; i < FILES; i++)
		files[i] = open_node(room, node);
	return node;
}

/* The limit is there before anything is done: nothing is truncated, nothing made. */
static void test_open_is_refused(void **state)
{
	struct fs_open_file files[FILES], more;
	struct room *room = *state;
	uint64_t node = fill(room, files);
	struct fs_entry e;
	uint64_t dir;

	assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR | O_TRUNC, &more),
			 -ENFILE);
	assert_int_equal(fs_create(room->fs, &somebody, "b", O_RDWR, 0600, &e, &more),
			 -ENFILE);
	assert_int_equal(fs_opendir(room->fs, &somebody, &dir), -ENFILE);
	assert_int_equal(room->fake.calls[FAKE_OPEN], FILES);
	assert_int_equal(room->fake.calls[FAKE_CREATE], 0);
	assert_int_equal(room->fake.calls[FAKE_LIST_OPEN], 0);
}

static void test_all_else_works(void **state)
{
	struct fs_open_file files[FILES];
	struct room *room = *state;
	uint64_t node = fill(room, files);
	struct fs_entry e;
	struct stat st;
	char c = 'x';

	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
	assert_int_equal(fs_access(room->fs, &somebody, node, R_OK), 0);
	assert_int_equal(fs_write(room->fs, files[0].number, &c, 1, 0, false), 1);
	assert_int_equal(fs_read(room->fs, files[1].number, &c, 1, 0), 1);
	assert_int_equal(fs_setattr(room->fs, &somebody, node, 0,
				    &(struct stat){ .st_size = 5 }, FS_SET_SIZE, &st),
			 0);
	assert_int_equal(fs_mknod(room->fs, &somebody, "b", S_IFREG | 0600, &e), 0);
	assert_int_equal(fs_rename(room->fs, &somebody, "b", "c", 0), 0);
	assert_int_equal(lookup(room, "c").node, e.node);
	assert_int_equal(fs_unlink(room->fs, &somebody, "c"), 0);
}

static void test_closing_makes_room(void **state)
{
	struct fs_open_file files[FILES], more;
	struct room *room = *state;
	uint64_t node = fill(room, files);
	struct fs_entry e;
	uint64_t dir;

	for (int i = 0; i < 2 * FILES; i++) {
		fs_release(room->fs, files[0].number);
		files[0] = open_node(room, node);
		fs_release(room->fs, files[0].number);
		assert_int_equal(fs_create(room->fs, &somebody, "b", O_RDWR, 0600, &e,
					   &files[0]),
				 0);
		fs_release(room->fs, files[0].number);
		assert_int_equal(fs_opendir(room->fs, &somebody, &dir), 0);
		assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR, &more),
				 -ENFILE);
		fs_releasedir(room->fs, dir);
		files[0] = open_node(room, node);
	}
}

static int lock_as(struct room *room, uint64_t file, uint64_t owner, short type)
{
	struct flock lock = { .l_type = type, .l_len = 1 };
	struct fs_busy busy = { .file = NULL };

	return fs_setlk(room->fs, &somebody, file, owner, (pid_t)owner, &lock, &busy);
}

/* Each owner of locks has an open file, which is as dear as any other. */
static void test_owners_of_locks_count(void **state)
{
	struct fs_open_file files[FILES];
	struct room *room = *state;
	struct fs_busy busy = { .file = NULL };

	fill(room, files);
	assert_int_equal(lock_as(room, files[0].number, 1, F_RDLCK), -ENOLCK);
	assert_int_equal(fs_flock(room->fs, &somebody, files[0].number, LOCK_SH, &busy),
			 -ENOLCK);
	fs_release(room->fs, files[2].number);
	assert_int_equal(lock_as(room, files[0].number, 1, F_RDLCK), 0);
	assert_int_equal(lock_as(room, files[0].number, 1, F_WRLCK), 0);
	assert_int_equal(lock_as(room, files[0].number, 2, F_RDLCK), -ENOLCK);
	assert_int_equal(fs_flush(room->fs, files[0].number, 1), 0);
	assert_int_equal(lock_as(room, files[0].number, 2, F_RDLCK), 0);
	fs_release(room->fs, files[0].number);
	assert_int_equal(fs_flock(room->fs, &somebody, files[1].number, LOCK_SH, &busy),
			 0);
	fs_release(room->fs, files[1].number);
	assert_int_equal(room->fs->open.taken, 0);
}

static void test_no_limit(void **state)
{
	struct room *room = *state;
	struct fs_open_file files[200];
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	assert_int_equal(room->fs->open.max, 0);
	for (int i = 0; i < 200; i++)
		files[i] = open_node(room, node);
	for (int i = 0; i < 200; i++)
		fs_release(room->fs, files[i].number);
}

static void test_handles(void **state)
{
	struct fs_config config = { .files = 7, .handles = 5 };
	struct fake fake;
	struct fs *fs;

	(void)state;
	fake_init(&fake);
	config.kind = &fake.kind;
	assert_int_equal(fs_new(&config, &fs), 0);
	assert_int_equal(fs->open.max, 7);
	fake_add(&fake, "a");
	for (int i = 0; i < 100; i++) {
		struct fs_entry e;

		assert_int_equal(fs_lookup(fs, &somebody, "a", &e), 0);
		fs_forget(fs, e.node, 1);
		assert_true(fake.handles <= 5);
		/* What is called "a" the next time is another object. */
		fake_replace(&fake, "a");
	}
	assert_int_equal(fake.handles, 5);
	fs_free(fs);
	fake_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_open_is_refused),    room_test(test_all_else_works),
		room_test(test_closing_makes_room), room_test(test_owners_of_locks_count),
		room_test(test_no_limit),           cmocka_unit_test(test_handles),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL) != 0;
}
