/* SPDX-License-Identifier: MIT */
/*
 * What a program grants to whoever executes it, by set-user-ID and set-group-ID bits and
 * by file capabilities, must not be granted by what somebody made of it: whoever writes
 * to an object or gives it away takes that from it. Each way to do so is gone on a tmpfs
 * and on the mount, on objects that got their bits natively, and must leave the same.
 *
 * The differences are to the safe side: see expect_*().
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OWNER 1000
#define GROUP 2000
#define CAPS  "security.capability"

static const struct person people[] = {
	{ .name = "owner", .uid = OWNER, .gid = GROUP },
	{ .name = "owner outside of the group", .uid = OWNER, .gid = 1000 },
	{ .name = "member", .uid = 1001, .gid = GROUP },
	{ .name = "stranger", .uid = 1003, .gid = 1003 },
	{ .name = "root" },
};

#define ACT_FILE(name, flags, expr)                                               \
	static int act_##name(const void *arg)                                    \
	{                                                                         \
		const char *dir = arg;                                            \
		_cleanup_close_ int fd = open(at(dir, "f"), (flags) | O_CLOEXEC); \
                                                                                  \
		return fd < 0 || errno_or(expr) < 0 ? -errno : 0;                 \
	}

#define ACT_NAME(name, expr)                            \
	static int act_##name(const void *arg)          \
	{                                               \
		const char *dir = arg;                  \
                                                        \
		return errno_or(expr) < 0 ? -errno : 0; \
	}

static const struct iovec vector = { (char *)"x", 1 };

/* From another file of the same directory. */
static ssize_t copy_from(const char *dir, int to,
			 ssize_t (*how)(int out, int in, off_t *offset, size_t n))
{
	_cleanup_close_ int from = open(at(dir, "from"), O_RDONLY | O_CLOEXEC);
	off_t offset = 0;

	return from < 0 ? -1 : how(to, from, &offset, 2);
}

static ssize_t by_range(int out, int in, off_t *offset, size_t n)
{
	return copy_file_range(in, offset, out, NULL, n, 0);
}

static int store(int fd)
{
	char *p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	/* In direct mode there is nothing to be shared. */
	if (p == MAP_FAILED)
		return errno == ENODEV ? 0 : -1;
	*p = 'x';
	return munmap(p, 1);
}

ACT_FILE(write, O_WRONLY, write(fd, "x", 1))
ACT_FILE(pwrite, O_RDWR, pwrite(fd, "x", 1, 2))
ACT_FILE(writev, O_WRONLY, writev(fd, &vector, 1))
ACT_FILE(append, O_WRONLY | O_APPEND, write(fd, "x", 1))
ACT_FILE(write_nothing, O_WRONLY, write(fd, "", 0))
ACT_FILE(sendfile, O_WRONLY, copy_from(dir, fd, sendfile))
ACT_FILE(copy_range, O_WRONLY, copy_from(dir, fd, by_range))
ACT_FILE(ftruncate, O_WRONLY, ftruncate(fd, 1))
ACT_FILE(ftruncate_longer, O_WRONLY, ftruncate(fd, 100))
ACT_FILE(fallocate, O_WRONLY, fallocate(fd, 0, 0, 8192))
ACT_FILE(punch, O_WRONLY, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2))
ACT_FILE(open_truncating, O_WRONLY | O_TRUNC, 0)
ACT_FILE(read, O_RDONLY, lseek(fd, 0, SEEK_END))
ACT_FILE(store, O_RDWR, store(fd))
ACT_NAME(truncate, truncate(at(dir, "f"), 1))
ACT_NAME(chown_same, chown(at(dir, "f"), OWNER, GROUP))
ACT_NAME(chown_nothing, chown(at(dir, "f"), (uid_t)-1, (gid_t)-1))
ACT_NAME(chgrp_own, chown(at(dir, "f"), (uid_t)-1, getgid()))
ACT_NAME(chown_away, chown(at(dir, "f"), 1003, (gid_t)-1))
ACT_NAME(chmod, chmod(at(dir, "f"), 0755))
ACT_NAME(touch, utimensat(AT_FDCWD, at(dir, "f"), NULL, 0))

static const struct act {
	const char *name;
	int (*run)(const void *dir);
	/* It changes contents, which root natively may without an effect; or owners. */
	enum { NEITHER, CONTENTS, OWNERS } changes;
} acts[] = {
	{ "write", act_write, CONTENTS },
	{ "pwrite", act_pwrite, CONTENTS },
	{ "writev", act_writev, CONTENTS },
	{ "append", act_append, CONTENTS },
	{ "write_nothing", act_write_nothing, NEITHER },
	{ "sendfile", act_sendfile, CONTENTS },
	{ "copy_range", act_copy_range, CONTENTS },
	{ "ftruncate", act_ftruncate, CONTENTS },
	{ "ftruncate_longer", act_ftruncate_longer, CONTENTS },
	{ "fallocate", act_fallocate, CONTENTS },
	{ "punch", act_punch, CONTENTS },
	{ "open_truncating", act_open_truncating, CONTENTS },
	{ "read", act_read, NEITHER },
	{ "store", act_store, NEITHER },
	{ "truncate", act_truncate, CONTENTS },
	{ "chown_same", act_chown_same, OWNERS },
	{ "chown_nothing", act_chown_nothing, OWNERS },
	{ "chgrp_own", act_chgrp_own, OWNERS },
	{ "chown_away", act_chown_away, OWNERS },
	{ "chmod", act_chmod, NEITHER },
	{ "touch", act_touch, NEITHER },
};

