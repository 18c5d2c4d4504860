/* SPDX-License-Identifier: MIT */
/*
 * What decides the mode, the group and the access control list of what is made: the
 * umask, or in its place the default list of the directory, and the directory's
 * set-group-ID bit. The same is made natively, and must look the same.
 */
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DEFAULT      "system.posix_acl_default"
#define ACCESS       "system.posix_acl_access"

#define ENTRY(tag, perm)                        \
	{                                       \
		(tag), (perm), ACL_UNDEFINED_ID \
	}

/* A list, with a named user in the middle where it has a mask. */
struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[5];
};

static const struct {
	size_t entries;
	struct acl acl;
} lists[] = {
	{ 3,
	  { { POSIX_ACL_XATTR_VERSION },
	    { ENTRY(ACL_USER_OBJ, 7), ENTRY(ACL_GROUP_OBJ, 7), ENTRY(ACL_OTHER, 4) } } },
	{ 5,
	  { { POSIX_ACL_XATTR_VERSION },
	    { ENTRY(ACL_USER_OBJ, 6),
	      { ACL_USER, 4, 1002 },
	      ENTRY(ACL_GROUP_OBJ, 2),
	      ENTRY(ACL_MASK, 6),
	      ENTRY(ACL_OTHER, 0) } } },
};

static const struct person alice = { "alice", 1000, 1000, 1, { 2000 } };

/* What is made, and how. */
struct making {
	const char *dir;
	mode_t mode, umask;
	bool by_mknod;
};

static int make(const void *arg)
{
	const struct making *m = arg;
	const char *path = at(m->dir, "made");
	int fd;

	umask(m->umask);
	if (m->by_mknod)
		return mknod(path, S_IFREG | m->mode, 0) < 0 ? -errno : 0;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, m->mode);
	return fd < 0 ? -errno : errno_or(close(fd));
}

/* Owner, mode and list of what @who makes, as text; it is removed again. */
static void made(const struct person *who, const struct making *m, char ret[300])
{
	unsigned char list[sizeof(struct acl)];
	struct stat st;
	ssize_t n;
	int used;

	assert_int_equal(person_do(who, make, m), 0);
	st = file_stat(m->dir, "made");
	used = sprintf(ret, "%o %d:%d", st.st_mode, (int)st.st_uid, (int)st.st_gid);
	n = getxattr(at(m->dir, "made"), ACCESS, list, sizeof(list));
	for (ssize_t i = 0; i < n; i++)
		used += sprintf(ret + used, " %02x", list[i]);
	must(unlink(at(m->dir, "made")));
}

static void is_as_natively(const struct person *who)
{
	static const mode_t modes[] = { 0, 0600, 0644, 0666, 0777, 0123 };
	static const mode_t masks[] = { 0, 022, 077, 0177, 0777 };

	for (unsigned int i = 0; i < COUNT(modes) * COUNT(masks) * 2; i++) {
		struct making m = {
			.dir = PLAIN_DIR,
			.mode = modes[i / 2 % COUNT(modes)],
			.umask = masks[i / 2 / COUNT(modes)],
			.by_mknod = i % 2,
		};
		char plain[300], mount[300];

		made(who, &m, plain);
		m.dir = MOUNT_DIR;
		made(who, &m, mount);
		if (strcmp(plain, mount) != 0)
			fail_msg("mode %o, umask %o: %s, natively %s", m.mode, m.umask,
				 mount, plain);
	}
}

/* For root and for others. */
static void all_is_as_natively(void)
{
	is_as_natively(NULL);
	if (mount_privileged())
		is_as_natively(&alice);
}

static void set_default(size_t i)
{
	size_t size = sizeof(lists[i].acl.header) +
		      lists[i].entries * sizeof(lists[i].acl.entries[0]);

	must(setxattr(NATIVE_DIR, DEFAULT, &lists[i].acl, size, 0));
	must(setxattr(PLAIN_DIR, DEFAULT, &lists[i].acl, size, 0));
}

static void remove_default(void)
{
	must(removexattr(NATIVE_DIR, DEFAULT));
	must(removexattr(PLAIN_DIR, DEFAULT));
}

static void test_default_list_replaces_the_umask(void **state)
{
	(void)state;
	must(chmod(PLAIN_DIR, 01777));
	for (size_t i = 0; i < COUNT(lists); i++) {
		set_default(i);
		all_is_as_natively();
		remove_default();
		all_is_as_natively();
	}
}

static void test_daemon_that_takes_over(void **state)
{
	(void)state;
	must(chmod(PLAIN_DIR, 01777));
	set_default(0);
	all_is_as_natively();
	mount_replace(SIGKILL);
	all_is_as_natively();
	remove_default();
	all_is_as_natively();
}

static void test_group_of_the_directory(void **state)
{
	static const char *const dirs[] = { NATIVE_DIR, PLAIN_DIR };

	(void)state;
	person_needs_root();
	for (size_t i = 0; i < COUNT(dirs); i++) {
		must(chown(dirs[i], 0, 3000));
		must(chmod(dirs[i], 03777));
	}
	all_is_as_natively();
	set_default(1);
	all_is_as_natively();
}

/* What is there keeps its mode; what O_EXCL refuses is not made. */
static void test_what_exists(void **state)
{
	(void)state;
	set_default(0);
	file_make(NATIVE_DIR, "a", 0640, "text");
	umask(077);
	close(must(open(MOUNT_DIR "/a", O_RDWR | O_CREAT | O_CLOEXEC, 0666)));
	refused(open(MOUNT_DIR "/a", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666),
		EEXIST);
	umask(022);
	assert_int_equal(file_stat(NATIVE_DIR, "a").st_mode, S_IFREG | 0640);
	file_expect(NATIVE_DIR, "a", "text");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_default_list_replaces_the_umask),
		mount_test(test_daemon_that_takes_over),
		mount_test(test_group_of_the_directory),
		mount_test(test_what_exists),
	};

	return cmocka_run_group_tests_name("creation", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
