/* SPDX-License-Identifier: MIT */
/* Directory streams: nothing is lost, nothing is given twice, no lookup leaks. */
#include "fixture.h"
#include "fs/internal.h"

/* A reply with so many places, as the kernel has them. */
struct reply {
	int room;
	int n;
	char names[FAKE_MAX][8];
	struct fs_entry entries[FAKE_MAX];
	int64_t next;
};

static bool fill(void *context, const char *name, const struct fs_entry *entry,
		 int64_t next)
{
	struct reply *reply = context;

	if (reply->n >= reply->room)
		return false;
	snprintf(reply->names[reply->n], sizeof(reply->names[0]), "%s", name);
	reply->entries[reply->n++] = *entry;
	reply->next = next;
	return true;
}

static uint64_t open_dir(struct room *room)
{
	uint64_t dir = 0;

	assert_int_equal(fs_opendir(room->fs, &somebody, &dir), 0);
	assert_int_not_equal(dir, 0);
	assert_ptr_equal(room->fake.callers[FAKE_LIST_OPEN], &somebody);
	return dir;
}

static int read_dir(struct room *room, uint64_t dir, int64_t at, bool plus,
		    struct reply *ret)
{
	ret->n = 0;
	return fs_readdir(room->fs, &somebody, dir, at, plus, fill, ret);
}

static void add_names(struct room *room, int n)
{
	char name[8];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fake_add(&room->fake, name);
	}
}

static void forget_all(struct room *room, const struct reply *reply)
{
	for (int i = 0; i < reply->n; i++)
		if (reply->entries[i].node)
			fs_forget(room->fs, reply->entries[i].node, 1);
}

static void test_plain(void **state)
{
	struct reply reply = { .room = FAKE_MAX };
	struct room *room = *state;
	uint64_t dir;

	add_names(room, 3);
	dir = open_dir(room);
	assert_int_equal(read_dir(room, dir, 0, false, &reply), 0);
	assert_int_equal(reply.n, 5);
	assert_string_equal(reply.names[0], ".");
	assert_string_equal(reply.names[1], "..");
	assert_string_equal(reply.names[4], "n2");
	assert_true(S_ISDIR(reply.entries[0].attr.st_mode));
	assert_true(S_ISREG(reply.entries[4].attr.st_mode));
	assert_int_equal(reply.entries[4].attr.st_ino,
			 fake_find(&room->fake, "n2")->info.stat.st_ino);
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 0);
	assert_int_equal(read_dir(room, dir, reply.next, false, &reply), 0);
	assert_int_equal(reply.n, 0);
	fs_releasedir(room->fs, dir);
	assert_int_equal(room->fake.lists, 0);
}

static void test_plus(void **state)
{
	struct reply reply = { .room = FAKE_MAX };
	struct room *room = *state;
	struct fake_object *o;
	uint64_t dir;

	add_names(room, 3);
	o = fake_find(&room->fake, "n1");
	o->info.stat.st_size = 5;
	dir = open_dir(room);
	assert_int_equal(read_dir(room, dir, 0, true, &reply), 0);
	assert_int_equal(reply.n, 5);
	assert_int_equal(reply.entries[0].node, 0);
	assert_int_equal(reply.entries[1].node, 0);
	assert_int_not_equal(reply.entries[2].node, 0);
	assert_int_equal(reply.entries[3].attr.st_size, 5);
	assert_int_not_equal(reply.entries[3].generation, 0);
	assert_ptr_equal(room->fake.callers[FAKE_LOOKUP], &somebody);
	assert_int_equal(room->fs->nodes.used, 4);
	forget_all(room, &reply);
	assert_int_equal(room->fs->nodes.used, 1);
	fs_releasedir(room->fs, dir);
}

/* However few places a reply has, each entry is given once, and each lookup counted. */
static void read_in_pieces(struct room *room, bool plus, int places)
{
	struct reply reply = { .room = places };
	uint64_t dir = open_dir(room);
	bool seen[10] = { false };
	int n = 0;

	do {
		assert_int_equal(read_dir(room, dir, reply.next, plus, &reply), 0);
		for (int i = 0; i < reply.n; i++) {
			if (reply.names[i][0] != 'n')
				continue;
			assert_false(seen[reply.names[i][1] - '0']);
			seen[reply.names[i][1] - '0'] = true;
			n++;
		}
		forget_all(room, &reply);
	} while (reply.n > 0);
	assert_int_equal(n, 10);
	assert_int_equal(room->fs->nodes.used, 1);
	fs_releasedir(room->fs, dir);
}

