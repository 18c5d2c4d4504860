/* SPDX-License-Identifier: MIT */
/*
 * A user takes all that the daemon lets her have of something. She meets a limit, with an
 * errno that says so, and another is served: he has his share of just that, and does not
 * wait for her. When she ends, the daemon has all back.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "segments.h"
#include "trap.h"
#include "util/cleanup.h"
#include "victim.h"
#include "weigh.h"

#define FDS     640 /* that the daemon may have */
#define TRIES   4000
#define HIS     20 /* what the other one takes meanwhile */
#define WAITERS 2500
#define WAITING 1920 /* half of 4096 but root's sixteenth */

static unsigned int idle_fds;

static void start(const char *options)
{
	person_needs_root();
	mount_limit_fds(FDS, FDS);
	mount_start(options);
	file_make(NATIVE_DIR, "shared", 0666, "text");
	idle_fds = daemon_fds();
}

/* All that she had is there again for whoever comes. */
static void expect_all_back(int (*flood)(struct flood *), struct flood before)
{
	struct flood again;

	flood_end();
	/* Handles of lookups are let go a moment later. */
	await_that(daemon_fds() <= idle_fds);
	again = flood_begin(flood);
	assert_int_equal(again.taken, before.taken);
	flood_end();
	await_that(daemon_fds() <= idle_fds);
}

static int hold(struct flood *f, int (*take)(void))
{
	int r = 0;

	while (f->taken < TRIES && (r = take()) == 0)
		f->taken++;
	f->error = -r;
	return 0;
}

static int open_shared(void)
{
	return open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC) < 0 ? -errno : 0;
}

static int flood_opens(struct flood *f)
{
	return hold(f, open_shared);
}

static int create_pending(void)
{
	static key_t key = 0x1000;

	return open(key_path(++key), O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0 ? -errno : 0;
}

static int flood_pending(struct flood *f)
{
	return hold(f, create_pending);
}

static int open_directory(void)
{
	return open(MOUNT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 ? -errno : 0;
}

static int flood_directories(struct flood *f)
{
	return hold(f, open_directory);
}

/* Of what she may have one is left, and a lock takes it. */
static int flood_locks(struct flood *f)
{
	int first = errno_or(open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC));
	int second = errno_or(open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC));
	int third = errno_or(open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC));

	if (first < 0 || second < 0 || third < 0)
		return -EIO;
	hold(f, open_shared);
	if (close(third) < 0 || flock(first, LOCK_SH) < 0)
		return -errno;
	f->error = flock(second, LOCK_SH) < 0 ? errno : 0;
	return 0;
}

static int take_one_of_each(void)
{
	int fd = open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_start = getpid(), .l_len = 1 };

	if (fd < 0 || flock(fd, LOCK_SH) < 0 || fcntl(fd, F_SETLK, &lock) < 0)
		return -errno;
	return open_directory();
}

static int take_some(const void *arg)
{
	(void)arg;
	for (int i = 0; i < HIS; i++) {
		int r = take_one_of_each();

		if (r < 0)
			return r;
	}
	return 0;
}

/* What she meets, and what another has meanwhile. */
static struct flood check(int (*flood)(struct flood *), const char *name, int error)
{
	struct flood f = flood_begin(flood);

	print_message("%-12s she has %u: %s\n", name, f.taken, strerror(f.error));
	assert_int_equal(f.error, error);
	assert_in_range(f.taken, HIS, FDS / 2);
	victim_works(MOUNT_DIR, name);
	assert_int_equal(person_do(&victim, take_some, NULL), 0);
	return f;
}

static void test_opens_locks_and_directories(void **state)
{
	(void)state;
	start(NULL);
	victim_works(MOUNT_DIR, "idle");
	expect_all_back(flood_opens, check(flood_opens, "opens", EMFILE));
	expect_all_back(flood_directories,
			check(flood_directories, "directories", EMFILE));
	expect_all_back(flood_locks, check(flood_locks, "locks", ENOLCK));
}

static int size_one(const void *arg)
{
	int fd = open(key_path(0x77), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)arg;
	if (fd < 0 || ftruncate(fd, PAGE) < 0 || unlink(key_path(0x77)) < 0)
		return -errno;
	return 0;
}

