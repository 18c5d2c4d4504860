/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of a whole scenario fails in turn. The linker leads every call of the
 * functions below to the program's own.
 */
#include <stdlib.h>

#include "fs/internal.h"
#include "scenario.h"

static unsigned int fail_at; /* 1: the next; 0: none */
static bool failed;

static bool refuse(void)
{
	if (fail_at == 0 || --fail_at > 0)
		return false;
	failed = true;
	return true;
}

/* Names that the linker gives. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
	return refuse() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return refuse() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return refuse() ? NULL : __real_strdup(s);
}

/* What a request may say where memory ran out in it. */
static void check(struct story *s, const struct step *step, int r)
{
	bool told = r == -ENOMEM ||
		    (r == -ENOLCK && step->forgives & UINT64_C(1) << FAKE_OPEN);

	if (!failed && r == 0)
		return;
	if (!failed || (!told && !(r == 0 && step->forgives)))
		fail_msg("%s: %d", step->name, r);
	if (told) {
		r = step->run(s);
		if (r != 0)
			fail_msg("%s after a failure: %d", step->name, r);
	}
	failed = false;
}

/* Returns whether there was an allocation @nth. */
static bool run(unsigned int nth, bool keeps)
{
	static struct room room;
	struct story s;
	bool more;

	room_enter_with(&room, keeps);
	story_begin(&s, &room);
	failed = false;
	fail_at = nth;
	for (const struct step *step = steps; step->name; step++) {
		int r = step->run(&s);

		check(&s, step, r);
	}
	more = fail_at == 0;
	fail_at = 0;
	assert_int_equal(room.fs->files.used, 0);
	assert_int_equal(room.fs->dirs.used, 0);
	assert_int_equal(room.fs->open.taken, 0);
	room_leave(&room);
	return more;
}

static void test_each_allocation_fails(void **state)
{
	unsigned int n;

	(void)state;
	for (int keeps = 0; keeps < 2; keeps++) {
		for (n = 1; run(n, keeps);)
			n++;
		assert_true(n >= 30 && n <= 200);
	}
}

static void check_start(bool keeps, unsigned int allocations)
{
	struct fs_config config;
	struct fs *fs = NULL;
	struct fake fake;
	unsigned int n;
	int r;

	fake_init(&fake);
	config = (struct fs_config){ .kind = &fake.kind, .keeps = keeps };
	for (n = 1;; n++) {
		fail_at = n;
		r = fs_new(&config, &fs);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(fs);
		assert_int_equal(fake.freed, 0);
	}
	fail_at = 0;
	assert_int_equal(n, allocations + 1);
	fs_free(fs);
	fake_done(&fake);
}

static void test_each_allocation_of_a_start_fails(void **state)
{
	(void)state;
	check_start(false, 4);
	check_start(true, 5);
}

/* A node whose new name did not fit into memory is stale, not somebody else. */
static void test_name_of_a_renamed_node(void **state)
{
	struct room *room = *state;
	uint64_t node;
	struct stat st;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	/* The handle, then the name. */
	fail_at = 2;
	assert_int_equal(fs_rename(room->fs, &somebody, "a", "b", 0), 0);
	assert_int_equal(fail_at, 0);
	fake_add(&room->fake, "a");
	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), -ESTALE);
	assert_int_equal(lookup(room, "b").node, node);
	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
}

/* Tables that cannot grow refuse what is new, and keep what they have. */
static void test_full_tables(void **state)
{
	struct room *room = *state;
	struct fs_open_file files[64], more;
	struct stat st;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	for (int i = 0; i < 64; i++)
		files[i] = open_node(room, node);
	/* The file of the kind, the open file, the table. */
	fail_at = 3;
	assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR, &more), -ENOMEM);
	assert_int_equal(room->fake.files, 64);
	assert_int_equal(fs_getattr(room->fs, &somebody, node, &st), 0);
	more = open_node(room, node);
	for (int i = 0; i < 64; i++)
		fs_release(room->fs, files[i].number);
	assert_int_equal(fs_fsync(room->fs, more.number, false), 0);
	fs_release(room->fs, more.number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation_fails),
		cmocka_unit_test(test_each_allocation_of_a_start_fails),
		room_test(test_name_of_a_renamed_node),
		room_test(test_full_tables),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL) != 0;
}
