/* SPDX-License-Identifier: MIT */
/* Attributes: each part by itself, all at once, and what happens where one is refused. */
#include "fixture.h"

static uint64_t known(struct room *room, const char *name)
{
	fake_add(&room->fake, name);
	return lookup(room, name).node;
}

static int set(struct room *room, uint64_t node, uint64_t file, const struct stat *attr,
	       unsigned int what, struct stat *ret)
{
	return fs_setattr(room->fs, &somebody, node, file, attr, what, ret);
}

static const struct stat wanted = {
	.st_mode = S_IFREG | 07755,
	.st_uid = 11,
	.st_gid = 22,
	.st_size = 33,
	.st_atim = { 44, 55 },
	.st_mtim = { 66, 77 },
};

static void test_mode(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	/* An object has no more than the nine bits. */
	assert_int_equal(set(room, node, 0, &wanted, FS_SET_MODE, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_ptr_equal(room->fake.callers[FAKE_CHMOD], &somebody);
	assert_int_equal(room->fake.calls[FAKE_CHOWN], 0);
	assert_int_equal(room->fake.calls[FAKE_TRUNCATE], 0);
	assert_int_equal(room->fake.calls[FAKE_UTIMENS], 0);
}

static void test_mode_of_the_root(void **state)
{
	struct stat st = { .st_mode = S_IFDIR | S_ISVTX | 0770 };
	struct room *room = *state;

	assert_int_equal(set(room, FS_ROOT, 0, &st, FS_SET_MODE, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | S_ISVTX | 0770);
	st.st_mode |= S_ISGID;
	assert_int_equal(set(room, FS_ROOT, 0, &st, FS_SET_MODE, &st), -EPERM);
}

static void test_owner(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	assert_int_equal(set(room, node, 0, &wanted, FS_SET_UID, &st), 0);
	assert_int_equal(st.st_uid, 11);
	assert_int_equal(st.st_gid, 0);
	assert_int_equal(set(room, node, 0, &wanted, FS_SET_GID, &st), 0);
	assert_int_equal(st.st_gid, 22);
	assert_ptr_equal(room->fake.callers[FAKE_CHOWN], &somebody);
	assert_int_equal(room->fake.calls[FAKE_CHMOD], 0);
	/* Both are one call, which is granted or refused as a whole. */
	assert_int_equal(set(room, node, 0, &wanted, FS_SET_UID | FS_SET_GID, &st), 0);
	assert_int_equal(room->fake.calls[FAKE_CHOWN], 3);
}

static void test_size_by_name(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	assert_int_equal(set(room, node, 0, &wanted, FS_SET_SIZE, &st), 0);
	assert_int_equal(st.st_size, 33);
	assert_ptr_equal(room->fake.callers[FAKE_TRUNCATE], &somebody);
	assert_int_equal(room->fake.calls[FAKE_RESIZE], 0);
}

/* By a file that is open for writing whatever the object's mode is by now. */
static void test_size_by_file(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct fs_open_file file = open_node(room, node);
	struct stat st;

	assert_int_equal(set(room, node, file.number, &wanted, FS_SET_SIZE, &st), 0);
	assert_int_equal(st.st_size, 33);
	assert_int_equal(room->fake.calls[FAKE_TRUNCATE], 0);
	assert_int_equal(room->fake.calls[FAKE_RESIZE], 1);
	fs_release(room->fs, file.number);
	assert_int_equal(set(room, node, file.number, &wanted, FS_SET_SIZE, &st), -EBADF);
}

static void test_bad_sizes(void **state)
{
	struct stat minus = { .st_size = -1 };
	struct stat large = { .st_size = 257 };
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	assert_int_equal(set(room, node, 0, &minus, FS_SET_SIZE, &st), -EINVAL);
	assert_int_equal(set(room, node, 0, &large, FS_SET_SIZE, &st), -ENOSPC);
	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void expect_times(const struct room *room, struct timespec a, struct timespec m)
{
	const struct timespec *t = room->fake.times;

	assert_int_equal(t[0].tv_nsec, a.tv_nsec);
	assert_int_equal(t[1].tv_nsec, m.tv_nsec);
	if (a.tv_nsec != UTIME_NOW && a.tv_nsec != UTIME_OMIT)
		assert_int_equal(t[0].tv_sec, a.tv_sec);
	if (m.tv_nsec != UTIME_NOW && m.tv_nsec != UTIME_OMIT)
		assert_int_equal(t[1].tv_sec, m.tv_sec);
}

static void test_times(void **state)
{
	const struct timespec now = { 0, UTIME_NOW }, omit = { 0, UTIME_OMIT };
	const struct {
		unsigned int what;
		struct timespec a, m;
	} table[] = {
		{ FS_SET_ATIME, wanted.st_atim, omit },
		{ FS_SET_MTIME, omit, wanted.st_mtim },
		{ FS_SET_ATIME | FS_SET_MTIME, wanted.st_atim, wanted.st_mtim },
		{ FS_SET_ATIME_NOW, now, omit },
		{ FS_SET_MTIME_NOW, omit, now },
		/* As the kernel sends it: both bits. */
		{ FS_SET_ATIME | FS_SET_ATIME_NOW | FS_SET_MTIME | FS_SET_MTIME_NOW, now,
		  now },
		{ FS_SET_ATIME_NOW | FS_SET_MTIME, now, wanted.st_mtim },
	};
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(set(room, node, 0, &wanted, table[i].what, &st), 0);
		expect_times(room, table[i].a, table[i].m);
		assert_int_equal(room->fake.calls[FAKE_UTIMENS], i + 1);
	}
	assert_ptr_equal(room->fake.callers[FAKE_UTIMENS], &somebody);
}

/* Who may write may truncate, but only the owner may set the time to what is given. */
static void test_size_sets_its_time_by_itself(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	assert_int_equal(set(room, node, 0, &wanted,
			     FS_SET_SIZE | FS_SET_MTIME | FS_SET_MTIME_NOW, &st),
			 0);
	assert_int_equal(room->fake.calls[FAKE_UTIMENS], 0);
	assert_int_equal(set(room, node, 0, &wanted, FS_SET_SIZE | FS_SET_MTIME, &st), 0);
	assert_int_equal(room->fake.calls[FAKE_UTIMENS], 1);
}

static void test_all_at_once(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st;

	assert_int_equal(set(room, node, 0, &wanted,
			     FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_SIZE |
				     FS_SET_ATIME | FS_SET_MTIME,
			     &st),
			 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(st.st_uid, 11);
	assert_int_equal(st.st_gid, 22);
	assert_int_equal(st.st_size, 33);
	expect_times(room, wanted.st_atim, wanted.st_mtim);
}

/* The first refusal ends the request, and what comes behind it is not tried. */
static void test_partial_failure(void **state)
{
	static const struct {
		enum fake_op op, next;
	} table[] = {
		{ FAKE_CHOWN, FAKE_CHMOD },      { FAKE_CHMOD, FAKE_TRUNCATE },
		{ FAKE_TRUNCATE, FAKE_UTIMENS }, { FAKE_UTIMENS, FAKE_STAT },
		{ FAKE_STAT, FAKE_READ },
	};
	struct room *room = *state;
	uint64_t node = known(room, "a");
	struct stat st = { .st_size = -7 };

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		unsigned int before = room->fake.calls[table[i].next];

		fake_fail(&room->fake, table[i].op, 1, -EPERM);
		assert_int_equal(
			set(room, node, 0, &wanted,
			    FS_SET_MODE | FS_SET_UID | FS_SET_SIZE | FS_SET_ATIME, &st),
			-EPERM);
		assert_true(room->fake.failed);
		assert_int_equal(room->fake.calls[table[i].next], before);
		assert_int_equal(st.st_size, -7);
	}
}

/* Nothing to set is the kernel asking to drop what a mode grants, after a write. */
static void expect_dropped(struct room *room, mode_t before, mode_t after)
{
	struct fake_object *o = fake_find(&room->fake, "a");
	struct stat st;

	o->info.stat.st_mode = S_IFREG | before;
	assert_int_equal(
		set(room, lookup(room, "a").node, 0, &(struct stat){ 0 }, 0, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | after);
}

static void test_nothing_set_drops_privileges(void **state)
{
	struct room *room = *state;

	known(room, "a");
	expect_dropped(room, 0755, 0755);
	expect_dropped(room, 0644, 0644);
	/* Without a group that executes, the bit grants nothing. */
	expect_dropped(room, 02644, 02644);
	assert_int_equal(room->fake.calls[FAKE_CHMOD], 0);
	expect_dropped(room, 04755, 0755);
	expect_dropped(room, 02755, 0755);
	expect_dropped(room, 06777, 0777);
	expect_dropped(room, 06701, 02701);
	/* Not as the caller, who need not own the object. */
	assert_null(room->fake.callers[FAKE_CHMOD]);
	assert_int_equal(room->fake.calls[FAKE_CHMOD], 4);
	assert_int_equal(room->fake.calls[FAKE_UTIMENS], 0);
}

static int deny(struct native_file *f, const struct caller *caller, int mask)
{
	(void)f;
	(void)caller;
	(void)mask;
	return -EACCES;
}

/* Who may not write can change them as their owner only, and is refused nothing. */
static void test_nothing_set_without_the_right_to_write(void **state)
{
	struct kind_ops ops = fake_kind;
	struct room *room = *state;

	known(room, "a");
	ops.access = deny;
	room->fake.kind.ops = &ops;
	expect_dropped(room, 06777, 0777);
	assert_ptr_equal(room->fake.callers[FAKE_CHMOD], &somebody);
	fake_fail(&room->fake, FAKE_CHMOD, 1, -EPERM);
	expect_dropped(room, 06777, 06777);
	room->fake.kind.ops = &fake_kind;
}

static void test_access(void **state)
{
	struct room *room = *state;
	uint64_t node = known(room, "a");

	assert_int_equal(fs_access(room->fs, &somebody, node, R_OK), 0);
	assert_int_equal(fs_access(room->fs, &somebody, node, X_OK), -EACCES);
	assert_ptr_equal(room->fake.callers[FAKE_ACCESS], &somebody);
	assert_int_equal(fs_access(room->fs, &somebody, FS_ROOT, X_OK), 0);
}

static void test_statfs(void **state)
{
	struct room *room = *state;
	struct statvfs st;

	assert_int_equal(fs_statfs(room->fs, &st), 0);
	assert_int_equal(st.f_bsize, 4096);
	fake_fail(&room->fake, FAKE_STATFS, 1, -EIO);
	assert_int_equal(fs_statfs(room->fs, &st), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_mode),
		room_test(test_mode_of_the_root),
		room_test(test_owner),
		room_test(test_size_by_name),
		room_test(test_size_by_file),
		room_test(test_bad_sizes),
		room_test(test_times),
		room_test(test_size_sets_its_time_by_itself),
		room_test(test_all_at_once),
		room_test(test_partial_failure),
		room_test(test_nothing_set_drops_privileges),
		room_test(test_nothing_set_without_the_right_to_write),
		room_test(test_access),
		room_test(test_statfs),
	};

	return cmocka_run_group_tests_name("attr", tests, NULL, NULL) != 0;
}