/* Names without a segment, each with a file that is open. */
static void test_pending_segments(void **state)
{
	struct flood f;

	(void)state;
	person_needs_root();
	mount_limit_fds(FDS, FDS);
	mount_start("kind=sysv");
	idle_fds = daemon_fds();
	f = flood_begin(flood_pending);
	assert_int_equal(f.error, EMFILE);
	assert_in_range(f.taken, HIS, FDS / 2);
	assert_int_equal(segments_count(), 0);
	for (int i = 0; i < HIS; i++)
		assert_int_equal(person_do(&victim, size_one, NULL), 0);
	expect_all_back(flood_pending, f);
	assert_int_equal(segments_count(), 0);
}

static int open_segment(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	int fd;

	if (id < 0)
		return -errno;
	fd = open(id_path(id), O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int error = errno;

		shmctl(id, IPC_RMID, NULL);
		return -error;
	}
	return shmctl(id, IPC_RMID, NULL) < 0 ? -errno : 0;
}

static int flood_segments(struct flood *f)
{
	return hold(f, open_segment);
}

/* Each has an attachment of the daemon's, and goes with it. */
static void test_attachments(void **state)
{
	struct flood f;

	(void)state;
	person_needs_root();
	mount_limit_fds(FDS, FDS);
	mount_start("kind=sysv");
	idle_fds = daemon_fds();
	f = flood_begin(flood_segments);
	assert_int_equal(f.error, EMFILE);
	assert_in_range(f.taken, HIS, FDS / 2);
	assert_int_equal(segments_count(), f.taken);
	for (int i = 0; i < HIS; i++)
		assert_int_equal(person_do(&victim, size_one, NULL), 0);
	flood_end();
	await_that(segments_count() == 0);
	await_that(daemon_fds() <= idle_fds);
}

static atomic_uint refused_waits;

static void *wait_for_lock(void *arg)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };

	if (fcntl(*(const int *)arg, F_SETLKW, &lock) < 0 && errno == ENOLCK)
		atomic_fetch_add(&refused_waits, 1);
	return NULL;
}

static int flood_waits(struct flood *f)
{
	int fd = open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC);
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 32768);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < WAITERS; i++)
		if (pthread_create(&thread, &small, wait_for_lock, &fd) != 0)
			return -EAGAIN;
	/* All others wait, and no more can. */
	await_that(atomic_load(&refused_waits) >= WAITERS - WAITING);
	f->taken = WAITERS - atomic_load(&refused_waits);
	f->error = ENOLCK;
	return 0;
}

static int wait_as_well(const void *arg)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	int fd = open(MOUNT_DIR "/shared", O_RDWR | O_CLOEXEC);

	(void)arg;
	lock.l_start = 1;
	return fd < 0 || fcntl(fd, F_SETLKW, &lock) < 0 ? -errno : 0;
}

static void test_waits(void **state)
{
	struct flock first = { .l_type = F_WRLCK, .l_len = 2 };
	struct flock second = { .l_type = F_UNLCK, .l_start = 1, .l_len = 1 };
	unsigned long before;
	struct flood f;
	pid_t bob;
	int fd;

	(void)state;
	start(NULL);
	fd = file_open(MOUNT_DIR, "shared", O_RDWR);
	must(fcntl(fd, F_SETLK, &first));
	f = flood_begin(flood_waits);
	print_message("%-12s she has %u: %s\n", "waits", f.taken, strerror(f.error));
	assert_int_equal(f.taken, WAITING);
	victim_works(MOUNT_DIR, "waits");
	/* He waits beside her, and has what he waits for when it comes free. */
	before = daemon_status("Threads");
	bob = person_start(&victim, wait_as_well, NULL);
	await_that(daemon_status("Threads") > before);
	must(fcntl(fd, F_SETLK, &second));
	assert_int_equal(person_end(&victim, bob), 0);
	flood_end();
	await_that(daemon_status("Threads") < 100);
	close(fd);
}

/*
 * Her own objects, each busy for as long as she likes: a write to it wants a page that
 * she does not provide, and the kernel locks the object meanwhile.
 */
#define BUSY 120

static struct trap trap; /* of one page */
static atomic_uint truncated;

struct path {
	char text[64];
};

static struct path busy_path(const char *dir, const void *arg)
{
	struct path p;

	snprintf(p.text, sizeof(p.text), "%s/busy-%d", dir, (int)(intptr_t)arg);
	return p;
}

