/* SPDX-License-Identifier: MIT */
/*
 * What every kind must do, run against the one that the argument names, in private
 * namespaces. Objects are made with a size, which suits also a kind that cannot change
 * it.
 */
#include "kind-fixture.h"

static void test_known_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(kind_find(ops->name), ops);
	assert_null(kind_find("none"));
	assert_null(kind_find(""));
}

static void test_create_and_lookup(void **state)
{
	struct native_file *f = create(0, 0640);
	struct native_file *g = create(1, 06755);
	struct object_info a, again, other;
	struct stat st = stat_of(f);

	(void)state;
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(look(name(0), &a), 0);
	assert_int_equal(look(name(0), &again), 0);
	assert_memory_equal(&a.id, &again.id, sizeof(a.id));
	assert_int_equal(a.stat.st_ino, st.st_ino);
	assert_int_equal(look(name(1), &other), 0);
	assert_int_equal(other.stat.st_mode, S_IFREG | 0755);
	assert_memory_not_equal(&a.id, &other.id, sizeof(a.id));
	assert_int_equal(look(name(2), &other), -ENOENT);
	drop(1, g);
	drop(0, f);
	assert_int_equal(look(name(0), &a), -ENOENT);
	assert_int_equal(kind_remove(kind, NULL, name(0)), -ENOENT);
}

/* What is there already is opened, but for O_EXCL, and keeps its mode and its size. */
static void test_create_what_is_there(void **state)
{
	struct native_file *f = create(0, 0640);
	struct native_file *g = NULL;
	struct object_info info;

	(void)state;
	assert_int_equal(try_create(NULL, name(0), O_RDWR | O_EXCL, 0600), -EEXIST);
	assert_int_equal(kind_create(kind, NULL, name(0), O_RDWR, 0600, &g, &info), 0);
	assert_false(info.created);
	assert_int_equal(info.stat.st_ino, stat_of(f).st_ino);
	assert_int_equal(info.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(info.stat.st_size, SIZE);
	assert_int_equal(native_write(g, "x", 1, 0, false), 1);
	native_file_unref(g);
	assert_int_equal(try_create(NULL, name(0), O_RDONLY, 0600), 0);
	drop(0, f);
}

/* What is made and changed natively is found, and the other way round. */
static void test_shared_with_native_users(void **state)
{
	struct native_file *handle = NULL, *f = NULL;
	struct object_info info;
	unsigned char *p;
	char c;

	(void)state;
	model->make(0, SIZE, 0640);
	assert_int_equal(kind_lookup(kind, NULL, name(0), &handle, &info), 0);
	assert_int_equal(info.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(info.stat.st_size, SIZE);
	assert_int_equal(native_open(handle, NULL, O_RDWR, &f), 0);
	p = model->map(0, SIZE);
	p[7] = 'x';
	assert_int_equal(native_read(f, &c, 1, 7), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(native_write(f, "y", 1, 8, false), 1);
	assert_int_equal(p[8], 'y');
	model->unmap(p, SIZE);
	native_file_unref(f);
	native_file_unref(handle);
	model->remove(0);
	assert_int_equal(look(name(0), &info), -ENOENT);
	f = create(0, 0600);
	assert_int_equal(native_write(f, "z", 1, 9, false), 1);
	p = model->map(0, SIZE);
	assert_int_equal(p[9], 'z');
	model->unmap(p, SIZE);
	drop(0, f);
}

/* It tells the same as a lookup, of the same objects. */
static void test_identify(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = create(0, 0640);
	struct object_info looked, identified;

	(void)state;
	assert_int_equal(kind_lookup(kind, NULL, name(0), &handle, &looked), 0);
	assert_int_equal(kind_identify(kind, NULL, name(0), &identified), 0);
	assert_memory_equal(&identified.id, &looked.id, sizeof(looked.id));
	assert_int_equal(identified.stat.st_ino, looked.stat.st_ino);
	assert_int_equal(identified.stat.st_size, SIZE);
	assert_int_equal(identified.stat.st_mode, S_IFREG | 0640);
	drop(0, f);
	assert_int_equal(kind_identify(kind, NULL, name(0), &identified), -ENOENT);
	f = create(0, 0640);
	assert_int_equal(kind_identify(kind, NULL, name(0), &identified), 0);
	assert_memory_not_equal(&identified.id, &looked.id, sizeof(looked.id));
	drop(0, f);
}

static void expect_no_name(const char *text, int error)
{
	struct object_info info;

	assert_int_equal(look(text, &info), error);
	assert_int_equal(kind_identify(kind, NULL, text, &info), error);
	assert_int_equal(kind_remove(kind, NULL, text), error);
}

static void test_names_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "a/b", "/a", "a/", "../x" };
	char longest[257];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		expect_no_name(names[i], -EINVAL);
		assert_int_equal(try_create(NULL, names[i], O_RDWR, 0600), -EINVAL);
		assert_int_equal(kind_rename(kind, NULL, names[i], name(0), 0), -EINVAL);
		assert_int_equal(kind_rename(kind, NULL, name(0), names[i], 0), -EINVAL);
		assert_int_equal(native_link(kind_root(kind), NULL, names[i]), -EINVAL);
	}
	memset(longest, 'x', 256);
	longest[256] = '\0';
	expect_no_name(longest, -ENAMETOOLONG);
	assert_int_equal(try_create(NULL, longest, O_RDWR, 0600), -ENAMETOOLONG);
	longest[255] = '\0';
	expect_no_name(longest, -ENOENT);
	for (size_t i = 0; model->refused[i]; i++) {
		expect_no_name(model->refused[i], -ENOENT);
		assert_int_equal(try_create(NULL, model->refused[i], O_RDWR, 0600),
				 -EINVAL);
	}
}

