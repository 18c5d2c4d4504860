/* SPDX-License-Identifier: MIT */
/*
 * What each request demands. One that is taken for less than it demands may hold up as
 * many threads as its user likes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/fuse.h>

#include "daemon/admission.h"
#include "daemon/demand.h"
#include "fs/fs.h"

#define FILE_NODE (FS_ROOT + 1)

static enum demand_class class_of(uint32_t opcode, uint64_t node)
{
	struct fuse_in_header in = {
		.len = sizeof(in),
		.opcode = opcode,
		.nodeid = node,
	};
	const struct fuse_buf buf = { .size = sizeof(in), .mem = &in };

	return demand_of(&buf).class;
}

/* The numbers are of the protocol: a header that does not have them must not matter. */
static void test_files(void **state)
{
	static const uint32_t waits[] = {
		FUSE_GETATTR,
		FUSE_SETATTR,
		FUSE_OPEN,
		FUSE_WRITE,
		FUSE_SETXATTR,
		FUSE_GETXATTR,
		FUSE_LISTXATTR,
		FUSE_REMOVEXATTR,
		FUSE_ACCESS,
		FUSE_FALLOCATE,
		FUSE_LSEEK,
		FUSE_IOCTL,
		52 /* STATX */,
		47 /* COPY_FILE_RANGE */,
		53 /* COPY_FILE_RANGE_64 */,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		assert_int_equal(class_of(waits[i], FILE_NODE), DEMAND_FILE);
}

static void test_directories(void **state)
{
	static const uint32_t waits[] = {
		FUSE_LOOKUP,      FUSE_CREATE,  FUSE_MKNOD,    FUSE_UNLINK,
		FUSE_RENAME,      FUSE_RENAME2, FUSE_LINK,     FUSE_READDIR,
		FUSE_READDIRPLUS, FUSE_SETATTR, FUSE_SETXATTR, FUSE_REMOVEXATTR,
		51 /* TMPFILE */,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		assert_int_equal(class_of(waits[i], FS_ROOT), DEMAND_DIRECTORY);
}

/* Somebody may wait for them who holds what others wait for. */
static void test_served_at_once(void **state)
{
	static const uint32_t files[] = { FUSE_READ, FUSE_FLUSH, FUSE_RELEASE,
					  FUSE_FORGET };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(class_of(files[i], FILE_NODE), DEMAND_NOTHING);
	assert_int_equal(class_of(FUSE_GETATTR, FS_ROOT), DEMAND_NOTHING);
}

/* What somebody has open of another's mount goes on, whichever number it comes by. */
static void test_handed_over(void **state)
{
	static const uint32_t by_file[] = { FUSE_READ, FUSE_WRITE, 47, 53 };
	struct fuse_in_header in = { .len = sizeof(in), .uid = 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(by_file) / sizeof(by_file[0]); i++) {
		in.opcode = by_file[i];
		assert_true(admission_to_one(&in, 1));
	}
	in.opcode = FUSE_OPEN;
	assert_false(admission_to_one(&in, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_served_at_once),
		cmocka_unit_test(test_handed_over),
	};

	return cmocka_run_group_tests_name("demand", tests, NULL, NULL) != 0;
}
