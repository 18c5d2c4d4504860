/* SPDX-License-Identifier: MIT */
/* What the kernel may keep, and that it is told of all that ends it, in the right order.
 */
#include "fixture.h"
#include "fs/internal.h"

/* What was told: "NAME!", "*" for all names, "-" for having settled, nodes as "#a"... */
struct told {
	struct room *room;
	char text[65536];
	uint64_t nodes[26]; /* of which the letters stand for */
};

static void put(struct told *t, const char *text)
{
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s%s", n ? " " : "", text);
}

static void tell_name(void *context, const char *name)
{
	char text[260];

	snprintf(text, sizeof(text), "%s!", name);
	put(context, text);
}

static void tell_node(void *context, uint64_t node)
{
	struct told *t = context;
	char text[] = "#?";

	if (node == FS_ROOT)
		text[1] = '/';
	for (int i = 0; i < 26; i++)
		if (t->nodes[i] == node)
			text[1] = (char)('a' + i);
	put(t, text);
}

static void tell_names(void *context)
{
	put(context, "*");
}

static void settle(void *context)
{
	put(context, "-");
}

static int tell(struct told *t)
{
	const struct fs_listener listener = {
		.name = tell_name,
		.node = tell_node,
		.names = tell_names,
		.settle = settle,
		.context = t,
	};

	t->text[0] = '\0';
	return fs_tell_changes(t->room->fs, &listener);
}

#define expect_told(t, expected)                          \
	do {                                              \
		assert_int_equal(tell(t), 0);             \
		assert_string_equal((t)->text, expected); \
	} while (0)

static struct told *told_in(void **state)
{
	static struct told told;

	told = (struct told){ .room = *state };
	return &told;
}

static void event(struct told *t, const char *name, unsigned int what)
{
	fake_event_of(&t->room->fake, name, what);
}

/* Makes an object called by the letter @name, and looks it up. */
static uint64_t make(struct told *t, const char *name)
{
	fake_add(&t->room->fake, name);
	return t->nodes[name[0] - 'a'] = lookup(t->room, name).node;
}

static bool keeps(struct told *t, uint64_t node)
{
	struct stat st;

	assert_int_equal(fs_getattr(t->room->fs, &somebody, node, &st), 0);
	return fs_keeps(t->room->fs, node, &st);
}

/*
 * While a batch is told, after it has settled: an object comes by the name that the batch
 * is about, is looked up, and goes again.
 */
static void come_and_go(void *context, const char *name)
{
	struct told *t = context;

	tell_name(t, name);
	if (t->nodes['b' - 'a'])
		return;
	fake_add(&t->room->fake, "a");
	t->nodes['b' - 'a'] = lookup(t->room, "a").node;
	fake_take(&t->room->fake, "a");
}

/* The kernel may not know it yet when the batch is told; so the next one tells it. */
static void test_comes_and_goes_meanwhile(void **state)
{
	struct told *t = told_in(state);
	const struct fs_listener listener = {
		.name = come_and_go,
		.node = tell_node,
		.names = tell_names,
		.settle = settle,
		.context = t,
	};

	make(t, "a");
	fake_take(&t->room->fake, "a");
	event(t, "a", KIND_GONE);
	assert_int_equal(fs_tell_changes(t->room->fs, &listener), 0);
	assert_string_equal(t->text, "a! #a #/");
	event(t, "a", KIND_COME | KIND_CHANGED);
	event(t, "a", KIND_GONE);
	expect_told(t, "a! #b #/");
}

static void test_nothing_is_told(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	expect_told(t, "");
}

static void test_attributes(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	make(t, "b");
	event(t, "a", KIND_CHANGED);
	expect_told(t, "- #a");
	/* Nobody knows it. */
	event(t, "z", KIND_CHANGED);
	expect_told(t, "-");
	expect_told(t, "");
}

static void test_names(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	fake_take(&t->room->fake, "a");
	event(t, "a", KIND_GONE);
	expect_told(t, "a! #a #/");
	fake_add(&t->room->fake, "b");
	event(t, "b", KIND_COME);
	expect_told(t, "b! #/");
	make(t, "c");
	fake_move(&t->room->fake, "c", "d");
	event(t, "c", KIND_GONE);
	event(t, "d", KIND_COME);
	expect_told(t, "c! d! #c #c #/");
}

/* All that had the name is told, and what has it now. */
static void test_replaced(void **state)
{
	struct told *t = told_in(state);
	struct fs_open_file file = open_node(t->room, make(t, "a"));

	fake_replace(&t->room->fake, "a");
	t->nodes['b' - 'a'] = lookup(t->room, "a").node;
	event(t, "a", KIND_COME);
	expect_told(t, "a! #a #b #/");
	event(t, "a", KIND_CHANGED);
	expect_told(t, "- #b");
	fs_release(t->room->fs, file.number);
}