struct names {
	int n;
	char names[MANY][MODEL_NAME];
	int64_t next;
};

/* Up to @most entries behind @at. */
static struct names list(struct native_list *l, int64_t at, int most)
{
	struct names ret = { .next = at };
	struct list_entry e;
	int r = 1;

	while (ret.n < most) {
		r = kind_list_next(kind, l, ret.next, &e);
		if (r == 0)
			break;
		assert_int_equal(r, 1);
		ret.next = e.next;
		if (strcmp(e.name, ".") == 0 || strcmp(e.name, "..") == 0) {
			assert_true(S_ISDIR(e.type));
			continue;
		}
		assert_true(S_ISREG(e.type));
		assert_int_not_equal(e.inode, 0);
		snprintf(ret.names[ret.n++], sizeof(ret.names[0]), "%s", e.name);
	}
	return ret;
}

static int count(const struct names *names, const char *text)
{
	int n = 0;

	for (int i = 0; i < names->n; i++)
		n += strcmp(names->names[i], text) == 0;
	return n;
}

static void test_list(void **state)
{
	struct native_file *f = create(0, 0600);
	struct native_list *l;
	struct names names;

	(void)state;
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	names = list(l, 0, MANY);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.names[0], name(0));
	/* Again from the start. */
	assert_int_equal(list(l, 0, MANY).n, 1);
	assert_int_equal(list(l, names.next, MANY).n, 0);
	kind_list_close(kind, l);
	kind_list_close(kind, NULL);
	drop(0, f);
}

/* A position stays that behind its entry, forward and back. */
static void test_list_from_anywhere(void **state)
{
	struct names all, rest;
	struct native_list *l;
	int64_t positions[4] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		native_file_unref(create(i, 0600));
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	all = list(l, 0, MANY);
	assert_int_equal(all.n, 4);
	for (int i = 0; i < 4; i++)
		positions[i] = list(l, i ? positions[i - 1] : 0, 1).next;
	for (int i = 3; i >= 0; i--) {
		rest = list(l, positions[i], MANY);
		assert_int_equal(rest.n, 3 - i);
		for (int k = 0; k < rest.n; k++)
			assert_string_equal(rest.names[k], all.names[i + 1 + k]);
	}
	kind_list_close(kind, l);
	for (int i = 0; i < 4; i++)
		drop(i, NULL);
}

