/* SPDX-License-Identifier: MIT */
/* Open files, their backing ids and their data. */
#include "fixture.h"
#include "fs/file.h"
#include "fs/internal.h"

static uint64_t known(struct room *room, const char *name)
{
	fake_add(&room->fake, name);
	return lookup(room, name).node;
}

static void test_open_as_the_caller(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file = open_node(room, node);

	assert_ptr_equal(room->fake.callers[FAKE_OPEN], &somebody);
	assert_int_equal(file.io, FS_IO_PASSTHROUGH);
	assert_true(file.backing_id >= 1 && file.backing_id <= FAKE_MAX);
	fs_release(room->fs, file.number);
}

static void test_one_backing_id_for_all_opens(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file files[5];

	for (int i = 0; i < 5; i++) {
		files[i] = open_node(room, node);
		assert_int_equal(files[i].backing_id, files[0].backing_id);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(files[i].number, files[k].number);
	}
	assert_int_equal(room->fake.backing_opens, 1);
	/* In any order: the first file is not the last to go. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(room->fake.backings, 1);
		fs_release(room->fs, files[(i + 2) % 5].number);
	}
	assert_int_equal(room->fake.backings, 0);
	assert_int_equal(room->fake.files, 0);
	fs_release(room->fs, open_node(room, node).number);
	assert_int_equal(room->fake.backing_opens, 2);
	assert_int_equal(room->fake.backing_closes, 2);
}

static void test_an_id_for_each_node(void **state)
{
	struct room *room = *state;
	struct fs_open_file a = open_node(room, known(room, "a"));
	struct fs_open_file b = open_node(room, known(room, "b"));

	assert_int_not_equal(a.backing_id, b.backing_id);
	fs_release(room->fs, a.number);
	assert_int_equal(room->fake.backings, 1);
	assert_true(room->fake.backing_ids[b.backing_id]);
	fs_release(room->fs, b.number);
}

/* Two names of one object are one node to the kernel: a second id would fail the open. */
static void test_one_id_for_two_names(void **state)
{
	struct room *room = *state;
	struct fs_open_file a = open_node(room, known(room, "a"));
	struct fs_open_file b;

	fake_link(&room->fake, "a", "b");
	b = open_node(room, lookup(room, "b").node);
	assert_int_equal(a.backing_id, b.backing_id);
	fs_release(room->fs, a.number);
	fs_release(room->fs, b.number);
}

static void test_refused_backing_is_direct(void **state)
{
	static const int refusals[] = { -ELOOP, -EPERM, -EOPNOTSUPP };
	struct room *room = *state;
	uint64_t node = known(room, "a");

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct fs_open_file file, second;

		fake_fail(&room->fake, FAKE_BACKING, 1, refusals[i]);
		file = open_node(room, node);
		assert_true(room->fake.failed);
		assert_int_equal(file.io, FS_IO_DIRECT);
		/* The kernel takes no mixture: what is decided stays while files are
		 * open. */
		second = open_node(room, node);
		assert_int_equal(second.io, FS_IO_DIRECT);
		assert_int_equal(room->fake.backings, 0);
		fs_release(room->fs, file.number);
		fs_release(room->fs, second.number);
	}
	assert_int_equal(room->fake.backing_closes, 0);
}

static void test_failed_backing_fails_the_open(void **state)
{
	static const int errors[] = { -ENFILE, -EMFILE, -ENOMEM, -EIO, -EINVAL };
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;

	expire(room);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		fake_fail(&room->fake, FAKE_BACKING, 1, errors[i]);
		assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR, &file),
				 errors[i]);
		assert_int_equal(room->fake.files, 0);
		assert_int_equal(room->fs->files.used, 0);
	}
	file = open_node(room, node);
	assert_int_equal(file.io, FS_IO_PASSTHROUGH);
	fs_release(room->fs, file.number);
}

