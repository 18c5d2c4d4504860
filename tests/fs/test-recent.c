/* SPDX-License-Identifier: MIT */
/* The handles of lookups: they bridge two requests, and then go. */
#include "fixture.h"
#include "fs/internal.h"

static void test_bridges_lookup_and_getattr(void **state)
{
	struct room *room = *state;
	struct fake_object *o = fake_add(&room->fake, "a");
	uint64_t node = lookup(room, "a").node;
	struct stat st;

	fake_replace(&room->fake, "a");
	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
	assert_int_equal(st.st_ino, o->info.stat.st_ino);
	assert_int_equal(st.st_nlink, 0);
}

static void test_bridges_lookup_and_open(void **state)
{
	struct room *room = *state;
	struct fake_object *o = fake_add(&room->fake, "a");
	uint64_t node = lookup(room, "a").node;
	struct fs_open_file file;

	fake_take(&room->fake, "a");
	file = open_node(room, node);
	assert_int_equal(fs_write(room->fs, file.number, "x", 1, 0, false), 1);
	assert_int_equal(o->data[0], 'x');
	fs_release(room->fs, file.number);
}

/* What was found by name once is found by its handle the next time. */
static void test_spares_lookups(void **state)
{
	struct room *room = *state;
	uint64_t node;
	struct stat st;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	expire(room);
	room->fake.calls[FAKE_LOOKUP] = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 1);
}

/* A name that still leads to the same object needs no second handle. */
static void test_keeps_what_is_still_there(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	room->fake.calls[FAKE_LOOKUP] = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(lookup(room, "a").node, node);
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 0);
	assert_int_equal(room->fake.handles, 1);
	fake_replace(&room->fake, "a");
	assert_int_not_equal(lookup(room, "a").node, node);
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 1);
}

/* That is asked as the caller, and where it cannot be known the name is looked up. */
static void test_asks_as_the_caller(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	lookup(room, "a");
	room->fake.calls[FAKE_LOOKUP] = 0;
	room->fake.callers[FAKE_IDENTIFY] = NULL;
	room->fake.callers[FAKE_LOOKUP] = NULL;
	fake_fail(&room->fake, FAKE_IDENTIFY, 1, -EACCES);
	lookup(room, "a");
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 1);
	assert_ptr_equal(room->fake.callers[FAKE_IDENTIFY], &somebody);
	assert_ptr_equal(room->fake.callers[FAKE_LOOKUP], &somebody);
}

static void test_expiry(void **state)
{
	struct pollfd timer = { .events = POLLIN };
	struct room *room = *state;

	timer.fd = fs_timer(room->fs);
	/* An idle file system wakes nobody. */
	assert_int_equal(poll(&timer, 1, 0), 0);
	fake_add(&room->fake, "a");
	lookup(room, "a");
	assert_int_equal(room->fake.handles, 1);
	assert_int_equal(poll(&timer, 1, 5000), 1);
	fs_expire(room->fs);
	expire(room);
	assert_int_equal(room->fake.handles, 0);
	/* Nor does one where nothing is left to let go of. */
	assert_int_equal(poll(&timer, 1, 3 * RECENT_LIFETIME_MS), 0);
	/* And the next lookup sets the timer again. */
	lookup(room, "a");
	expire(room);
}

/* What was looked up while the timer ran is let go of by the next one. */
static void test_expiry_of_the_late(void **state)
{
	struct pollfd timer = { .events = POLLIN };
	struct room *room = *state;

	timer.fd = fs_timer(room->fs);
	fake_add(&room->fake, "a");
	fake_add(&room->fake, "b");
	lookup(room, "a");
	do
		lookup(room, "b");
	while (poll(&timer, 1, 0) == 0);
	fs_expire(room->fs);
	expire(room);
}

static void test_expiry_too_early(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	lookup(room, "a");
	fs_expire(room->fs);
	assert_int_equal(room->fake.handles, 1);
}

static void test_a_name_is_dropped_by_unlink(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	fake_add(&room->fake, "b");
	lookup(room, "a");
	lookup(room, "b");
	assert_int_equal(fs_unlink(room->fs, &somebody, "a"), 0);
	assert_int_equal(room->fake.handles, 1);
}

static void test_few_are_kept(void **state)
{
	struct room *room = *state;

	fake_add(&room->fake, "a");
	/* Each time another number, so that each place is used. */
	for (int i = 0; i < 1000; i++)
		fs_forget(room->fs, lookup(room, "a").node, 1);
	assert_true(room->fake.handles >= 1 && room->fake.handles <= RECENT_MAX);
}

/* A place is shared by many numbers: the handle of one is never taken for another's. */
static void test_no_confusion(void **state)
{
	struct room *room = *state;
	char name[8];
	struct stat st;

	for (int i = 0; i < 60; i++) {
		struct fs_entry e;

		snprintf(name, sizeof(name), "n%d", i);
		fake_add(&room->fake, name);
		e = lookup(room, name);
		fs_forget(room->fs, e.node, i % 2);
		if (i % 2)
			continue;
		assert_int_equal(fs_getattr(room->fs, &somebody, e.node, &st), 0);
		assert_int_equal(st.st_ino, e.attr.st_ino);
	}
}

static void test_table(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct room *room = *state;
	struct object_info info;
	struct native_file *got;
	struct object_id id;
	struct recent r;

	fake_add(&room->fake, "a");
	assert_int_equal(kind_lookup(&room->fake.kind, NULL, "a", &handle, &info), 0);
	assert_int_equal(recent_init(&r), 0);
	assert_null(recent_get(&r, 5));
	recent_put(&r, 5, "a", &info.id, handle);
	assert_null(recent_get(&r, 5 + RECENT_MAX));
	got = recent_get(&r, 5);
	assert_ptr_equal(got, handle);
	native_file_unref(got);
	assert_null(recent_find(&r, "b", &id));
	got = recent_find(&r, "a", &id);
	assert_ptr_equal(got, handle);
	assert_memory_equal(&id, &info.id, sizeof(id));
	native_file_unref(got);
	recent_drop(&r, "b");
	assert_int_equal(atomic_load(&handle->refs), 2);
	recent_drop(&r, "a");
	assert_int_equal(atomic_load(&handle->refs), 1);
	assert_null(recent_get(&r, 5));
	recent_put(&r, 5, "a", &info.id, handle);
	recent_put(&r, 5 + RECENT_MAX, "a", &info.id, handle);
	assert_null(recent_get(&r, 5));
	assert_int_equal(atomic_load(&handle->refs), 2);
	recent_done(&r);
	assert_int_equal(atomic_load(&handle->refs), 1);
	recent_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_bridges_lookup_and_getattr),
		room_test(test_bridges_lookup_and_open),
		room_test(test_spares_lookups),
		room_test(test_keeps_what_is_still_there),
		room_test(test_asks_as_the_caller),
		room_test(test_expiry),
		room_test(test_expiry_of_the_late),
		room_test(test_expiry_too_early),
		room_test(test_a_name_is_dropped_by_unlink),
		room_test(test_few_are_kept),
		room_test(test_no_confusion),
		room_test(test_table),
	};

	return cmocka_run_group_tests_name("recent", tests, NULL, NULL) != 0;
}