static void grant(const char *dir, mode_t mode, bool with_caps)
{
	const struct vfs_cap_data caps = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data = { { .permitted = 1 << CAP_CHOWN } },
	};

	unlink(at(dir, "f"));
	file_make(dir, "f", 0600, "content");
	must(chown(at(dir, "f"), OWNER, GROUP));
	must(chmod(at(dir, "f"), mode));
	if (with_caps)
		must(setxattr(at(dir, "f"), CAPS, &caps, XATTR_CAPS_SZ_2, 0));
}

struct left {
	mode_t mode;
	bool caps;
};

/*
 * Where the group may not execute, set-group-ID grants nothing. Natively it goes or stays
 * there as the writer is a member or not, and it is the daemon that writes.
 * (difference: set-group-id)
 */
static mode_t granted(mode_t mode)
{
	return mode & S_IXGRP ? mode : mode & ~(mode_t)S_ISGID;
}

static struct left left(const char *dir)
{
	return (struct left){
		.mode = granted(file_stat(dir, "f").st_mode & 07777),
		.caps = getxattr(at(dir, "f"), CAPS, NULL, 0) >= 0,
	};
}

/* What natively only root's writing leaves, who has CAP_FSETID. (difference:
 * capabilities) */
static void expect_roots(const struct person *who, const struct act *act,
			 struct left *plain)
{
	if (who->uid != 0 || act->changes != CONTENTS)
		return;
	plain->mode &= ~(mode_t)(S_ISUID | S_ISGID);
}

/*
 * The kernel takes them before it asks whether somebody may do what he wants to, and so
 * they may be gone though it was refused: if he could take them, by writing or as owner.
 * (difference: privileges)
 */
static void expect_refused(const struct person *who, mode_t mode, struct left native,
			   struct left *plain)
{
	struct left bare = { plain->mode & ~(mode_t)(S_ISUID | S_ISGID), false };

	grant(PLAIN_DIR, mode, false);
	if (native.mode == bare.mode && !native.caps &&
	    (who->uid == OWNER || person_do(who, act_write, PLAIN_DIR) == 0))
		*plain = bare;
}

static void compare(const struct person *who, const struct act *act, mode_t mode,
		    bool with_caps)
{
	struct left plain, native;
	int expected, found;
	bool refused;

	grant(NATIVE_DIR, mode, with_caps);
	grant(PLAIN_DIR, mode, with_caps);
	expected = person_do(who, act->run, PLAIN_DIR);
	found = person_do(who, act->run, MOUNT_DIR);
	refused = expected < 0;
	/* That asks the daemon for nothing, so that it refuses nothing.
	 * (difference: chown-nothing) */
	if (act->run == act_chown_nothing && expected == -EPERM)
		expected = 0;
	if (found != expected)
		fail_msg("%s of mode %o by %s: %s, not %s", act->name, mode, who->name,
			 strerror(-found), strerror(-expected));
	plain = left(PLAIN_DIR);
	native = left(NATIVE_DIR);
	expect_roots(who, act, &plain);
	if (refused)
		expect_refused(who, mode, native, &plain);
	if (native.mode != plain.mode || native.caps != plain.caps)
		fail_msg("%s of mode %o by %s left mode %o %s capabilities, not %o %s",
			 act->name, mode, who->name, native.mode,
			 native.caps ? "with" : "without", plain.mode,
			 plain.caps ? "with" : "without");
	/* What the kernel remembers of it is no different. */
	assert_int_equal(granted(file_stat(MOUNT_DIR, "f").st_mode & 07777), native.mode);
}

static void test_what_is_granted(void **state)
{
	static const mode_t modes[] = { 06777, 04777, 02777, 0777,  02767, 06766,
					04666, 01777, 06755, 04711, 02755, 06500 };

	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "from", 0666, "other");
	file_make(PLAIN_DIR, "from", 0666, "other");
	for (size_t m = 0; m < COUNT(modes); m++)
		for (size_t p = 0; p < COUNT(people); p++)
			for (size_t a = 0; a < COUNT(acts); a++)
				for (int caps = 0; caps < 2; caps++)
					compare(&people[p], &acts[a], modes[m], caps);
}

/* A descriptor that was open before the bits were set writes as one that is opened. */
static void test_bits_set_while_open(void **state)
{
	_cleanup_close_ int fd = -1;
	struct left now;

	(void)state;
	person_needs_root();
	grant(NATIVE_DIR, 0777, false);
	fd = file_open(MOUNT_DIR, "f", O_RDWR);
	assert_int_equal(must(pwrite(fd, "x", 1, 0)), 1);
	for (int i = 0; i < 3; i++) {
		const struct vfs_cap_data caps = { .magic_etc = VFS_CAP_REVISION_2 };

		must(chmod(NATIVE_DIR "/f", 06777));
		must(setxattr(NATIVE_DIR "/f", CAPS, &caps, XATTR_CAPS_SZ_2, 0));
		assert_int_equal(must(pwrite(fd, "x", 1, i)), 1);
		now = left(NATIVE_DIR);
		assert_int_equal(now.mode, 0777);
		assert_false(now.caps);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_what_is_granted),
		mount_test(test_bits_set_while_open),
	};

	return cmocka_run_group_tests_name("set-id", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
