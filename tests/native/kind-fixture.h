/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A kind for each test, by the name that the program was started with. Its objects are
 * counted by the tests: the nth is called name(n), whatever that is in the kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fixture.h"
#include "kind-model.h"
#include "native/kind.h"

/* The objects that create() makes. */
#define SIZE 4096

static const struct kind_ops *ops; /* under test */
static const struct model *model;  /* of the same kind */
static struct kind *kind;

static inline int setup(void **state)
{
	const struct kind_config config = { .shm_dir = "/dev/shm" };

	fixture_setup(state);
	assert_int_equal(model->left(), 0);
	assert_int_equal(kind_new(ops, &config, &kind), 0);
	return 0;
}

static inline int teardown(void **state)
{
	kind = kind_free(kind);
	assert_int_equal(model->left(), 0);
	return fixture_teardown(state);
}

#define kind_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* The name of the nth object. */
#define MANY 64
static inline const char *name(int n)
{
	static char names[MANY][MODEL_NAME];

	assert_true(n >= 0 && n < MANY);
	if (!names[n][0])
		model->name(n, names[n]);
	return names[n];
}

/* Creates what is called @text, as @c, and gives it a size. */
static inline struct native_file *create_named(const struct caller *c, const char *text,
					       mode_t mode, size_t size)
{
	struct native_file *f = NULL;
	struct object_info info;

	assert_int_equal(kind_create(kind, c, text, O_RDWR | O_EXCL, mode, &f, &info), 0);
	assert_int_equal(native_resize(f, size), 0);
	return f;
}

static inline struct native_file *create(int n, mode_t mode)
{
	return create_named(NULL, name(n), mode, SIZE);
}

/* The errno of a lookup, or 0. */
static inline int look(const char *text, struct object_info *ret)
{
	_cleanup_native_ struct native_file *f = NULL;

	return kind_lookup(kind, NULL, text, &f, ret);
}

static inline int look_errno(const char *text)
{
	struct object_info info;

	return look(text, &info);
}

/* The errno of creating @text, or of opening what is there, or 0. */
static inline int try_create(const struct caller *c, const char *text, int flags,
			     mode_t mode)
{
	_cleanup_native_ struct native_file *f = NULL;
	struct object_info info;

	return kind_create(kind, c, text, flags, mode, &f, &info);
}

static inline int try_open(struct native_file *f, const struct caller *c, int flags)
{
	_cleanup_native_ struct native_file *opened = NULL;

	return native_open(f, c, flags, &opened);
}

static inline struct stat stat_of(struct native_file *f)
{
	struct object_info info;

	assert_int_equal(native_stat(f, &info), 0);
	return info.stat;
}

static inline void drop_named(const char *text, struct native_file *f)
{
	native_file_unref(f);
	assert_int_equal(kind_remove(kind, NULL, text), 0);
}

static inline void drop(int n, struct native_file *f)
{
	drop_named(name(n), f);
}

/*
 * Whether @f can back a file: where not, for want of privilege, it is read and written,
 * and no more.
 */
static inline bool backs(struct native_file *f)
{
	int fd = native_backing(f);

	if (fd < 0)
		assert_int_equal(fd, -EOPNOTSUPP);
	return fd >= 0;
}

/* Ends the test, of which this is the nth object, where it does not. */
static inline void need_backing(int n, struct native_file *f)
{
	if (backs(f))
		return;
	drop(n, f);
	skip();
}

/* Runs @tests, of what is called @group, against the kind that the argument names. */
#define kind_run(group, tests, argc, argv) \
	(kind_enter(argc, argv)            \
		 ? 2                       \
		 : cmocka_run_group_tests_name(group, tests, NULL, NULL) != 0)

static inline int kind_enter(int argc, char *argv[])
{
	ops = kind_find(argc == 2 ? argv[1] : "");
	model = ops ? model_find(ops->name) : NULL;
	if (!model) {
		fprintf(stderr, "usage: %s KIND\n", argv[0]);
		return -EINVAL;
	}
	sandbox_enter();
	umask(0);
	if (caller_init() < 0)
		fprintf(stderr, "one user only\n");
	return 0;
}
