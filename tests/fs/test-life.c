/* SPDX-License-Identifier: MIT */
/* How a file system begins and ends; the fixture counts what is left of it. */
#include <sys/file.h>
#include <sys/resource.h>

#include "fixture.h"
#include "fs/internal.h"

static void test_empty(void **state)
{
	struct room *room = *state;
	struct stat st;

	assert_int_equal(fs_getattr(room->fs, &somebody, FS_ROOT, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_null(fs_free(NULL));
}

/* An unmount tells neither of nodes to forget nor of files to release. */
static void test_end_with_everything_open(void **state)
{
	struct flock lock = { .l_type = F_WRLCK };
	struct room *room = *state;
	struct fs_open_file file;
	struct fs_busy busy;
	struct fs_entry e;
	uint64_t dir;

	fake_add(&room->fake, "a");
	for (int i = 0; i < 3; i++) {
		file = open_node(room, lookup(room, "a").node);
		busy.file = NULL;
		assert_int_equal(fs_setlk(room->fs, &somebody, file.number, (uint64_t)i,
					  i, &lock, &busy),
				 i == 0 ? 0 : -EAGAIN);
		native_file_unref(busy.file);
	}
	assert_int_equal(fs_flock(room->fs, &somebody, file.number, LOCK_EX, &busy), 0);
	assert_int_equal(fs_create(room->fs, &somebody, "b", O_RDWR, 0600, &e, &file), 0);
	assert_int_equal(fs_unlink(room->fs, &somebody, "b"), 0);
	fs_forget(room->fs, e.node, 1);
	assert_int_equal(fs_opendir(room->fs, &somebody, &dir), 0);
	assert_int_equal(fs_opendir(room->fs, &somebody, &dir), 0);
	fs_releasedir(room->fs, dir);
	assert_true(room->fake.files > 5 && room->fake.backings == 2);
}

static void test_generations(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	assert_int_equal(lookup(room, "a").generation, room->fs->generation);
}

/* Where no descriptor is to be had, what was not taken over is still the caller's. */
static void test_failed_start(void **state)
{
	struct rlimit before, none;
	struct fs_config config;
	struct fs *fs = NULL;
	struct fake fake;
	int r;

	(void)state;
	fake_init(&fake);
	config = (struct fs_config){ .kind = &fake.kind };
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = fs_new(&config, &fs);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	assert_null(fs);
	assert_int_equal(fake.freed, 0);
	assert_null(kind_free(&fake.kind));
	fake_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_empty),
		room_test(test_end_with_everything_open),
		room_test(test_generations),
		cmocka_unit_test(test_failed_start),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL) != 0;
}