static void test_in_pieces(void **state)
{
	struct room *room = *state;

	add_names(room, 10);
	for (int places = 1; places < 14; places++) {
		read_in_pieces(room, false, places);
		read_in_pieces(room, true, places);
	}
}

static void test_no_room_at_all(void **state)
{
	struct reply reply = { .room = 0 };
	struct room *room = *state;
	uint64_t dir;

	add_names(room, 1);
	dir = open_dir(room);
	assert_int_equal(read_dir(room, dir, 2, true, &reply), 0);
	assert_int_equal(room->fs->nodes.used, 1);
	fs_releasedir(room->fs, dir);
}

static void test_comes_and_goes(void **state)
{
	struct reply reply = { .room = 5 };
	struct room *room = *state;
	uint64_t dir;

	add_names(room, 6);
	dir = open_dir(room);
	assert_int_equal(read_dir(room, dir, 0, false, &reply), 0);
	assert_string_equal(reply.names[4], "n2");
	fake_take(&room->fake, "n0");
	fake_take(&room->fake, "n2");
	fake_take(&room->fake, "n3");
	fake_add(&room->fake, "new");
	assert_int_equal(read_dir(room, dir, reply.next, false, &reply), 0);
	assert_int_equal(reply.n, 3);
	assert_string_equal(reply.names[0], "n4");
	assert_string_equal(reply.names[1], "n5");
	assert_string_equal(reply.names[2], "new");
	/* rewinddir() */
	assert_int_equal(read_dir(room, dir, 2, false, &reply), 0);
	assert_string_equal(reply.names[0], "n1");
	fs_releasedir(room->fs, dir);
}

/* Listed, but gone when its attributes are asked for: as if it had gone before. */
static void test_plus_of_a_vanished_object(void **state)
{
	struct reply reply = { .room = FAKE_MAX };
	struct room *room = *state;
	uint64_t dir;

	add_names(room, 3);
	dir = open_dir(room);
	fake_fail(&room->fake, FAKE_LOOKUP, 2, -ENOENT);
	assert_int_equal(read_dir(room, dir, 2, true, &reply), 0);
	assert_true(room->fake.failed);
	assert_int_equal(reply.n, 2);
	assert_string_equal(reply.names[0], "n0");
	assert_string_equal(reply.names[1], "n2");
	forget_all(room, &reply);
	assert_int_equal(room->fs->nodes.used, 1);
	fs_releasedir(room->fs, dir);
}

/* An error behind entries that were given comes the next time; nothing is lost. */
static void error_in_the_middle(struct room *room)
{
	struct reply reply = { .room = FAKE_MAX };
	uint64_t dir = open_dir(room);
	int64_t at;

	fake_fail(&room->fake, FAKE_LIST_NEXT, 3, -EIO);
	assert_int_equal(read_dir(room, dir, 2, true, &reply), 0);
	assert_int_equal(reply.n, 2);
	forget_all(room, &reply);
	at = reply.next;
	fake_fail(&room->fake, FAKE_LIST_NEXT, 1, -EIO);
	assert_int_equal(read_dir(room, dir, at, true, &reply), -EIO);
	assert_int_equal(reply.n, 0);
	assert_int_equal(read_dir(room, dir, at, true, &reply), 0);
	assert_int_equal(reply.n, 2);
	assert_string_equal(reply.names[0], "n2");
	forget_all(room, &reply);
	assert_int_equal(room->fs->nodes.used, 1);
	fs_releasedir(room->fs, dir);
}

static void test_errors_in_the_middle(void **state)
{
	struct room *room = *state;

	add_names(room, 4);
	error_in_the_middle(room);
}