/* A second name, of a node that is known by the first. */
static void test_linked(void **state)
{
	struct told *t = told_in(state);
	uint64_t node = make(t, "a");

	assert_true(keeps(t, node));
	fake_link(&t->room->fake, "a", "b");
	event(t, "b", KIND_COME);
	expect_told(t, "b! #a #/");
	assert_false(keeps(t, node));
	assert_false(lookup(t->room, "a").keep_name);
	assert_false(lookup(t->room, "a").keep_attr);
	event(t, "b", KIND_CHANGED);
	expect_told(t, "- #a");
}

/*
 * The kernel may have kept "a" from before there was a "b", so it is verified with each
 * opening, until the kernel is told that it is gone.
 */
static void test_each_name_counts(void **state)
{
	struct told *t = told_in(state);
	struct fake *fake = &t->room->fake;
	uint64_t node = make(t, "a");
	struct fs_open_file file;

	fake_link(fake, "a", "b");
	event(t, "b", KIND_COME);
	expect_told(t, "b! #a #/");
	assert_int_equal(lookup(t->room, "b").node, node);
	file = open_node(t->room, node);
	fs_release(t->room->fs, file.number);
	fake_replace(fake, "a");
	assert_int_equal(fs_open(t->room->fs, &somebody, node, O_RDWR, &file), -ESTALE);
	/* It comes back, with what it has found under the name. */
	assert_int_equal(lookup(t->room, "b").node, node);
	file = open_node(t->room, node);
	fs_release(t->room->fs, file.number);
	event(t, "a", KIND_GONE | KIND_COME);
	expect_told(t, "a! #a #/");
	file = open_node(t->room, node);
	fs_release(t->room->fs, file.number);
	assert_int_equal(t->room->fs->aliases.used, 0);
	assert_true(keeps(t, node));
	assert_true(lookup(t->room, "b").keep_name);
}

/* The name seen last goes, the other one stays. */
static void test_last_name_goes(void **state)
{
	struct told *t = told_in(state);
	uint64_t node = make(t, "a");

	fake_link(&t->room->fake, "a", "b");
	lookup(t->room, "b");
	fake_take(&t->room->fake, "b");
	event(t, "b", KIND_COME | KIND_GONE);
	expect_told(t, "b! #a #/");
	assert_false(keeps(t, node));
	assert_int_equal(lookup(t->room, "a").node, node);
	assert_true(keeps(t, node));
}

static void test_directory(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	assert_true(keeps(t, FS_ROOT));
	event(t, "", KIND_CHANGED);
	expect_told(t, "- #/");
}

static void test_same_events_are_told_once(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	make(t, "b");
	for (int i = 0; i < 100; i++) {
		event(t, "a", KIND_CHANGED);
		event(t, "b", i % 10 ? KIND_CHANGED : KIND_COME);
	}
	expect_told(t, "b! #a #b #/");
}

/* More than are told at once. */
static void test_many_events(void **state)
{
	struct told *t = told_in(state);
	int n = 0;

	for (int i = 0; i < 1000; i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%d", i);
		event(t, name, KIND_GONE);
	}
	for (int more = 1; more;) {
		more = tell(t);
		for (const char *at = t->text; (at = strchr(at, '!')); at++)
			n++;
	}
	assert_int_equal(n, 1000);
	expect_told(t, "");
}

/* Nobody knows what was lost: all names, all nodes, and what is gone by its name. */
static void test_overflow(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	make(t, "b");
	make(t, "c");
	fake_take(&t->room->fake, "b");
	fake_link(&t->room->fake, "c", "e");
	lookup(t->room, "e");
	fake_take(&t->room->fake, "c");
	event(t, "x", KIND_GONE);
	event(t, "", 0);
	event(t, "y", KIND_COME);
	expect_told(t, "- * x! y! #a #a b! #b #b #c c! #c #c #/");
	assert_true(keeps(t, t->nodes[0]));
	expect_told(t, "");
}

static void test_watch_fails(void **state)
{
	struct told *t = told_in(state);

	make(t, "a");
	event(t, "a", KIND_CHANGED);
	t->room->fake.event_error = -EIO;
	assert_int_equal(tell(t), -EIO);
	assert_string_equal(t->text, "- #a");
	t->room->fake.event_error = 0;
}

