/* SPDX-License-Identifier: MIT */
/*
 * A user keeps an object or the native directory busy, for good. Others are served, what
 * they close is closed, the daemon ends when it is told to, and when the user lets go all
 * is as before. What needs the directory is EBUSY meanwhile (difference: busy).
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "holder.h"
#include "mount.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "victim.h"
#include "weigh.h"

#define FDS   640
#define BELOW 100 /* requests that wait: more than a user may have threads */

/* What nobody would call being served. The bound is two seconds; the rest is for a
 * machine that has much else to do. */
#define SERVED_NS (UINT64_C(8) * 1000 * 1000 * 1000)

static void start(const char *options)
{
	person_needs_root();
	mount_limit_fds(FDS, FDS);
	mount_start(options);
	file_make(NATIVE_DIR, "held", 0666, "text");
	must(chown(NATIVE_DIR "/held", flooder.uid, flooder.gid));
	file_make(NATIVE_DIR, "known", 0666, "text");
	file_make(NATIVE_DIR, "fresh", 0666, "text");
	file_expect(MOUNT_DIR, "known", "text");
}

static int use(const void *name)
{
	char text[5] = "";
	struct stat st;
	int fd = open(at(MOUNT_DIR, name), O_RDWR | O_CLOEXEC);

	if (fd < 0 || stat(at(MOUNT_DIR, name), &st) < 0 || pread(fd, text, 4, 0) != 4 ||
	    pwrite(fd, text, 4, 0) != 4 || fstat(fd, &st) < 0)
		return errno ? -errno : -EIO;
	return errno_or(close(fd));
}

static int read_open(const void *fd)
{
	char text[4];

	return pread((int)(intptr_t)fd, text, 4, 0) == 4 ? 0 : -EIO;
}

