/* SPDX-License-Identifier: MIT */
/*
 * What the watch of a kind tells when it is to tell of all changes: what is done by any
 * call that changes an object or a name, natively or by ourselves. A kind that has no
 * such events says so at once.
 */
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kind-fixture.h"

#define A "/dev/shm/a"
#define B "/dev/shm/b"

static int watched; /* the object called "a" */

#define change(name, expr)                                   \
	static void name(void)                               \
	{                                                    \
		assert_int_equal((expr) < 0 ? errno : 0, 0); \
	}                                                    \
	struct swallow_semicolon_##name

change(do_truncate, truncate(A, 5));
change(do_ftruncate, ftruncate(watched, 7));
change(do_write, pwrite(watched, "x", 1, 0));
change(do_allocate, fallocate(watched, 0, 0, 4096));
change(do_chmod, chmod(A, 0640));
change(do_fchmod, fchmod(watched, 0600));
change(do_chown, fchown(watched, getuid(), getgid()));
change(do_utimens, futimens(watched, NULL));
change(do_link, link(A, B));
change(do_unlink, unlink(B));
change(do_rename, rename(A, B));
change(do_rename_back, renameat2(AT_FDCWD, B, AT_FDCWD, A, 0));
change(do_chmod_of_the_directory, chmod("/dev/shm", 0700));

static void do_open(void)
{
	int fd = open(A, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
}

static void do_reopened(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", watched);
	assert_int_equal(truncate(path, 11), 0);
}

static void do_copy(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(lseek(watched, 0, SEEK_SET), 0);
	assert_int_equal(sendfile(watched, from, NULL, 10), 10);
	close(from);
}

static void do_create(void)
{
	drop_named("c", create_named(NULL, "c", 0600, 0));
}

static const struct {
	const char *what;
	void (*act)(void);
	/* The first and the last event; those between may come. */
	struct kind_event first, last;
} acts[] = {
	{ "truncate", do_truncate, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "ftruncate", do_ftruncate, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "reopened", do_reopened, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "write", do_write, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "allocate", do_allocate, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "copy", do_copy, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "open", do_open, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "chmod", do_chmod, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "fchmod", do_fchmod, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "chown", do_chown, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "utimens", do_utimens, { KIND_CHANGED, "a" }, { KIND_CHANGED, "a" } },
	{ "link", do_link, { KIND_COME, "b" }, { KIND_COME, "b" } },
	{ "unlink", do_unlink, { KIND_GONE, "b" }, { KIND_GONE, "b" } },
	{ "rename", do_rename, { KIND_GONE, "a" }, { KIND_COME, "b" } },
	{ "back", do_rename_back, { KIND_GONE, "b" }, { KIND_COME, "a" } },
	{ "create", do_create, { KIND_COME, "c" }, { KIND_GONE, "c" } },
	{ "directory",
	  do_chmod_of_the_directory,
	  { KIND_CHANGED, "" },
	  { KIND_CHANGED, "" } },
};

static void expect_same(const char *what, const struct kind_event *found,
			const struct kind_event *expected)
{
	if (found->what != expected->what || strcmp(found->name, expected->name) != 0)
		fail_msg("%s: %u of '%s', not %u of '%s'", what, found->what, found->name,
			 expected->what, expected->name);
}

static void test_all_changes_are_told(void **state)
{
	const struct kind_config config = { .shm_dir = "/dev/shm", .changes = true };
	struct kind_event first, last;
	struct kind *other = NULL;

	(void)state;
	if (!model->events) {
		assert_int_equal(kind_new(ops, &config, &other), -EOPNOTSUPP);
		return;
	}
	native_file_unref(create_named(NULL, "a", 0600, 0));
	kind_free(kind);
	assert_int_equal(kind_new(ops, &config, &kind), 0);
	watched = open(A, O_RDWR | O_CLOEXEC);
	assert_true(watched >= 0);
	assert_int_equal(kind_event(kind, &first), 0);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct pollfd watch = { .fd = kind_watch(kind), .events = POLLIN };

		acts[i].act();
		assert_int_equal(poll(&watch, 1, 5000), 1);
		assert_int_equal(kind_event(kind, &first), 1);
		for (last = first; kind_event(kind, &last) > 0;)
			;
		expect_same(acts[i].what, &first, &acts[i].first);
		expect_same(acts[i].what, &last, &acts[i].last);
	}
	/* To read is to change nothing. */
	assert_int_equal(pread(watched, &first, 1, 0), 0);
	assert_int_equal(kind_event(kind, &first), 0);
	close(watched);
	drop_named("a", NULL);
	assert_int_equal(chmod("/dev/shm", 01777), 0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = { kind_test(test_all_changes_are_told) };

	return kind_run("watch", tests, argc, argv);
}