static void test_what_is_kept(void **state)
{
	struct told *t = told_in(state);
	struct fs_entry e = { .keep_name = false };
	struct fs_open_file file;
	struct stat st;

	fake_add(&t->room->fake, "a");
	e = lookup(t->room, "a");
	assert_true(e.keep_name && e.keep_attr);
	assert_true(keeps(t, e.node));
	assert_int_equal(fs_create(t->room->fs, &somebody, "b", O_RDWR, 0600, &e, &file),
			 0);
	assert_true(e.keep_name && e.keep_attr);
	fs_release(t->room->fs, file.number);
	assert_int_equal(fs_mknod(t->room->fs, &somebody, "c", S_IFREG | 0600, &e), 0);
	assert_true(e.keep_name && e.keep_attr);
	e.keep_name = false;
	assert_int_equal(fs_lookup(t->room->fs, &somebody, "d", &e), -ENOENT);
	assert_true(e.keep_name);
	/* No node, nothing kept. */
	assert_int_equal(fs_getattr(t->room->fs, &somebody, FS_ROOT, &st), 0);
	assert_false(fs_keeps(t->room->fs, 12345, &st));
}

/* What lost its name is found by no event; found by another name it is again. */
static void test_attributes_are_kept_by_name(void **state)
{
	struct told *t = told_in(state);
	uint64_t node = make(t, "a");
	struct fs_open_file file = open_node(t->room, node);

	fake_move(&t->room->fake, "a", "b");
	/* Not told yet: the kernel will be. */
	assert_true(keeps(t, node));
	event(t, "a", KIND_GONE);
	event(t, "b", KIND_COME);
	expect_told(t, "a! b! #a #a #/");
	assert_false(keeps(t, node));
	assert_int_equal(lookup(t->room, "b").node, node);
	assert_true(keeps(t, node));
	event(t, "b", KIND_CHANGED);
	expect_told(t, "- #a");
	fake_take(&t->room->fake, "b");
	assert_false(keeps(t, node));
	fs_release(t->room->fs, file.number);
}

static void test_own_rename(void **state)
{
	struct told *t = told_in(state);
	uint64_t node = make(t, "a");

	assert_int_equal(fs_rename(t->room->fs, &somebody, "a", "b", 0), 0);
	assert_true(keeps(t, node));
	event(t, "a", KIND_GONE);
	event(t, "b", KIND_COME);
	expect_told(t, "a! b! #a #/");
	assert_true(keeps(t, node));
}

static void tell_meanwhile(void *context)
{
	struct told *t = context;

	event(t, "a", KIND_CHANGED);
	assert_int_equal(tell(t), 0);
}

/* What was found before a change was told is answered after it: it must not be kept. */
static void test_answers_from_before(void **state)
{
	struct told *t = told_in(state);
	struct fake *fake = &t->room->fake;
	struct fs_entry e;

	fake_add(fake, "a");
	fake->context = t;
	fake->meanwhile = tell_meanwhile;
	e = lookup(t->room, "a");
	assert_string_equal(t->text, "-");
	assert_false(e.keep_name || e.keep_attr);
	assert_false(keeps(t, e.node));
	e.keep_name = true;
	fake->meanwhile = tell_meanwhile;
	assert_int_equal(fs_lookup(t->room->fs, &somebody, "z", &e), -ENOENT);
	assert_false(e.keep_name);
	e = lookup(t->room, "a");
	assert_true(e.keep_name && e.keep_attr);
	assert_true(keeps(t, e.node));
}

static void move_meanwhile(void *context)
{
	struct told *t = context;

	fake_move(&t->room->fake, "a", "b");
	event(t, "a", KIND_GONE);
	event(t, "b", KIND_COME);
	assert_int_equal(tell(t), 0);
	assert_true(lookup(t->room, "b").keep_attr);
}

/* Nor does it hide the name by which a later change is told. */
static void test_name_from_before(void **state)
{
	struct told *t = told_in(state);
	struct fake *fake = &t->room->fake;
	uint64_t node = make(t, "a");

	expire(t->room);
	fake->context = t;
	fake->meanwhile = move_meanwhile;
	assert_int_equal(lookup(t->room, "a").node, node);
	assert_true(keeps(t, node));
	fake_take(fake, "b");
	event(t, "b", KIND_GONE);
	expect_told(t, "b! #a #/");
}

/* The same for a name that comes by a rename of our own. */
static void test_rename_from_before(void **state)
{
	struct told *t = told_in(state);
	struct fake *fake = &t->room->fake;
	uint64_t node = make(t, "a");

	fake->context = t;
	fake->meanwhile = tell_meanwhile;
	assert_int_equal(fs_rename(t->room->fs, &somebody, "a", "b", 0), 0);
	assert_false(keeps(t, node));
}

