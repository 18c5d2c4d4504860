/* SPDX-License-Identifier: MIT */
/*
 * Root without some capabilities, as in containers, has through the mount what it has
 * natively. Each act is done on a tmpfs and on the mount, and must come to the same.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "segments.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OWNER 1000
#define GROUP 2000

#define BIT(capability) (UINT64_C(1) << (capability))
#define ALL             UINT64_MAX

struct trial {
	const char *dir;
	int (*act)(const char *dir);
	uint64_t without;
};

static int strip(uint64_t without)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &header, sets) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		sets[i].permitted &= ~(uint32_t)(without >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return errno_or((int)syscall(SYS_capset, &header, sets));
}

static int try(const void *arg)
{
	const struct trial *t = arg;
	int r = strip(t->without);

	return r < 0 ? -EUCLEAN : t->act(t->dir);
}

static int opened(const char *dir, int flags)
{
	int fd = errno_or(open(at(dir, "f"), flags | O_CLOEXEC, 0600));

	return fd < 0 ? fd : errno_or(close(fd));
}

#define ACT(name, expr)                                 \
	static int act_##name(const char *dir)          \
	{                                               \
		return errno_or(expr) < 0 ? -errno : 0; \
	}

static const struct timespec past[2] = { { 1, 2 }, { 3, 4 } };

static int act_read(const char *dir)
{
	return opened(dir, O_RDONLY);
}

static int act_write(const char *dir)
{
	return opened(dir, O_RDWR | O_TRUNC);
}

ACT(access, access(at(dir, "f"), R_OK))
ACT(truncate, truncate(at(dir, "f"), 1))
ACT(chmod, chmod(at(dir, "f"), 0640))
ACT(chown, chown(at(dir, "f"), 77, (gid_t)-1))
ACT(chgrp, chown(at(dir, "f"), (uid_t)-1, 77))
ACT(set_times, utimensat(AT_FDCWD, at(dir, "f"), past, 0))
ACT(unlink, unlink(at(dir, "f")))
ACT(rename, rename(at(dir, "f"), at(dir, "g")))
ACT(set_xattr, setxattr(at(dir, "f"), "user.x", "x", 1, 0))
ACT(set_trusted, setxattr(at(dir, "f"), "trusted.x", "x", 1, 0))
ACT(get_trusted, getxattr(at(dir, "f"), "trusted.kept", NULL, 0))

static const struct {
	const char *name;
	int (*act)(const char *dir);
} acts[] = {
	{ "read", act_read },
	{ "write", act_write },
	{ "access", act_access },
	{ "truncate", act_truncate },
	{ "chmod", act_chmod },
	{ "chown", act_chown },
	{ "chgrp", act_chgrp },
	{ "set_times", act_set_times },
	{ "unlink", act_unlink },
	{ "rename", act_rename },
	{ "set_xattr", act_set_xattr },
	{ "set_trusted", act_set_trusted },
	{ "get_trusted", act_get_trusted },
};

static const uint64_t sets[] = {
	0,
	ALL,
	BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH),
	BIT(CAP_FOWNER),
	BIT(CAP_CHOWN),
	BIT(CAP_SYS_ADMIN),
	ALL & ~BIT(CAP_DAC_OVERRIDE),
	ALL & ~BIT(CAP_FOWNER),
	ALL & ~BIT(CAP_CHOWN),
};

static void arrange(const char *dir, uid_t owner, mode_t mode)
{
	unlink(at(dir, "f"));
	unlink(at(dir, "g"));
	file_make(dir, "f", 0600, "content");
	(void)setxattr(at(dir, "f"), "trusted.kept", "x", 1, 0);
	must(chown(at(dir, "f"), owner, GROUP));
	must(chmod(at(dir, "f"), mode));
}

static void compare(const struct person *who, uid_t owner, mode_t mode, uint64_t without,
		    size_t i)
{
	struct trial t = { .act = acts[i].act, .without = without, .dir = PLAIN_DIR };
	int expected, found;

	arrange(PLAIN_DIR, owner, mode);
	arrange(NATIVE_DIR, owner, mode);
	expected = person_do(who, try, &t);
	t.dir = MOUNT_DIR;
	found = person_do(who, try, &t);
	if (found != expected || expected == -EUCLEAN)
		fail_msg("%s of mode %o by %s without %#llx: %s, not %s", acts[i].name,
			 mode, who->name, (unsigned long long)without, strerror(-found),
			 strerror(-expected));
}

static const struct person people[] = {
	{ .name = "root" },
	{ .name = "root in the group", .gid = GROUP },
	{ .name = "root, a member", .group_count = 1, .groups = { GROUP } },
};

static void test_objects(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0606, 0066 };

	(void)state;
	person_needs_root();
	/* So that root of the directory is nobody. */
	must(chown(NATIVE_DIR, OWNER, OWNER));
	must(chown(PLAIN_DIR, OWNER, OWNER));
	for (size_t p = 0; p < COUNT(people); p++)
		for (size_t m = 0; m < COUNT(modes); m++)
			for (size_t s = 0; s < COUNT(sets); s++)
				for (size_t i = 0; i < COUNT(acts); i++)
					compare(&people[p], OWNER, modes[m], sets[s], i);
}