/* Read one entry a call, in any state of the directory: what stays is given once. */
static void test_list_while_names_come_and_go(void **state)
{
	struct names all = { .n = 0 };
	struct native_list *l;
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		native_file_unref(create(i, 0600));
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	for (int i = 0;; i++) {
		struct names one = list(l, at, 1);

		if (one.n == 0)
			break;
		at = one.next;
		assert_true(all.n < MANY);
		strcpy(all.names[all.n++], one.names[0]);
		/* The even ones go, others come and go again. */
		if (i < 20) {
			assert_int_equal(kind_remove(kind, NULL, name(2 * i)), 0);
			drop(40, create(40, 0600));
		}
	}
	for (int i = 1; i < 40; i += 2) {
		assert_int_equal(count(&all, name(i)), 1);
		assert_int_equal(kind_remove(kind, NULL, name(i)), 0);
	}
	kind_list_close(kind, l);
}

/* An open file leads to its object whatever the name does, and so does a handle then. */
static void test_removed_while_open(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = create(0, 0600);
	unsigned char *p = model->map(0, SIZE);
	struct native_file *other;
	struct object_info info;
	char buf[2];

	(void)state;
	assert_int_equal(kind_lookup(kind, NULL, name(0), &handle, &info), 0);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(kind_remove(kind, NULL, name(0)), 0);
	assert_int_equal(look(name(0), &info), -ENOENT);
	other = create(0, 0644);
	assert_int_not_equal(stat_of(other).st_ino, stat_of(f).st_ino);
	assert_int_equal(stat_of(handle).st_ino, stat_of(f).st_ino);
	p[1] = 'y';
	assert_int_equal(native_read(f, buf, 2, 0), 2);
	assert_memory_equal(buf, "xy", 2);
	assert_int_equal(try_open(handle, NULL, O_RDWR), 0);
	assert_int_equal(native_chmod(handle, NULL, 0604), 0);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0604);
	assert_int_equal(stat_of(other).st_mode, S_IFREG | 0644);
	assert_int_equal(native_read(other, buf, 1, 0), 1);
	assert_int_equal(buf[0], 0);
	model->unmap(p, SIZE);
	drop(0, other);
	native_file_unref(f);
}

/* A handle alone leads to the object that it was made for, or nowhere. */
static void test_handle_of_what_is_gone(void **state)
{
	_cleanup_native_ struct native_file *handle = NULL;
	const int expected = model->keeps ? 0 : -ESTALE;
	struct object_info before, info;
	struct native_file *f;

	(void)state;
	native_file_unref(create(0, 0600));
	assert_int_equal(kind_lookup(kind, NULL, name(0), &handle, &before), 0);
	drop(0, NULL);
	f = create(0, 0644);
	assert_int_equal(native_stat(handle, &info), expected);
	if (expected == 0)
		assert_memory_equal(&info.id, &before.id, sizeof(info.id));
	assert_int_equal(native_chmod(handle, NULL, 0604), expected);
	assert_int_equal(native_chown(handle, NULL, (uid_t)-1, (gid_t)-1), expected);
	assert_int_equal(native_access(handle, NULL, R_OK), expected);
	assert_int_equal(native_truncate(handle, NULL, SIZE), expected);
	assert_int_equal(try_open(handle, NULL, O_RDWR), expected);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0644);
	assert_int_equal(stat_of(f).st_uid, 0);
	drop(0, f);
}

static void test_attributes(void **state)
{
	struct native_file *f = create(0, 0600);

	(void)state;
	assert_int_equal(native_chmod(f, NULL, 0421), 0);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0421);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, (gid_t)-1), 0);
	assert_int_equal(stat_of(f).st_uid, 0);
	assert_int_equal(stat_of(f).st_gid, 0);
	assert_int_equal(native_access(f, NULL, F_OK), 0);
	assert_int_equal(native_access(f, NULL, R_OK | W_OK), 0);
	drop(0, f);
}

static void test_root(void **state)
{
	struct native_file *root = kind_root(kind);
	struct stat st = stat_of(root);

	(void)state;
	assert_true(S_ISDIR(st.st_mode));
	/* Segments have owners of their own to say who may remove them. */
	assert_int_equal(st.st_mode & 07777, model->sticky ? 01777 : 0777);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
	assert_int_equal(native_access(root, NULL, R_OK | W_OK | X_OK), 0);
	assert_int_equal(native_tell(root, "key", NULL, 0), -ENODATA);
}