/* A failed creation leaves neither a file nor a lookup behind. */
static void test_failed_backing_fails_the_creation(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;

	fake_fail(&room->fake, FAKE_BACKING, 1, -ENFILE);
	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR, 0600, &e, &file),
			 -ENFILE);
	assert_int_equal(room->fake.files, 0);
	assert_int_equal(room->fs->nodes.used, 1);
	/* ... nor the object. */
	assert_int_equal(fs_lookup(room->fs, &somebody, "a", &e), -ENOENT);
}

static void test_failed_creation_keeps_what_was_there(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;
	struct fs_entry e;

	fake_fail(&room->fake, FAKE_BACKING, 1, -ENFILE);
	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR, 0600, &e, &file),
			 -ENFILE);
	assert_int_equal(fs_lookup(room->fs, &somebody, "a", &e), 0);
	assert_int_equal(e.node, node);
}

/* Objects that only we keep shall not be in the way of new ones. */
static void test_no_room_lets_go_of_handles(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_entry e;

	known(room, "b");
	assert_int_equal(room->fake.handles, 1);
	fake_fail(&room->fake, FAKE_CREATE, 1, -ENOSPC);
	assert_int_equal(fs_create(room->fs, &somebody, "a", O_RDWR, 0600, &e, &file), 0);
	assert_int_equal(room->fake.handles, 0);
	fs_release(room->fs, file.number);
}

static void test_without_backing(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;

	fs_set_direct(room->fs);
	file = open_node(room, node);
	assert_int_equal(file.io, FS_IO_DIRECT);
	assert_int_equal(room->fake.backing_opens, 0);
	fs_release(room->fs, file.number);
}

static void test_failed_open(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;

	fake_fail(&room->fake, FAKE_OPEN, 1, -EACCES);
	assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR, &file), -EACCES);
	assert_int_equal(room->fs->files.used, 0);
	assert_int_equal(room->fake.backing_opens, 0);
}

/* O_APPEND can be taken back while the file is open: each write has to tell. */
static void test_appending(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;

	assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR | O_APPEND, &file), 0);
	assert_true(file.direct);
	assert_int_equal(file.io, FS_IO_PASSTHROUGH);
	fs_release(room->fs, file.number);
	file = open_node(room, node);
	assert_false(file.direct);
	fs_release(room->fs, file.number);
}

static void test_open_passes_flags(void **state)
{
	struct room *room = *state;
	struct fake_object *o = fake_add(&room->fake, "a");
	struct fs_open_file file;

	o->info.stat.st_size = 7;
	assert_int_equal(fs_open(room->fs, &somebody, lookup(room, "a").node,
				 O_RDONLY | O_TRUNC, &file),
			 0);
	assert_int_equal(o->info.stat.st_size, 0);
	fs_release(room->fs, file.number);
}

static void test_data(void **state)
{
	struct room *room = *state;
	struct fs_open_file a = open_node(room, known(room, "a"));
	struct fs_open_file b = open_node(room, known(room, "b"));
	struct fs *fs = room->fs;
	char buf[8] = "";

	assert_int_equal(fs_write(fs, a.number, "hello", 5, 0, false), 5);
	assert_int_equal(fs_write(fs, a.number, "!", 1, 0, true), 1);
	assert_int_equal(fs_read(fs, a.number, buf, 8, 0), 6);
	assert_memory_equal(buf, "hello!", 6);
	assert_int_equal(fs_read(fs, a.number, buf, 8, 6), 0);
	assert_int_equal(fs_copy(fs, a.number, 1, b.number, 0, 3), 3);
	assert_int_equal(fs_read(fs, b.number, buf, 8, 0), 3);
	assert_memory_equal(buf, "ell", 3);
	assert_int_equal(fs_fallocate(fs, b.number, 0, 0, 64), 0);
	assert_int_equal(fs_seek(fs, b.number, 0, SEEK_HOLE), 64);
	assert_int_equal(fs_seek(fs, b.number, 64, SEEK_DATA), -ENXIO);
	assert_int_equal(fs_fsync(fs, b.number, true), 0);
	fs_release(fs, a.number);
	fs_release(fs, b.number);
}