/* What is root's own takes no capability. */
static void test_own(void **state)
{
	(void)state;
	person_needs_root();
	for (size_t i = 0; i < COUNT(acts); i++)
		compare(&people[0], 0, 0600, ALL, i);
}

/*
 * Root that acts as another user, or has made no capability effective, has them still:
 * access(2) counts them, for the real user, and nothing else does.
 */
static int act_as_other(const char *dir, int (*act)(const char *))
{
	int r = errno_or(seteuid(OWNER + 1));

	return r < 0 ? -EUCLEAN : act(dir);
}

static int act_without_effect(const char *dir, int (*act)(const char *))
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct own[2];

	if (syscall(SYS_capget, &header, own) < 0)
		return -EUCLEAN;
	own[0].effective = own[1].effective = 0;
	return syscall(SYS_capset, &header, own) < 0 ? -EUCLEAN : act(dir);
}

ACT(may_write, access(at(dir, "f"), W_OK))
ACT(may_execute, access(at(dir, "f"), X_OK))
/* Permitted capabilities count here, too (difference: access). */
ACT(could_read, faccessat(AT_FDCWD, at(dir, "f"), R_OK, AT_EACCESS))

struct real_root {
	int (*as)(const char *dir, int (*act)(const char *));
	int (*act)(const char *dir);
	const char *dir;
};

static int act_really(const void *arg)
{
	const struct real_root *r = arg;

	return r->as(r->dir, r->act);
}

static void test_real_root(void **state)
{
	static int (*const as[])(const char *, int (*)(const char *)) = {
		act_as_other,
		act_without_effect,
	};
	static int (*const each[])(const char *) = {
		act_access, act_may_write, act_may_execute,
		act_read,   act_write,     act_truncate,
	};
	static const mode_t modes[] = { 0000, 0400, 0600, 0644, 0111, 0755 };

	(void)state;
	person_needs_root();
	for (size_t m = 0; m < COUNT(modes); m++)
		for (size_t i = 0; i < COUNT(as) * COUNT(each); i++) {
			struct real_root r = { as[i % COUNT(as)], each[i / COUNT(as)],
					       PLAIN_DIR };
			int expected, found;

			arrange(PLAIN_DIR, OWNER, modes[m]);
			arrange(NATIVE_DIR, OWNER, modes[m]);
			expected = person_do(NULL, act_really, &r);
			r.dir = MOUNT_DIR;
			found = person_do(NULL, act_really, &r);
			if (found != expected || expected == -EUCLEAN)
				fail_msg("number %zu on mode %o: %s, not %s", i, modes[m],
					 strerror(-found), strerror(-expected));
		}
	/* With the effective ids it counts what is effective, as for other calls. */
	arrange(NATIVE_DIR, OWNER, 0000);
	assert_int_equal(
		person_do(NULL, act_really,
			  &(struct real_root){ act_as_other, act_could_read, MOUNT_DIR }),
		-EACCES);
}

static int read_segment(const char *dir)
{
	int fd = errno_or(open(dir, O_RDONLY | O_CLOEXEC));

	return fd < 0 ? fd : errno_or(close(fd));
}

static int remove_segment(const char *dir)
{
	return errno_or(unlink(dir));
}

static int test_segment(const char *path, int (*act)(const char *), uint64_t without)
{
	const struct trial t = { .dir = path, .act = act, .without = without };

	return person_do(&people[0], try, &t);
}

static void test_segments(void **state)
{
	static const struct person owner = { "owner", OWNER, OWNER, 0, { 0 } };
	int id = segment_make_as(&owner, 0x1234, PAGE, 0600);
	const char *path = id_path(id);

	(void)state;
	person_needs_root();
	assert_int_equal(test_segment(path, read_segment, 0), 0);
	assert_int_equal(test_segment(path, read_segment, ALL), -EACCES);
	assert_int_equal(test_segment(path, read_segment, BIT(CAP_IPC_OWNER)), -EACCES);
	assert_int_equal(test_segment(path, read_segment, ALL & ~BIT(CAP_IPC_OWNER)), 0);
	assert_int_equal(test_segment(path, remove_segment, ALL), -EPERM);
	assert_int_equal(test_segment(path, remove_segment, BIT(CAP_SYS_ADMIN)), -EPERM);
	assert_true(segment_exists(id));
	assert_int_equal(test_segment(path, remove_segment, 0), 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_objects),
		mount_test(test_own),
		mount_test(test_real_root),
		segments_test(test_segments),
	};

	return cmocka_run_group_tests_name("stripped", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
