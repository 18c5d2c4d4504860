/* SPDX-License-Identifier: MIT */
/*
 * Several file systems in one mount: each file is found by the numbers that were given
 * for it, and no two files of the mount have the same.
 */
#include "fixture.h"
#include "fs/internal.h"
#include "fs/tree.h"
#include "util/slots.h"

#define MEMBERS 2

static const char *const names[] = { "posix", "sysv" };

/* A tree over the kind "all" and a fake in place of each of its members. */
struct wood {
	struct tree tree;
	struct fake fakes[MEMBERS];
	unsigned int fds; /* open before */
};

static void plant(struct tree *t, struct kind *kind, const char *name,
		  const struct fs_backing *backing)
{
	struct fs_config config = { .kind = kind, .backing = backing };
	struct fs *fs;

	assert_int_equal(fs_new(&config, &fs), 0);
	tree_add(t, name, fs);
}

static int setup(void **state)
{
	static struct wood wood;
	struct kind *all;

	wood.tree = (struct tree){ .n = 0 };
	wood.fds = sandbox_count_fds();
	assert_int_equal(kind_new(&kind_all, &(struct kind_config){ 0 }, &all), 0);
	plant(&wood.tree, all, "all", NULL);
	for (int i = 0; i < MEMBERS; i++) {
		fake_init(&wood.fakes[i]);
		plant(&wood.tree, &wood.fakes[i].kind, names[i], &wood.fakes[i].backing);
	}
	*state = &wood;
	return 0;
}

static int teardown(void **state)
{
	struct wood *w = *state;

	tree_done(&w->tree);
	assert_int_equal(w->tree.n, 0);
	tree_done(&w->tree);
	for (int i = 0; i < MEMBERS; i++)
		fake_done(&w->fakes[i]);
	assert_int_equal(sandbox_count_fds(), w->fds);
	return 0;
}

#define tree_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static struct fs_entry find_in(struct wood *w, uint64_t parent, const char *name)
{
	struct fs_entry e = { .node = 0 };

	assert_int_equal(tree_lookup(&w->tree, &somebody, parent, name, &e), 0);
	assert_int_not_equal(e.node, 0);
	return e;
}

/* The directory of member number @i. */
static uint64_t dir_of(struct wood *w, int i)
{
	return find_in(w, FS_ROOT, names[i]).node;
}

static void test_directories(void **state)
{
	struct wood *w = *state;
	struct fs_entry e;
	struct stat st;

	assert_int_equal(tree_getattr(&w->tree, &somebody, FS_ROOT, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0555);
	assert_int_equal(st.st_uid, 0);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		e = find_in(w, FS_ROOT, names[i]);
		assert_int_equal(e.node, tree_root(i + 1));
		assert_true(S_ISDIR(e.attr.st_mode));
		assert_true(e.keep_name);
		assert_false(e.keep_attr);
		tree_forget(&w->tree, e.node, 1);
		assert_int_equal(tree_getattr(&w->tree, &somebody, e.node, &st), 0);
		assert_int_equal(st.st_ino, e.attr.st_ino);
	}
	/* What cannot be had is left alone: -ENOENT says more with an entry. */
	fake_fail(&w->fakes[0], FAKE_STAT, 1, -ENOENT);
	e = (struct fs_entry){ .node = 0 };
	assert_int_equal(tree_lookup(&w->tree, &somebody, FS_ROOT, "posix", &e), -ENOENT);
	assert_false(e.node || e.keep_name);
	assert_int_equal(tree_lookup(&w->tree, &somebody, FS_ROOT, "none", &e), -ENOENT);
	assert_false(e.keep_name);
	/* They are in the root and nowhere else. */
	assert_int_equal(tree_lookup(&w->tree, &somebody, dir_of(w, 0), "sysv", &e),
			 -ENOENT);
}