static int create(const void *name)
{
	int fd = open(at(MOUNT_DIR, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : errno_or(close(fd));
}

static int look_up(const void *name)
{
	struct stat st;

	return errno_or(stat(at(MOUNT_DIR, name), &st));
}

static int remove_name(const void *name)
{
	return errno_or(unlink(at(MOUNT_DIR, name)));
}

/* A file of the person's that is closed has no locks any more. */
static int lock_and_close(const void *name)
{
	int fd = open(at(MOUNT_DIR, name), O_RDWR | O_CLOEXEC);
	int native = open(at(NATIVE_DIR, name), O_RDWR | O_CLOEXEC);

	if (fd < 0 || native < 0 || flock(fd, LOCK_EX) < 0 || close(fd) < 0)
		return -errno;
	while (flock(native, LOCK_EX | LOCK_NB) < 0)
		poll(NULL, 0, 1);
	return errno_or(close(native));
}

/* What @who does must end with @result, in time. */
static void expect_of(const struct person *who, int (*act)(const void *name),
		      const void *name, int result)
{
	uint64_t begin = clock_ns();

	assert_int_equal(person_do(who, act, name), result);
	assert_in_range(clock_ns() - begin, 0, SERVED_NS);
}

static void expect(int (*act)(const void *name), const char *name, int result)
{
	expect_of(&victim, act, name, result);
}

static void expect_bystanders_served(void)
{
	expect(use, "known", 0);
	expect(lock_and_close, "known", 0);
	expect_of(NULL, use, "known", 0);
}

/* Those of the flooder who wait, until they are told. */
static int wait_below(const void *act)
{
	int (*const *each)(const void *name) = act;
	pid_t pids[BELOW];
	int failed = 0;

	for (int i = 0; i < BELOW; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(-(*each)("held"));
	}
	for (int i = 0; i < BELOW; i++) {
		int status = 1;

		if (waitpid(pids[i], &status, 0) < 0 || status != 0)
			failed++;
	}
	return failed ? -EIO : 0;
}

/* In direct mode all of them come to the daemon at once, else the kernel lets one do. */
static int write_it(const void *name)
{
	int fd = open(at(MOUNT_DIR, name), O_RDWR | O_CLOEXEC);

	return fd < 0 || pwrite(fd, "TE", 2, 0) != 2 ? -errno : errno_or(close(fd));
}

static int (*const writes)(const void *name) = write_it;

/* What is opened with O_APPEND comes to the daemon in every mode. */
static int write_asynchronously(const void *name)
{
	int fd = open(at(MOUNT_DIR, name), O_RDWR | O_APPEND | O_CLOEXEC);
	char text[] = "TE";
	struct iocb write = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = (unsigned int)fd,
		.aio_buf = (uintptr_t)text,
		.aio_nbytes = 2,
	};
	struct iocb *list = &write;
	aio_context_t context = 0;
	struct io_event event;

	if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0 || syscall(SYS_io_setup, 1, &context) < 0)
		return -errno;
	if (syscall(SYS_io_submit, context, 1, &list) != 1 ||
	    syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
		return -errno;
	return event.res == 2 ? 0 : -EIO;
}

static int (*const asynchronous_writes)(const void *name) = write_asynchronously;

static int miss(const void *name)
{
	struct stat st;
	char path[64];

	(void)name;
	snprintf(path, sizeof(path), MOUNT_DIR "/missing-%d", (int)getpid());
	return stat(path, &st) < 0 && (errno == EBUSY || errno == ENOENT) ? 0 : -EIO;
}

static int (*const misses)(const void *name) = miss;

/* Requests of the flooder for her object, more than she may have threads for. */
static void test_object(void **state)
{
	unsigned long threads;
	struct holder h;
	pid_t below;
	int known;

	(void)state;
	start(NULL);
	known = file_open(MOUNT_DIR, "known", O_RDONLY);
	threads = daemon_status("Threads");
	holder_start(&h, &flooder, NATIVE_DIR "/held", HOLD_OBJECT);
	below = person_start(&flooder, wait_below, &writes);
	/* All the threads that she may have are held up, and no new ones were made. */
	poll(NULL, 0, 300);
	assert_int_equal(daemon_status("Threads"), threads);
	expect_bystanders_served();
	expect(use, "fresh", 0);
	expect(create, "new", 0);
	/* Her own reads go on: one may be the page fault that the holder waits for. */
	expect_of(&flooder, read_open, (const void *)(intptr_t)known, 0);
	close(known);
	holder_release(&h);
	assert_int_equal(person_end(&flooder, below), 0);
}

/* They are not in front of what is closed. */
static void test_asynchronous_writes(void **state)
{
	struct holder h;
	pid_t below;

	(void)state;
	start(NULL);
	holder_start(&h, &flooder, NATIVE_DIR "/held", HOLD_OBJECT);
	below = person_start(&flooder, wait_below, &asynchronous_writes);
	poll(NULL, 0, 300);
	expect_bystanders_served();
	holder_release(&h);
	assert_int_equal(person_end(&flooder, below), 0);
}

static void test_directory(void **state)
{
	struct holder h;
	struct stat st;
	pid_t below;

	(void)state;
	start(NULL);
	file_make(NATIVE_DIR, "his", 0600, "text");
	must(chown(NATIVE_DIR "/his", victim.uid, victim.gid));
	holder_start(&h, &flooder, NATIVE_DIR "/held", HOLD_DIRECTORY);
	below = person_start(&flooder, wait_below, &misses);
	expect_bystanders_served();
	/* Natively this would take until she lets go. */
	expect(create, "new", -EBUSY);
	expect(remove_name, "his", -EBUSY);
	expect(look_up, "missing", -EBUSY);
	/* What is there is found all the same, also for the first time. */
	expect(use, "fresh", 0);
	expect_bystanders_served();
	assert_int_equal(person_end(&flooder, below), 0);
	holder_release(&h);
	/* What was refused is not done later. */
	await_that(person_do(&victim, create, "newer") == 0);
	refused(stat(NATIVE_DIR "/new", &st), ENOENT);
	must(stat(NATIVE_DIR "/his", &st));
	expect(remove_name, "his", 0);
	expect(look_up, "missing", -ENOENT);
}

/* Through the mount she removes what she keeps busy: natively as well others would wait
 * for the directory then. */
static void test_removal(void **state)
{
	struct holder h;
	struct stat st;

	(void)state;
	start(NULL);
	holder_start(&h, &flooder, NATIVE_DIR "/held", HOLD_OBJECT);
	expect_of(&flooder, remove_name, "held", -EBUSY);
	expect_bystanders_served();
	expect(use, "fresh", 0);
	expect(create, "new", -EBUSY);
	holder_release(&h);
	/* This one was under way. */
	await_that(stat(NATIVE_DIR "/held", &st) < 0);
	await_that(person_do(&victim, create, "newer") == 0);
}

static int change_mode(const void *name)
{
	return errno_or(chmod(at(MOUNT_DIR, name), 0600));
}

/* Her request for the object waits, and the kernel has locked the file for it. When she
 * removes that file the kernel holds the directory before it asks. */
static void test_removal_behind(void **state)
{
	pid_t changes, removes;
	struct holder h;
	struct stat st;

	(void)state;
	start(NULL);
	holder_start(&h, &flooder, NATIVE_DIR "/held", HOLD_OBJECT);
	changes = person_start(&flooder, change_mode, "held");
	poll(NULL, 0, 300);
	removes = person_start(&flooder, remove_name, "held");
	poll(NULL, 0, 300);
	expect_bystanders_served();
	expect(use, "fresh", 0);
	assert_int_equal(person_end(&flooder, changes), -EBUSY);
	assert_int_equal(person_end(&flooder, removes), -EBUSY);
	expect(create, "new", -EBUSY);
	holder_release(&h);
	await_that(stat(NATIVE_DIR "/held", &st) < 0);
	await_that(person_do(&victim, create, "newer") == 0);
}

static int empty(const void *name)
{
	int fd = open(at(MOUNT_DIR, name), O_WRONLY | O_TRUNC | O_CLOEXEC);

	return fd < 0 ? -errno : errno_or(close(fd));
}

/* More than the threads that one user may hold up. */
#define MANY 70

/* Her request for the object is put off, since others of hers have taken her share of the
 * threads. The kernel has locked the file for it all the same. */
static void test_removal_of_what_is_put_off(void **state)
{
	pid_t empties[MANY], changes, removes;
	struct holder h;

	(void)state;
	start(NULL);
	file_make(NATIVE_DIR, "free", 0666, "text");
	must(chown(NATIVE_DIR "/free", flooder.uid, flooder.gid));
	file_expect(MOUNT_DIR, "free", "text");
	holder_start(&h, &flooder, NATIVE_DIR "/held", HOLD_OBJECT);
	for (int i = 0; i < MANY; i++)
		empties[i] = person_start(&flooder, empty, "held");
	poll(NULL, 0, 500);
	changes = person_start(&flooder, change_mode, "free");
	poll(NULL, 0, 300);
	removes = person_start(&flooder, remove_name, "free");
	poll(NULL, 0, 300);
	expect_bystanders_served();
	expect(use, "fresh", 0);
	assert_int_equal(person_end(&flooder, changes), -EBUSY);
	assert_int_equal(person_end(&flooder, removes), 0);
	holder_release(&h);
	for (int i = 0; i < MANY; i++)
		person_end(&flooder, empties[i]);
}

/*
 * She keeps /proc busy, where nobody finds a process then. Groups decide of what is
 * another's all the same, and who is a member is served.
 */
static void test_processes(void **state)
{
	struct stat machines, own;
	struct holder h;

	(void)state;
	must(stat("/proc", &machines));
	must(mount("proc", "/proc", "proc", 0, NULL));
	must(stat("/proc", &own));
	start(NULL);
	/* The next daemon has it from the one before. */
	mount_may_say("the daemon died of signal");
	mount_replace(SIGKILL);
	file_make(NATIVE_DIR, "shared", 0660, "text");
	must(chown(NATIVE_DIR "/shared", 0, victim.gid));
	/* Before Linux 5.8 all share the directory. */
	if (own.st_dev != machines.st_dev) {
		holder_start(&h, &flooder, "/proc", HOLD_LISTED);
		expect(use, "shared", 0);
		expect_of(&flooder, use, "shared", -EACCES);
		expect_bystanders_served();
		expect(use, "fresh", 0);
		expect(create, "new", 0);
		holder_release(&h);
	}
	must(umount2("/proc", MNT_DETACH));
}

static void test_end(void **state)
{
	static const enum hold all[] = { HOLD_OBJECT, HOLD_DIRECTORY };
	static const int numbers[] = { SIGTERM, 0 };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		int (*const *act)(const void *) = i & 1 ? &misses : &writes;
		struct holder h;
		uint64_t begin;
		pid_t below;
		int status;

		start(NULL);
		mount_may_say("requests wait for what users keep busy");
		holder_start(&h, &flooder, NATIVE_DIR "/held", all[i & 1]);
		below = person_start(&flooder, wait_below, act);
		poll(NULL, 0, 300);
		begin = clock_ns();
		if (numbers[i / 2])
			must(kill(mount_keeper(), numbers[i / 2]));
		else
			must(umount2(MOUNT_DIR, MNT_FORCE | MNT_DETACH));
		/* The keeper, where the daemon has one; a thread may be left. */
		must(waitpid(mount_keeper(), &status, 0));
		print_message("ended after %.1f s\n", (double)(clock_ns() - begin) / 1e9);
		assert_int_equal(status, 0);
		assert_in_range(clock_ns() - begin, 0, SERVED_NS);
		mount_forget();
		holder_release(&h);
		person_end(&flooder, below);
		must(chmod(NATIVE_DIR, 01777));
	}
}

