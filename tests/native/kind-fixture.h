/* SPDX-License-Identifier: MIT */
#pragma once
/* A kind for each test, by the name that the program was started with. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fixture.h"
#include "native/kind.h"

static const struct kind_ops *ops; /* under test */
static struct kind *kind;

static inline int setup(void **state)
{
	const struct kind_config config = { .shm_dir = "/dev/shm" };

	fixture_setup(state);
	assert_int_equal(kind_new(ops, &config, &kind), 0);
	return 0;
}

static inline int teardown(void **state)
{
	kind = kind_free(kind);
	return fixture_teardown(state);
}

#define kind_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static inline struct native_file *create(const char *name, mode_t mode)
{
	struct native_file *f = NULL;
	struct object_info info;

	assert_int_equal(kind_create(kind, NULL, name, O_RDWR | O_EXCL, mode, &f, &info),
			 0);
	return f;
}

/* The errno of a lookup, or 0. */
static inline int look(const char *name, struct object_info *ret)
{
	_cleanup_native_ struct native_file *f = NULL;

	return kind_lookup(kind, NULL, name, &f, ret);
}

/* The errno of creating @name, or 0. */
static inline int try_create(const struct caller *c, const char *name, int flags,
			     mode_t mode)
{
	_cleanup_native_ struct native_file *f = NULL;
	struct object_info info;

	return kind_create(kind, c, name, flags, mode, &f, &info);
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

static inline void drop(const char *name, struct native_file *f)
{
	native_file_unref(f);
	assert_int_equal(kind_remove(kind, NULL, name), 0);
}

/* Runs @tests, of what is called @group, against the kind that the argument names. */
#define kind_run(group, tests, argc, argv) \
	(kind_enter(argc, argv)            \
		 ? 2                       \
		 : cmocka_run_group_tests_name(group, tests, NULL, NULL) != 0)

static inline int kind_enter(int argc, char *argv[])
{
	ops = kind_find(argc == 2 ? argv[1] : "");
	if (!ops) {
		fprintf(stderr, "usage: %s KIND\n", argv[0]);
		return -EINVAL;
	}
	sandbox_enter();
	umask(0);
	if (caller_init() < 0)
		fprintf(stderr, "one user only\n");
	return 0;
}