/* The first object of each has the same numbers within. */
static void test_numbers_differ(void **state)
{
	struct wood *w = *state;
	struct fs_entry e[MEMBERS];
	struct stat st;

	for (int i = 0; i < MEMBERS; i++) {
		fake_add(&w->fakes[i], "a")->info.stat.st_size = 10 + i;
		e[i] = find_in(w, dir_of(w, i), "a");
		assert_int_equal(e[i].attr.st_size, 10 + i);
		assert_false(e[i].keep_name);
	}
	assert_int_not_equal(e[0].node, e[1].node);
	assert_int_equal(e[1].attr.st_ino, e[0].attr.st_ino + (UINT64_C(1) << 48));
	for (int i = 0; i < MEMBERS; i++) {
		assert_int_equal(tree_getattr(&w->tree, &somebody, e[i].node, &st), 0);
		assert_int_equal(st.st_ino, e[i].attr.st_ino);
		assert_int_equal(tree_setattr(&w->tree, &somebody, e[i].node, 0,
					      &(struct stat){ .st_size = 5 }, FS_SET_SIZE,
					      &st),
				 0);
		assert_int_equal(st.st_ino, e[i].attr.st_ino);
		assert_int_equal(fake_find(&w->fakes[i], "a")->info.stat.st_size, 5);
	}
}

static void test_created_where_asked(void **state)
{
	struct wood *w = *state;
	struct fs_open_file file;
	struct fs_entry e;
	uint64_t local;
	struct fs *fs;
	char c;

	for (int i = 0; i < MEMBERS; i++) {
		assert_int_equal(tree_create(&w->tree, &somebody, dir_of(w, i), "a",
					     O_RDWR, 0600, &e, &file),
				 0);
		assert_non_null(fake_find(&w->fakes[i], "a"));
		assert_int_equal(e.node, find_in(w, dir_of(w, i), "a").node);
		local = e.node;
		fs = tree_find(&w->tree, &local);
		assert_ptr_equal(fs, w->tree.fs[i + 1]);
		assert_int_equal(fs_write(fs, file.number, "x", 1, 0, false), 1);
		assert_int_equal(fs_read(fs, file.number, &c, 1, 0), 1);
		assert_int_equal(tree_mknod(&w->tree, &somebody, dir_of(w, i), "b",
					    S_IFREG | 0600, &e),
				 0);
		assert_int_equal(e.node, find_in(w, dir_of(w, i), "b").node);
		assert_int_equal(e.attr.st_ino >> 48, i);
	}
}

static void test_forgotten(void **state)
{
	struct wood *w = *state;
	struct fs_entry e;
	struct stat st;

	for (int i = 0; i < MEMBERS; i++) {
		fake_add(&w->fakes[i], "a");
		e = find_in(w, dir_of(w, i), "a");
		assert_int_equal(w->tree.fs[i + 1]->nodes.used, 2);
		tree_forget(&w->tree, e.node, 1);
		assert_int_equal(w->tree.fs[i + 1]->nodes.used, 1);
		assert_int_equal(tree_getattr(&w->tree, &somebody, e.node, &st), -ESTALE);
	}
}

/* Nobody but the members has anything in the root. */
static void test_root_is_refused(void **state)
{
	struct fs_open_file file;
	struct wood *w = *state;
	struct fs *root = w->tree.fs[0];
	uint64_t a = dir_of(w, 0);
	struct fs_entry e;
	struct stat st;

	assert_int_equal(tree_create(&w->tree, &somebody, FS_ROOT, "a", O_RDWR, 0600, &e,
				     &file),
			 -EPERM);
	assert_int_equal(tree_mknod(&w->tree, &somebody, FS_ROOT, "a", S_IFREG, &e),
			 -EPERM);
	assert_int_equal(tree_mknod(&w->tree, &somebody, FS_ROOT, "a", S_IFIFO, &e),
			 -EPERM);
	assert_int_equal(fs_unlink(root, &somebody, "posix"), -EISDIR);
	assert_int_equal(fs_unlink(root, &somebody, "none"), -ENOENT);
	assert_int_equal(tree_rmdir(&w->tree, FS_ROOT, "sysv"), -EPERM);
	assert_int_equal(tree_rmdir(&w->tree, a, "sysv"), -ENOTDIR);
	assert_int_equal(tree_rename(&w->tree, &somebody, FS_ROOT, "posix", FS_ROOT, "b",
				     0),
			 -EPERM);
	assert_int_equal(tree_rename(&w->tree, &somebody, FS_ROOT, "posix", a, "b", 0),
			 -EPERM);
	assert_int_equal(tree_rename(&w->tree, &somebody, a, "b", FS_ROOT, "b", 0),
			 -EPERM);
	assert_int_equal(tree_setattr(&w->tree, &somebody, FS_ROOT, 0,
				      &(struct stat){ .st_mode = 0777 }, FS_SET_MODE,
				      &st),
			 -EPERM);
	assert_int_equal(tree_setattr(&w->tree, &somebody, FS_ROOT, 0,
				      &(struct stat){ .st_uid = 0 }, FS_SET_UID, &st),
			 -EPERM);
	assert_int_equal(tree_setattr(&w->tree, &somebody, FS_ROOT, 0,
				      &(struct stat){ .st_size = 0 }, FS_SET_MTIME_NOW,
				      &st),
			 -EPERM);
	assert_int_equal(fs_access(root, &somebody, FS_ROOT, R_OK | X_OK), 0);
	assert_int_equal(fs_access(root, &somebody, FS_ROOT, W_OK), -EACCES);
	assert_int_equal(fs_getxattr(root, &somebody, FS_ROOT, "user.x", NULL, 0),
			 -EOPNOTSUPP);
	assert_int_equal(fs_getxattr(root, &somebody, FS_ROOT, "user.shmfs.io", NULL, 0),
			 -ENODATA);
	assert_int_equal(root->nodes.used, 1);
}