static void test_takeover(void **state)
{
	struct holder h;
	pid_t below;

	(void)state;
	for (int i = 0; i < 2; i++) {
		start(NULL);
		mount_may_say("the daemon died of signal");
		mount_may_say("may still be carried out for the daemon before");
		holder_start(&h, &flooder, NATIVE_DIR "/held",
			     i ? HOLD_DIRECTORY : HOLD_OBJECT);
		below = person_start(&flooder, wait_below, i ? &misses : &writes);
		poll(NULL, 0, 300);
		mount_replace(SIGKILL);
		expect_bystanders_served();
		expect(use, "fresh", 0);
		holder_release(&h);
		/* Some of hers were refused, since they might have been done twice. */
		person_end(&flooder, below);
		expect(create, "new", 0);
		must(unlink(NATIVE_DIR "/new"));
		mount_stop();
	}
}

#define LARGE ((off_t)1 << 30)

static uint64_t time_to_remove(const char *dir)
{
	_cleanup_close_ int fd = file_open(NATIVE_DIR, "large", O_RDWR | O_CREAT);
	uint64_t begin;

	must(fallocate(fd, 0, 0, LARGE));
	fd = close_fd(fd);
	must(access(at(dir, "large"), F_OK));
	begin = clock_ns();
	must(unlink(at(dir, "large")));
	return clock_ns() - begin;
}

/* Its memory goes when nobody waits for the directory any more. */
static void test_large_object(void **state)
{
	unsigned long long before;
	uint64_t native, ours;

	(void)state;
	start(NULL);
	before = blocks_used(NATIVE_DIR);
	native = time_to_remove(NATIVE_DIR);
	ours = time_to_remove(MOUNT_DIR);
	print_message("removed in %.1f ms, natively in %.1f ms\n", (double)ours / 1e6,
		      (double)native / 1e6);
	assert_in_range(ours, 0, native / 2);
	await_that(blocks_used(NATIVE_DIR) <= before);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_object),
		mount_test_unmounted(test_asynchronous_writes),
		mount_test_unmounted(test_directory),
		mount_test_unmounted(test_removal),
		mount_test_unmounted(test_removal_behind),
		mount_test_unmounted(test_removal_of_what_is_put_off),
		mount_test_unmounted(test_processes),
		mount_test_unmounted(test_end),
		mount_test_unmounted(test_takeover),
		mount_test_unmounted(test_large_object),
	};

	return cmocka_run_group_tests_name("busy", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(180, run);
}