static void test_limits(void **state)
{
	struct room *room = *state;
	struct fs_open_file a = open_node(room, known(room, "a"));
	struct fs *fs = room->fs;
	char buf[8];

	assert_int_equal(fs_write(fs, a.number, buf, 8, 252, false), -ENOSPC);
	assert_int_equal(fs_write(fs, a.number, buf, 8, UINT64_MAX, false), -EFBIG);
	assert_int_equal(fs_read(fs, a.number, buf, 8, UINT64_MAX), -EINVAL);
	assert_int_equal(fs_fallocate(fs, a.number, 0, INT64_MAX, 1), -EFBIG);
	assert_int_equal(fs_fallocate(fs, a.number, 0, 1, INT64_MAX), -EFBIG);
	assert_int_equal(fs_copy(fs, a.number, UINT64_MAX, a.number, 0, 1), -EINVAL);
	fs_release(fs, a.number);
}

static void expect_bad(struct fs *fs, uint64_t file)
{
	struct flock lock = { .l_type = F_RDLCK };
	struct fs_busy busy;
	struct stat st = { .st_size = 1 };
	char c = 0;

	assert_int_equal(fs_read(fs, file, &c, 1, 0), -EBADF);
	assert_int_equal(fs_write(fs, file, &c, 1, 0, false), -EBADF);
	assert_int_equal(fs_fallocate(fs, file, 0, 0, 1), -EBADF);
	assert_int_equal(fs_seek(fs, file, 0, SEEK_DATA), -EBADF);
	assert_int_equal(fs_fsync(fs, file, false), -EBADF);
	assert_int_equal(fs_getlk(fs, file, 1, &lock), -EBADF);
	assert_int_equal(fs_setlk(fs, &somebody, file, 1, 1, &lock, &busy), -EBADF);
	assert_int_equal(fs_flock(fs, &somebody, file, 1, &busy), -EBADF);
	assert_int_equal(fs_flush(fs, file, 1), -EBADF);
	if (file)
		assert_int_equal(fs_setattr(fs, NULL, FS_ROOT, file, &st, FS_SET_SIZE,
					    &st),
				 -EBADF);
	fs_release(fs, file);
}

static void test_unknown_files(void **state)
{
	struct room *room = *state;
	struct fs_open_file good = open_node(room, known(room, "a"));
	struct fs_open_file gone = open_node(room, lookup(room, "a").node);

	fs_release(room->fs, gone.number);
	expect_bad(room->fs, 0);
	expect_bad(room->fs, 99);
	expect_bad(room->fs, UINT64_MAX);
	expect_bad(room->fs, gone.number);
	assert_int_equal(fs_copy(room->fs, good.number, 0, 99, 0, 1), -EBADF);
	assert_int_equal(fs_copy(room->fs, 99, 0, good.number, 0, 1), -EBADF);
	fs_release(room->fs, good.number);
	/* A second release does not reach the next user of the place. */
	gone = open_node(room, lookup(room, "a").node);
	fs_release(room->fs, good.number);
	assert_int_equal(fs_fsync(room->fs, gone.number, false), 0);
	fs_release(room->fs, gone.number);
}

static void test_many_times(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file;

	for (int i = 0; i < 1000; i++) {
		file = open_node(room, node);
		assert_int_equal(file.backing_id, 1);
		fs_release(room->fs, file.number);
	}
	assert_true(room->fs->files.n >= 1 && room->fs->files.n <= 64);
	assert_int_equal(room->fake.files, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_open_as_the_caller),
		room_test(test_one_backing_id_for_all_opens),
		room_test(test_an_id_for_each_node),
		room_test(test_one_id_for_two_names),
		room_test(test_refused_backing_is_direct),
		room_test(test_failed_backing_fails_the_open),
		room_test(test_failed_backing_fails_the_creation),
		room_test(test_failed_creation_keeps_what_was_there),
		room_test(test_no_room_lets_go_of_handles),
		room_test(test_without_backing),
		room_test(test_failed_open),
		room_test(test_appending),
		room_test(test_open_passes_flags),
		room_test(test_data),
		room_test(test_limits),
		room_test(test_unknown_files),
		room_test(test_many_times),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL) != 0;
}
