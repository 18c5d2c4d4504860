/* SPDX-License-Identifier: MIT */
/*
 * What administrators and containers take from programs before those start, or give them:
 * the daemon then lends nobody what is not theirs, or does not start.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };

/*
 * What is done to the daemon
 */

static int set_bits(unsigned long bits)
{
	return errno_or(prctl(PR_SET_SECUREBITS, bits, 0, 0, 0));
}

static int no_fixup(void)
{
	return set_bits(SECBIT_NO_SETUID_FIXUP);
}

static int no_fixup_locked(void)
{
	return set_bits(SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED);
}

static int other_bits(void)
{
	return set_bits(SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS |
			SECBIT_NO_CAP_AMBIENT_RAISE);
}

/* System call @number does nothing, and says that it did. */
static int pretend(unsigned int number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { COUNT(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return errno_or(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
}

static int no_setresuid(void)
{
	return pretend(SYS_setresuid);
}

static int no_setresgid(void)
{
	return pretend(SYS_setresgid);
}

static int no_setgroups(void)
{
	return pretend(SYS_setgroups);
}

static int no_capset(void)
{
	return pretend(SYS_capset);
}

static int no_setuid(void)
{
	return errno_or(prctl(PR_CAPBSET_DROP, CAP_SETUID, 0, 0, 0));
}

static int no_setgid(void)
{
	return errno_or(prctl(PR_CAPBSET_DROP, CAP_SETGID, 0, 0, 0));
}

/* As a user who has capabilities all the same. */
static int become_able_user(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { { 0 } };

	sets[0].permitted = 1u << CAP_DAC_OVERRIDE | 1u << CAP_SYS_ADMIN;
	sets[0].effective = sets[0].inheritable = sets[0].permitted;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    setresgid(ordinary_user.gid, ordinary_user.gid, ordinary_user.gid) < 0 ||
	    setresuid(ordinary_user.uid, ordinary_user.uid, ordinary_user.uid) < 0 ||
	    syscall(SYS_capset, &header, sets) < 0)
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0) < 0)
		return -errno;
	return errno_or(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
}

/*
 * The daemon, to which that was done
 */

struct start {
	int (*prepare)(void);
	const char *dir;
	int err;
};

static int start(const void *arg)
{
	const struct start *s = arg;
	char *const argv[] = { getenv("SHMFS_DAEMON"), (char *)s->dir, NULL };

	dup2(s->err, STDERR_FILENO);
	if (s->prepare() < 0)
		return -126;
	execv(argv[0], argv);
	return -127;
}

/* Its status, in the background if that is 0, and what it said. */
static int start_after(int (*prepare)(void), const char *dir, char said[512])
{
	_cleanup_close_ int err = must(memfd_create("err", MFD_CLOEXEC));
	const struct start s = { prepare, dir, err };
	int status;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	status = -person_do(NULL, start, &s);
	said[must(pread(err, said, 511, 0))] = '\0';
	return status;
}

static void start_well(int (*prepare)(void), const char *dir)
{
	char said[512];
	int status = start_after(prepare, dir, said);

	if (status != 0)
		fail_msg("status %d: %s", status, said);
}

static void finish(const char *dir)
{
	int status = -1;

	must(umount2(dir, 0));
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
}

static int read_file(const void *path)
{
	int fd = errno_or(open(path, O_RDONLY | O_CLOEXEC));

	return fd < 0 ? fd : close(fd);
}

/* Of root that has none of its capabilities, by which it would read others' files. */
static int read_stripped(const void *path)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { { 0 } };

	return syscall(SYS_capset, &header, sets) < 0 ? -EUCLEAN : read_file(path);
}

static void test_what_it_refuses(void **state)
{
	static int (*const prepare[])(void) = {
		no_fixup,     no_fixup_locked, no_setresuid,
		no_setresgid, no_setgroups,    no_capset,
	};

	(void)state;
	person_needs_root();
	for (size_t i = 0; i < COUNT(prepare); i++) {
		_cleanup_free_ char *entry = NULL;
		char said[512];

		assert_int_equal(start_after(prepare[i], MOUNT_DIR, said), 1);
		if (!strstr(said, "would keep root's rights"))
			fail_msg("case %zu: %s", i, said);
		entry = mount_entry(MOUNT_DIR);
		assert_null(entry);
		refused(waitpid(-1, NULL, 0), ECHILD);
	}
}

static void test_what_is_nothing_to_it(void **state)
{
	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "roots", 0600, "");
	start_well(other_bits, MOUNT_DIR);
	assert_int_equal(person_do(&bob, read_file, MOUNT_DIR "/roots"), -EACCES);
	assert_int_equal(person_do(NULL, read_file, MOUNT_DIR "/roots"), 0);
	must(chown(NATIVE_DIR "/roots", bob.uid, bob.gid));
	assert_int_equal(person_do(&bob, read_file, MOUNT_DIR "/roots"), 0);
	finish(MOUNT_DIR);
}

/* Root that cannot become others serves root alone, and lends it nothing else, either. */
static void test_root_that_stays_root(void **state)
{
	static int (*const prepare[])(void) = { no_setuid, no_setgid };

	(void)state;
	person_needs_root();
	file_make(NATIVE_DIR, "bobs", 0600, "");
	must(chown(NATIVE_DIR "/bobs", bob.uid, bob.gid));
	for (size_t i = 0; i < COUNT(prepare); i++) {
		start_well(prepare[i], MOUNT_DIR);
		assert_int_equal(person_do(NULL, read_file, MOUNT_DIR "/bobs"), 0);
		assert_int_equal(person_do(NULL, read_stripped, MOUNT_DIR "/bobs"),
				 -EACCES);
		assert_int_equal(person_do(&bob, read_file, MOUNT_DIR "/bobs"), -EACCES);
		finish(MOUNT_DIR);
	}
}

/* Her other processes do not have the capabilities that she started it with. */
static void test_user_with_capabilities(void **state)
{
	(void)state;
	person_needs_root();
	ordinary_allow();
	file_make(NATIVE_DIR, "roots", 0600, "");
	file_make(NATIVE_DIR, "alls", 0644, "");
	start_well(become_able_user, USER_DIR);
	assert_int_equal(person_do(&ordinary_user, read_file, USER_DIR "/alls"), 0);
	assert_int_equal(person_do(&ordinary_user, read_file, USER_DIR "/roots"),
			 -EACCES);
	ordinary_unmount();
	ordinary_disallow();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_what_it_refuses),
		mount_test_unmounted(test_what_is_nothing_to_it),
		mount_test_unmounted(test_root_that_stays_root),
		mount_test_unmounted(test_user_with_capabilities),
	};

	return cmocka_run_group_tests_name("hardening", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