/* What can be listed but not looked up is listed, without a node. */
static void test_lookup_that_fails(void **state)
{
	struct reply reply = { .room = FAKE_MAX };
	struct room *room = *state;
	uint64_t dir;

	add_names(room, 3);
	dir = open_dir(room);
	fake_fail(&room->fake, FAKE_LOOKUP, 2, -EACCES);
	assert_int_equal(read_dir(room, dir, 2, true, &reply), 0);
	assert_int_equal(reply.n, 3);
	assert_int_equal(room->fs->nodes.used, 1 + 2);
	forget_all(room, &reply);
	assert_int_equal(room->fs->nodes.used, 1);
	fs_releasedir(room->fs, dir);
}

static struct fake *vanisher;

/* Takes away what is listed at the moment it is looked up. */
static int lookup_fails(struct kind *k, const struct caller *c, const char *name,
			struct native_file **ret, struct object_info *ret_info)
{
	(void)k;
	(void)c;
	(void)ret;
	(void)ret_info;
	vanisher->calls[FAKE_LOOKUP]++;
	(void)name;
	return -ENOENT;
}

/*
 * A reply without an entry is the end of the directory to the kernel: an error must not
 * become one, also where all that came before it had vanished.
 */
static void test_error_behind_the_vanished(void **state)
{
	struct reply reply = { .room = FAKE_MAX };
	struct kind_ops ops = fake_kind;
	struct room *room = *state;
	uint64_t dir;
	int r;

	add_names(room, 3);
	dir = open_dir(room);
	vanisher = &room->fake;
	ops.lookup = lookup_fails;
	room->fake.kind.ops = &ops;
	fake_fail(&room->fake, FAKE_LIST_NEXT, 3, -EIO);
	r = read_dir(room, dir, 2, true, &reply);
	room->fake.kind.ops = &fake_kind;
	assert_int_equal(room->fake.calls[FAKE_LOOKUP], 2);
	assert_int_equal(reply.n, 0);
	assert_int_equal(r, -EIO);
	fs_releasedir(room->fs, dir);
}

static void test_two_streams(void **state)
{
	struct reply one = { .room = 1 }, two = { .room = 1 };
	struct room *room = *state;
	uint64_t a, b;

	add_names(room, 2);
	a = open_dir(room);
	b = open_dir(room);
	assert_int_not_equal(a, b);
	assert_int_equal(read_dir(room, a, 2, false, &one), 0);
	assert_int_equal(read_dir(room, b, 2, false, &two), 0);
	assert_string_equal(one.names[0], two.names[0]);
	fs_releasedir(room->fs, a);
	assert_int_equal(read_dir(room, b, two.next, false, &two), 0);
	assert_string_equal(two.names[0], "n1");
	fs_releasedir(room->fs, b);
}

static void test_unknown_streams(void **state)
{
	struct reply reply = { .room = 1 };
	struct room *room = *state;
	uint64_t dir = open_dir(room);

	assert_int_equal(read_dir(room, dir, -1, false, &reply), -EINVAL);
	fs_releasedir(room->fs, dir);
	assert_int_equal(read_dir(room, dir, 0, false, &reply), -EBADF);
	assert_int_equal(read_dir(room, 0, 0, false, &reply), -EBADF);
	assert_int_equal(read_dir(room, 99, 0, true, &reply), -EBADF);
	fs_releasedir(room->fs, dir);
	fs_releasedir(room->fs, 99);
}

static void test_refused_opendir(void **state)
{
	struct room *room = *state;
	uint64_t dir;

	fake_fail(&room->fake, FAKE_LIST_OPEN, 1, -EACCES);
	assert_int_equal(fs_opendir(room->fs, &somebody, &dir), -EACCES);
	assert_int_equal(room->fs->dirs.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_plain),
		room_test(test_plus),
		room_test(test_in_pieces),
		room_test(test_no_room_at_all),
		room_test(test_comes_and_goes),
		room_test(test_plus_of_a_vanished_object),
		room_test(test_errors_in_the_middle),
		room_test(test_lookup_that_fails),
		room_test(test_error_behind_the_vanished),
		room_test(test_two_streams),
		room_test(test_unknown_streams),
		room_test(test_refused_opendir),
	};

	return cmocka_run_group_tests_name("dir", tests, NULL, NULL) != 0;
}