static void test_renames(void **state)
{
	struct wood *w = *state;
	uint64_t a = dir_of(w, 0), b = dir_of(w, 1);

	fake_add(&w->fakes[1], "x");
	assert_int_equal(tree_rename(&w->tree, &somebody, b, "x", a, "x", 0), -EXDEV);
	assert_int_equal(tree_rename(&w->tree, &somebody, a, "x", b, "x", 0), -EXDEV);
	assert_int_equal(tree_rename(&w->tree, &somebody, b, "x", b, "y", 0), 0);
	assert_non_null(fake_find(&w->fakes[1], "y"));
	assert_int_equal(w->fakes[0].calls[FAKE_RENAME], 0);
}

/* What the kernel was never told. */
static void test_unknown_numbers(void **state)
{
	struct wood *w = *state;
	const uint64_t unknown[] = {
		0, tree_root(1) + 1, tree_root(MEMBERS + 1), tree_root(200), UINT64_MAX,
	};
	struct fs_entry e;
	struct stat st;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		assert_int_equal(tree_getattr(&w->tree, &somebody, unknown[i], &st),
				 -ESTALE);
		assert_int_equal(tree_lookup(&w->tree, &somebody, unknown[i], "a", &e),
				 -ENOTDIR);
		tree_forget(&w->tree, unknown[i], 1);
	}
}

/* Names are in directories. */
static void test_names_in_a_file(void **state)
{
	struct wood *w = *state;
	struct fs_open_file file;
	struct fs_entry e;
	uint64_t parents[] = { 0, 0, tree_root(MEMBERS + 1), UINT64_MAX };
	uint64_t a = dir_of(w, 0), parent;

	fake_add(&w->fakes[0], "x");
	parents[1] = find_in(w, a, "x").node;
	for (size_t i = 0; i < sizeof(parents) / sizeof(*parents); i++) {
		parent = parents[i];
		assert_int_equal(tree_lookup(&w->tree, &somebody, parent, "x", &e),
				 -ENOTDIR);
		assert_int_equal(tree_create(&w->tree, &somebody, parent, "y", O_RDWR,
					     0600, &e, &file),
				 -ENOTDIR);
		assert_int_equal(tree_mknod(&w->tree, &somebody, parent, "y", S_IFREG,
					    &e),
				 -ENOTDIR);
		assert_int_equal(tree_unlink(&w->tree, &somebody, parent, "x"), -ENOTDIR);
		assert_int_equal(tree_rename(&w->tree, &somebody, parent, "x", a, "y", 0),
				 -ENOTDIR);
		assert_int_equal(tree_rename(&w->tree, &somebody, a, "x", parent, "y", 0),
				 -ENOTDIR);
	}
	assert_int_equal(tree_unlink(&w->tree, &somebody, a, "x"), 0);
	assert_null(fake_find(&w->fakes[0], "x"));
}

struct reply {
	struct fs_entry entries[16];
	char names[16][16];
	int n;
};

static bool fill(void *context, const char *name, const struct fs_entry *entry,
		 int64_t next)
{
	struct reply *reply = context;

	(void)next;
	assert_true(reply->n >= 0 && reply->n < 16);
	snprintf(reply->names[reply->n], sizeof(reply->names[0]), "%s", name);
	reply->entries[reply->n++] = *entry;
	return true;
}

static void list(struct wood *w, uint64_t node, bool plus, struct reply *ret)
{
	uint64_t local = node, dir;
	struct fs *fs = tree_find(&w->tree, &local);

	ret->n = 0;
	assert_int_equal(fs_opendir(fs, &somebody, &dir), 0);
	assert_int_equal(tree_readdir(&w->tree, &somebody, node, dir, 0, plus, fill, ret),
			 0);
	fs_releasedir(fs, dir);
}

