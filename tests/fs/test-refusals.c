/* SPDX-License-Identifier: MIT */
/* Names that the kernel keeps and that lead elsewhere by now: who is refused, and who,
 * coming back, is not. */
#include "fixture.h"
#include "fs/internal.h"

static const struct caller asking = { .uid = 1000, .gid = 1000, .thread = 11 };
static const struct caller other = { .uid = 1000, .gid = 1000, .thread = 12 };

static int try_open(struct room *room, const struct caller *caller, uint64_t node)
{
	struct fs_open_file file;
	int r = fs_open(room->fs, caller, node, O_RDWR, &file);

	if (r == 0)
		fs_release(room->fs, file.number);
	return r;
}

static int try_truncate(struct room *room, uint64_t node, uint64_t file)
{
	struct stat st = { .st_size = 3 };

	return fs_setattr(room->fs, &asking, node, file, &st, FS_SET_SIZE, &st);
}

static int try_chmod(struct room *room, uint64_t node)
{
	struct stat st = { .st_mode = 0600 };

	return fs_setattr(room->fs, &asking, node, 0, &st, FS_SET_MODE, &st);
}

static struct fs_entry look(struct room *room, const char *name)
{
	struct fs_entry e = { .node = 0 };

	assert_int_equal(fs_lookup(room->fs, &asking, name, &e), 0);
	return e;
}

/* A node called "a" with an open file, whose name leads to another object by now. */
static uint64_t replaced(struct room *room, struct fs_open_file *file)
{
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	*file = open_node(room, node);
	fake_replace(&room->fake, "a");
	return node;
}

static void test_former_name_is_refused(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file);

	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	/* The kernel looks it up again, and finds the one that is there. */
	assert_int_not_equal(look(room, "a").node, node);
	assert_int_equal(try_open(room, &asking, look(room, "a").node), 0);
	/* All over again for the next. */
	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	fs_release(room->fs, file.number);
}

static int try_link(struct room *room, uint64_t node, const char *name)
{
	struct fs_entry e;

	return fs_link(room->fs, &asking, node, name, &e);
}

/* The kernel looks up both names again, the new one last. */
static void test_link_comes_back(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file), found;
	struct fs_entry e;

	assert_int_equal(try_link(room, node, "b"), -ESTALE);
	found = look(room, "a").node;
	assert_int_equal(fs_lookup(room->fs, &asking, "b", &e), -ENOENT);
	assert_int_equal(try_link(room, found, "b"), 0);
	assert_ptr_equal(fake_find(&room->fake, "b"), fake_find(&room->fake, "a"));
	/* By way of an open file only that one; here it is of what is removed. */
	assert_int_equal(try_link(room, node, "c"), -ESTALE);
	assert_int_equal(fs_lookup(room->fs, &asking, "c", &e), -ENOENT);
	assert_int_equal(try_link(room, node, "c"), -ENOENT);
	/* Nor does it come back where the new name is there, or cannot be looked up. */
	assert_int_equal(try_link(room, node, "b"), -ESTALE);
	look(room, "b");
	assert_int_equal(try_link(room, node, "c"), -ESTALE);
	fake_fail(&room->fake, FAKE_LOOKUP, 1, -EACCES);
	assert_int_equal(fs_lookup(room->fs, &asking, "c", &e), -EACCES);
	assert_int_equal(try_link(room, node, "c"), -ESTALE);
	assert_int_equal(fs_lookup(room->fs, &asking, "missing", &e), -ENOENT);
	/* Where the old name leads nowhere it does not come back. */
	assert_int_equal(try_link(room, node, "c"), -ESTALE);
	assert_int_equal(fs_lookup(room->fs, &asking, "missing", &e), -ENOENT);
	assert_int_equal(try_link(room, node, "c"), -ESTALE);
	fs_release(room->fs, file.number);
}

/*
 * One of three names is gone, of which the kernel was not told yet. By the other one it
 * is truncated after a refusal, also if the kernel asks for capabilities before that.
 */
static void test_other_name_comes_back(void **state)
{
	struct room *room = *state;
	struct fs_entry e;
	uint64_t node;

	fake_add(&room->fake, "a");
	fake_link(&room->fake, "a", "b");
	fake_link(&room->fake, "a", "c");
	node = look(room, "a").node;
	look(room, "b");
	fake_take(&room->fake, "b");
	assert_int_equal(fs_getxattr(room->fs, &asking, node, "security.capability", NULL,
				     0),
			 -ESTALE);
	assert_int_equal(try_truncate(room, node, 0), -ESTALE);
	assert_int_equal(look(room, "a").node, node);
	assert_int_equal(fs_getxattr(room->fs, &asking, node, "security.capability", NULL,
				     0),
			 -ENODATA);
	/* Somebody removes what was looked up by another name. */
	recent_drop(&room->fs->recent, NULL);
	assert_int_equal(try_truncate(room, node, 0), 0);
	/* For that once. */
	assert_int_equal(try_truncate(room, node, 0), -ESTALE);
	/* What is removed here is known to be. */
	fake_link(&room->fake, "a", "b");
	assert_int_equal(fs_lookup(room->fs, &asking, "b", &e), 0);
	assert_int_equal(fs_unlink(room->fs, &asking, "b"), 0);
	assert_int_equal(try_truncate(room, node, 0), 0);
}