/* How many objects and how much memory there may be, and what is left of it. */
static void test_statfs(void **state)
{
	struct statvfs before, after;
	struct native_file *f;

	(void)state;
	assert_int_equal(kind_statfs(kind, &before), 0);
	assert_int_equal(before.f_bsize, SIZE);
	assert_true(before.f_namemax >= MODEL_NAME - 1);
	assert_true(before.f_bfree <= before.f_blocks);
	assert_true(before.f_bavail <= before.f_bfree);
	assert_true(before.f_blocks <= INT64_MAX / before.f_frsize);
	assert_true(before.f_ffree <= before.f_files);
	f = create_named(NULL, name(0), 0600, 3 * SIZE);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(native_write(f, "x", 1, i * SIZE, false), 1);
	assert_int_equal(kind_statfs(kind, &after), 0);
	assert_int_equal(after.f_blocks, before.f_blocks);
	assert_int_equal(after.f_bfree, before.f_bfree - 3);
	assert_int_equal(after.f_files, before.f_files);
	assert_int_equal(after.f_ffree, before.f_ffree - 1);
	drop(0, f);
	assert_int_equal(kind_statfs(kind, &after), 0);
	assert_int_equal(after.f_bfree, before.f_bfree);
	assert_int_equal(after.f_ffree, before.f_ffree);
}

/* What a kind has no native call for is refused, as by a file system that cannot. */
static void test_left_out(void **state)
{
	const struct timespec times[2] = { { 11, 22 }, { 33, 44 } };
	struct native_file *f = create(0, 0600), *unnamed = NULL;
	struct object_info info;
	char buf[8];

	(void)state;
	assert_int_equal(native_link(f, NULL, name(1)), model->renames ? 0 : -EPERM);
	if (model->renames)
		assert_int_equal(kind_remove(kind, NULL, name(1)), 0);
	assert_int_equal(kind_tmpfile(kind, NULL, O_RDWR, 0600, &unnamed, &info),
			 model->renames ? 0 : -EOPNOTSUPP);
	native_file_unref(unnamed);
	assert_int_equal(kind_rename(kind, NULL, name(0), name(1), 0),
			 model->renames ? 0 : -EPERM);
	/* Where there are no dates it has no effect. */
	assert_int_equal(native_utimens(f, NULL, times), 0);
	assert_int_equal(native_setxattr(f, NULL, "user.x", "abc", 3, 0),
			 model->marks ? 0 : -EOPNOTSUPP);
	assert_int_equal(native_getxattr(f, NULL, "user.x", buf, sizeof(buf)),
			 model->marks ? 3 : -EOPNOTSUPP);
	assert_int_equal(native_removexattr(f, NULL, "user.x"),
			 model->marks ? 0 : -EOPNOTSUPP);
	drop(model->renames ? 1 : 0, f);
}

/* Each text has a length, is given where it fits, and is none of another object's. */
static void test_tell(void **state)
{
	struct native_file *f = create(0, 0600);
	char buf[64];
	ssize_t n;

	(void)state;
	for (size_t i = 0; model->told[i]; i++) {
		n = native_tell(f, model->told[i], NULL, 0);
		assert_true(n >= 0 && n < (ssize_t)sizeof(buf));
		memset(buf, '?', sizeof(buf));
		assert_int_equal(native_tell(f, model->told[i], buf, sizeof(buf)), n);
		assert_int_equal(buf[n], '?');
		assert_null(memchr(buf, '?', (size_t)n));
		if (n > 1)
			assert_int_equal(native_tell(f, model->told[i], buf,
						     (size_t)n - 1),
					 -ERANGE);
	}
	assert_int_equal(native_tell(f, "", buf, sizeof(buf)), -ENODATA);
	assert_int_equal(native_tell(f, "none", buf, sizeof(buf)), -ENODATA);
	drop(0, f);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_known_by_name),
		kind_test(test_create_and_lookup),
		kind_test(test_create_what_is_there),
		kind_test(test_shared_with_native_users),
		kind_test(test_identify),
		kind_test(test_names_refused),
		kind_test(test_list),
		kind_test(test_list_from_anywhere),
		kind_test(test_list_while_names_come_and_go),
		kind_test(test_removed_while_open),
		kind_test(test_handle_of_what_is_gone),
		kind_test(test_attributes),
		kind_test(test_root),
		kind_test(test_statfs),
		kind_test(test_left_out),
		kind_test(test_tell),
	};

	return kind_run("kind", tests, argc, argv);
}