/* Names are kept for all users: only where all may look them up. */
static void test_closed_directory(void **state)
{
	struct told *t = told_in(state);
	struct fake_object *root = t->room->fake.root.object;
	struct fs_entry e;

	make(t, "a");
	root->info.stat.st_mode = S_IFDIR | 0770;
	event(t, "", KIND_CHANGED);
	expect_told(t, "- * #a #a #/");
	e = lookup(t->room, "a");
	assert_false(e.keep_name || e.keep_attr);
	assert_int_equal(fs_lookup(t->room->fs, &somebody, "z", &e), -ENOENT);
	assert_false(e.keep_name);
	root->info.stat.st_mode = S_IFDIR | 0777;
	event(t, "", KIND_CHANGED);
	expect_told(t, "- #/");
	assert_true(lookup(t->room, "a").keep_name);
	/* A list may name somebody who may not. */
	strcpy(root->xattr, "system.posix_acl_access");
	event(t, "", KIND_CHANGED);
	expect_told(t, "- * #a #a #/");
	assert_false(lookup(t->room, "a").keep_name);
}

static struct told *spied;
static uint64_t changes_when_asked;

static ssize_t spy_on_getxattr(struct native_file *n, const struct caller *c,
			       const char *name, void *value, size_t size)
{
	changes_when_asked = atomic_load(&spied->room->fs->changes);
	return fake_getxattr(n, c, name, value, size);
}

/* What is found once a batch has begun may be kept: it must be known by then who may. */
static void test_closed_before_it_begins(void **state)
{
	struct told *t = told_in(state);
	struct kind *kind = &t->room->fake.kind;
	struct kind_ops ops = *kind->ops;
	const struct kind_ops *before = kind->ops;

	spied = t;
	changes_when_asked = UINT64_MAX;
	ops.getxattr = spy_on_getxattr;
	event(t, "", KIND_CHANGED);
	kind->ops = &ops;
	expect_told(t, "- #/");
	kind->ops = before;
	assert_int_equal(changes_when_asked, 0);
	assert_int_equal(atomic_load(&t->room->fs->changes), 1);
}

static void test_strict_keeps_nothing(void **state)
{
	struct told *t = told_in(state);
	struct fs_entry e = { .keep_name = true };

	assert_false(keeps(t, make(t, "a")));
	assert_false(keeps(t, FS_ROOT));
	e = lookup(t->room, "a");
	assert_false(e.keep_name || e.keep_attr);
	e.keep_name = true;
	assert_int_equal(fs_lookup(t->room->fs, &somebody, "z", &e), -ENOENT);
	assert_false(e.keep_name);
}

/* The table by name grows, and forgets. */
static void test_many_nodes(void **state)
{
	struct told *t = told_in(state);
	struct fs *fs = t->room->fs;
	static uint64_t nodes[1000];
	struct object_info info = { .id.device = 9, .stat.st_nlink = 1 };
	char name[8];

	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		info.id.inode = i + 1;
		assert_int_equal(node_learn(fs, &info, name, 0, &nodes[i]), 0);
	}
	/* Nothing loses a name but in a batch of changes that began later. */
	assert_int_equal(node_unname(fs, "n0", NULL), 0);
	atomic_fetch_add(&fs->changes, 1);
	for (unsigned int i = 0; i < 1000; i += 2) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(node_unname(fs, name, NULL), nodes[i]);
		assert_int_equal(node_unname(fs, name, NULL), 0);
		assert_false(node_is_sure(fs, nodes[i]));
		assert_true(node_is_sure(fs, nodes[i + 1]));
	}
	for (unsigned int i = 0; i < 1000; i++)
		fs_forget(fs, nodes[i], 1);
	assert_int_equal(fs->by_name.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		keeping_test(test_comes_and_goes_meanwhile),
		keeping_test(test_nothing_is_told),
		keeping_test(test_attributes),
		keeping_test(test_names),
		keeping_test(test_replaced),
		keeping_test(test_linked),
		keeping_test(test_each_name_counts),
		keeping_test(test_last_name_goes),
		keeping_test(test_directory),
		keeping_test(test_same_events_are_told_once),
		keeping_test(test_many_events),
		keeping_test(test_overflow),
		keeping_test(test_watch_fails),
		keeping_test(test_what_is_kept),
		keeping_test(test_attributes_are_kept_by_name),
		keeping_test(test_own_rename),
		keeping_test(test_answers_from_before),
		keeping_test(test_name_from_before),
		keeping_test(test_rename_from_before),
		keeping_test(test_closed_directory),
		keeping_test(test_closed_before_it_begins),
		keeping_test(test_many_nodes),
		room_test(test_strict_keeps_nothing),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL) != 0;
}