static void *keep_busy(void *arg)
{
	int fd =
		open(busy_path(NATIVE_DIR, arg).text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (pwrite(fd, trap.pages, PAGE, 0) != PAGE)
		abort();
	close(fd);
	return NULL;
}

static void *truncate_busy(void *arg)
{
	if (truncate(busy_path(MOUNT_DIR, arg).text, 1) == 0)
		atomic_fetch_add(&truncated, 1);
	return NULL;
}

static int start_threads(void *(*run)(void *))
{
	pthread_t thread;

	for (intptr_t i = 0; i < BUSY; i++) {
		if (pthread_create(&thread, NULL, run, (void *)i) != 0)
			return -EAGAIN;
		pthread_detach(thread);
	}
	return 0;
}

/* As root until the trap is set. */
static int flood_busy(struct flood *f)
{
	int r = trap_set(&trap, 1);

	if (r < 0) {
		f->error = -r;
		return 0;
	}
	if (setresgid(flooder.gid, flooder.gid, flooder.gid) < 0 ||
	    setresuid(flooder.uid, flooder.uid, flooder.uid) < 0)
		return -errno;
	r = start_threads(keep_busy);
	if (r < 0)
		return r;
	trap_await(&trap, BUSY);
	f->taken = BUSY;
	return start_threads(truncate_busy);
}

/* Her objects are hers again, and what was asked of them is done. */
static int free_busy(void)
{
	int r;

	if (trap.fd < 0)
		return 0;
	r = trap_open(&trap, 0);
	if (r < 0)
		return r;
	await_that(atomic_load(&truncated) == BUSY);
	return 0;
}

static off_t size_of(intptr_t i)
{
	struct stat st;

	must(stat(busy_path(NATIVE_DIR, (void *)i).text, &st));
	return st.st_size;
}

/* More slow requests than there are threads. */
static void test_busy_objects(void **state)
{
	struct flood f;

	(void)state;
	start(NULL);
	victim_works(MOUNT_DIR, "idle");
	f = flood_begin_as_root(flood_busy, free_busy);
	if (f.error == 0) {
		/* As many as she may hold up are held up. */
		victim_works(MOUNT_DIR, "slow");
		victim_works(MOUNT_DIR, "slow");
		assert_int_equal(person_do(&victim, take_some, NULL), 0);
	}
	flood_end();
	if (f.error != 0)
		skip();
	for (intptr_t i = 0; i < BUSY; i++)
		assert_int_equal(size_of(i), 1);
	await_that(daemon_fds() <= idle_fds);
}

static int set_attributes(struct flood *f)
{
	_cleanup_free_ char *value = calloc(1, 60000);
	char name[32];
	int fd = open(MOUNT_DIR "/hers", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || !value)
		return -EIO;
	memset(value, 'x', 60000);
	while (f->taken < TRIES) {
		snprintf(name, sizeof(name), "user.%u", f->taken);
		if (fsetxattr(fd, name, value, 60000, 0) < 0)
			break;
		f->taken++;
	}
	f->error = errno;
	return 0;
}

/* The kernel's own limit: attributes are counted with the objects. */
static void test_attributes(void **state)
{
	struct flood f;

	(void)state;
	person_needs_root();
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "nr_inodes=1000"));
	start(NULL);
	f = flood_begin(set_attributes);
	print_message("%-12s she has %u: %s\n", "attributes", f.taken, strerror(f.error));
	/* Before Linux 6.6 there are none, or no limit. */
	assert_true(f.error == ENOSPC || f.error == EOPNOTSUPP || f.taken == TRIES);
	flood_end();
	must(unlink(NATIVE_DIR "/hers"));
}

#define NAMES 20000

static int make_names(struct flood *f)
{
	char path[64];

	for (; f->taken < NAMES; f->taken++) {
		snprintf(path, sizeof(path), MOUNT_DIR "/name-%u", f->taken);
		if (mknod(path, S_IFREG | 0600, 0) < 0)
			break;
	}
	f->error = f->taken < NAMES ? errno : 0;
	return 0;
}

static void test_names(void **state)
{
	struct flood f;

	(void)state;
	person_needs_root();
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT, "nr_inodes=10000"));
	start(NULL);
	f = flood_begin(make_names);
	print_message("%-12s she has %u: %s\n", "names", f.taken, strerror(f.error));
	assert_int_equal(f.error, ENOSPC);
	assert_in_range(f.taken, 1000, 10000);
	must(unlink(NATIVE_DIR "/name-0"));
	victim_works(MOUNT_DIR, "names");
	flood_end();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_opens_locks_and_directories),
		mount_test_unmounted(test_waits),
		mount_test_unmounted(test_busy_objects),
		mount_test_unmounted(test_attributes),
		mount_test_unmounted(test_names),
		segments_test_unmounted(test_pending_segments),
		segments_test_unmounted(test_attachments),
	};

	return cmocka_run_group_tests_name("flood", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