static void expect_entry(const struct reply *reply, int i, const char *name, ino_t ino)
{
	assert_true(i < reply->n);
	assert_string_equal(reply->names[i], name);
	assert_int_equal(reply->entries[i].attr.st_ino, ino);
}

static ino_t inode_of(struct wood *w, uint64_t node)
{
	struct stat st;

	assert_int_equal(tree_getattr(&w->tree, &somebody, node, &st), 0);
	return st.st_ino;
}

/* A listing says of inode numbers what stat(2) says. */
static void test_listings(void **state)
{
	struct wood *w = *state;
	ino_t root = inode_of(w, FS_ROOT);
	struct reply reply;

	for (int plus = 0; plus <= 1; plus++) {
		list(w, FS_ROOT, plus, &reply);
		assert_true(reply.n > 2);
		expect_entry(&reply, 0, ".", root);
		expect_entry(&reply, 1, "..", root);
		expect_entry(&reply, 2, "posix", inode_of(w, dir_of(w, 0)));
		assert_true(S_ISDIR(reply.entries[2].attr.st_mode));
		assert_int_equal(reply.entries[2].node, 0);
	}
	for (int i = 0; i < MEMBERS; i++) {
		uint64_t dir = dir_of(w, i);
		struct fs_entry e;

		fake_add(&w->fakes[i], "a");
		list(w, dir, false, &reply);
		assert_int_equal(reply.n, 3);
		expect_entry(&reply, 0, ".", inode_of(w, dir));
		expect_entry(&reply, 1, "..", root);
		e = find_in(w, dir, "a");
		expect_entry(&reply, 2, "a", e.attr.st_ino);
		list(w, dir, true, &reply);
		expect_entry(&reply, 2, "a", e.attr.st_ino);
		assert_int_equal(reply.entries[2].node, e.node);
		tree_forget(&w->tree, e.node, 2);
		assert_int_equal(w->tree.fs[i + 1]->nodes.used, 1);
	}
}

static void test_direct(void **state)
{
	struct wood *w = *state;

	tree_set_direct(&w->tree);
	for (unsigned int i = 0; i < w->tree.n; i++)
		assert_null(w->tree.fs[i]->backing);
}

/* A file system by itself has the numbers outside that it has within. */
static void test_single(void **state)
{
	struct tree tree = { .n = 0 };
	struct reply reply = { .n = 0 };
	struct fake fake;
	struct fs_entry e, same;
	uint64_t local, dir;
	struct stat st;

	(void)state;
	fake_init(&fake);
	plant(&tree, &fake.kind, "fake", &fake.backing);
	fake_add(&fake, "posix");
	assert_int_equal(tree_lookup(&tree, &somebody, FS_ROOT, "posix", &e), 0);
	assert_true(S_ISREG(e.attr.st_mode));
	assert_int_equal(fs_lookup(tree.fs[0], &somebody, "posix", &same), 0);
	assert_int_equal(e.node, same.node);
	assert_int_equal(e.attr.st_ino, fake_find(&fake, "posix")->info.stat.st_ino);
	assert_int_equal(tree_getattr(&tree, &somebody, e.node, &st), 0);
	assert_int_equal(st.st_ino, e.attr.st_ino);
	local = e.node;
	assert_ptr_equal(tree_find(&tree, &local), tree.fs[0]);
	assert_int_equal(local, e.node);
	assert_int_equal(tree_rmdir(&tree, FS_ROOT, "posix"), -ENOTDIR);
	assert_int_equal(fs_opendir(tree.fs[0], &somebody, &dir), 0);
	assert_int_equal(
		tree_readdir(&tree, &somebody, FS_ROOT, dir, 0, false, fill, &reply), 0);
	assert_int_equal(reply.n, 3);
	expect_entry(&reply, 1, "..", 1);
	tree_done(&tree);
	fake_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(test_directories),
		tree_test(test_numbers_differ),
		tree_test(test_created_where_asked),
		tree_test(test_forgotten),
		tree_test(test_root_is_refused),
		tree_test(test_renames),
		tree_test(test_unknown_numbers),
		tree_test(test_names_in_a_file),
		tree_test(test_listings),
		tree_test(test_direct),
		cmocka_unit_test(test_single),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL) != 0;
}