/* By way of an open file it is opened whatever its name: it comes without a lookup. */
static void test_open_file_comes_back(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file);

	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	assert_int_equal(try_open(room, &other, node), -ESTALE);
	assert_int_equal(try_open(room, &asking, node), 0);
	assert_int_equal(try_open(room, &other, node), 0);
	assert_int_equal(try_truncate(room, node, 0), -ESTALE);
	assert_int_equal(try_truncate(room, node, 0), 0);
	fs_release(room->fs, file.number);
	/* Nothing leads to it any more. */
	expire(room);
	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	assert_int_equal(try_open(room, &asking, node), -ESTALE);
}

/* What was just looked up is opened, even if it lost its name since. */
static void test_replaced_once_more(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file);
	uint64_t second;

	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	second = look(room, "a").node;
	fake_replace(&room->fake, "a");
	assert_int_equal(try_open(room, &asking, second), 0);
	/* But only by the one who looked, and once. */
	assert_int_equal(try_open(room, &asking, second), -ESTALE);
	assert_int_equal(try_open(room, &other, second), -ESTALE);
	fs_release(room->fs, file.number);
}

/* A lookup of something else, or of nothing, is not that. */
static void test_other_lookups(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file);
	struct fs_entry e;

	fake_add(&room->fake, "b");
	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	look(room, "b");
	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	assert_int_equal(fs_lookup(room->fs, &asking, "z", &e), -ENOENT);
	assert_int_equal(try_open(room, &asking, node), -ESTALE);
	fs_release(room->fs, file.number);
}

/* What else is refused does not come back: the next request is a new one. */
static void test_other_requests(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file);
	struct stat st;
	char value[8];

	/* The node's own file answers where a file is open. */
	assert_int_equal(fs_getattr(room->fs, &asking, node, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(try_chmod(room, node), 0);
	assert_int_equal(try_truncate(room, node, file.number), 0);
	fs_release(room->fs, file.number);
	assert_int_equal(fs_getxattr(room->fs, &asking, node, "user.a", value, 8),
			 -ESTALE);
	assert_int_equal(try_truncate(room, node, 0), -ESTALE);
	assert_int_equal(try_chmod(room, node), -ESTALE);
	assert_int_equal(fs_getattr(room->fs, &asking, node, &st), -ESTALE);
	assert_int_equal(fs_access(room->fs, &asking, node, R_OK), -ESTALE);
}

static void test_refusal_is_no_permission(void **state)
{
	struct room *room = *state;
	uint64_t node;

	fake_add(&room->fake, "a");
	node = lookup(room, "a").node;
	fake_fail(&room->fake, FAKE_LOOKUP, 1, -EACCES);
	assert_int_equal(try_open(room, &asking, node), -EACCES);
	assert_int_equal(try_open(room, &asking, node), 0);
	assert_ptr_equal(room->fake.callers[FAKE_LOOKUP], &asking);
	assert_int_equal(try_open(room, &asking, 99), -ESTALE);
	assert_int_equal(try_open(room, &asking, 99), -ESTALE);
}

/* Who asks from elsewhere has no number; many share a place. */
static void test_many_threads(void **state)
{
	struct room *room = *state;
	struct fs_open_file file;
	uint64_t node = replaced(room, &file);

	for (pid_t i = 0; i < 3 * REFUSALS; i++) {
		const struct caller c = { .uid = 1, .gid = 1, .thread = i };

		assert_int_equal(try_open(room, &c, node), -ESTALE);
		assert_int_equal(try_open(room, &c, node), 0);
	}
	fs_release(room->fs, file.number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		keeping_test(test_former_name_is_refused),
		keeping_test(test_link_comes_back),
		keeping_test(test_other_name_comes_back),
		keeping_test(test_open_file_comes_back),
		keeping_test(test_replaced_once_more),
		keeping_test(test_other_lookups),
		keeping_test(test_other_requests),
		keeping_test(test_refusal_is_no_permission),
		keeping_test(test_many_threads),
	};

	return cmocka_run_group_tests_name("refusals", tests, NULL, NULL) != 0;
}
