/* SPDX-License-Identifier: MIT */
/*
 * How long segments live: the mount counts as one attachment while it has a segment open,
 * and not a moment longer. No segment, and no memory of one, outlives its users because
 * of us; and what comes and goes without us leaves nothing with us.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "sandbox.h"
#include "segments.h"
#include "util/cleanup.h"
#include "weigh.h"

#define KEY 0x1234
#define A   MOUNT_DIR "/0x00001234"

static int open_a(int flags)
{
	return file_open(MOUNT_DIR, key_name(KEY), flags);
}

static void test_one_attachment_while_open(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDONLY, O_RDWR, O_WRONLY, O_RDWR };
	int id = segment_make(KEY, PAGE, 0600), fds[5], path;
	char *native;

	(void)state;
	path = open_a(O_PATH);
	assert_int_equal(segment_nattch(id), 0);
	for (int i = 0; i < 5; i++) {
		fds[i] = open_a(flags[i]);
		assert_int_equal(segment_nattch(id), 1);
	}
	native = segment_attach(id, 0);
	assert_int_equal(segment_nattch(id), 2);
	for (int i = 0; i < 4; i++)
		must(close(fds[i]));
	/* By the other name it is the same. */
	close(file_open(MOUNT_DIR, id_name(id), O_RDWR));
	assert_int_equal(must(pwrite(fds[4], "text", 4, 0)), 4);
	assert_int_equal(segment_nattch(id), 2);
	must(close(fds[4]));
	/* Closing is told to the daemon a little later. */
	await_that(segment_nattch(id) == 1);
	segment_detach(native);
	assert_int_equal(segment_nattch(id), 0);
	must(close(path));
	fds[0] = open_a(O_RDONLY);
	assert_int_equal(segment_nattch(id), 1);
	assert_int_equal(segment_status(id).shm_lpid, mount_pid());
	must(close(fds[0]));
	await_that(segment_nattch(id) == 0);
}

/* Who is refused leaves nothing behind. */
static void test_refused_opens_attach_nothing(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);

	(void)state;
	refused(open(A, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	refused(open(A, O_RDWR | O_DIRECTORY), ENOTDIR);
	refused(truncate(A, 1), EPERM);
	must(truncate(A, PAGE));
	assert_int_equal(segment_nattch(id), 0);
	assert_int_equal(segment_status(id).shm_atime, 0);
}

static void test_removed_ones_go_with_the_last_close(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		int id = segment_make(KEY, PAGE, 0600);
		int one = open_a(i & 1 ? O_RDONLY : O_RDWR);
		int two = open_a(i & 2 ? O_RDONLY : O_RDWR);

		if (i & 4)
			must(unlink(A));
		else
			segment_remove(id);
		assert_true(segment_status(id).shm_perm.mode & SHM_DEST);
		must(close(one));
		assert_int_equal(fd_stat(two).st_ino, id);
		assert_true(segment_exists(id));
		must(close(two));
		await_that(!segment_exists(id));
	}
	assert_int_equal(segments_count(), 0);
}

/* Memory of all shared pages of the machine, in kB. */
static long shared_kb(void)
{
	FILE *info = fopen("/proc/meminfo", "re");
	char line[128];
	long kb = -1;

	assert_non_null(info);
	while (fgets(line, sizeof(line), info))
		if (sscanf(line, "Shmem: %ld", &kb) == 1)
			break;
	fclose(info);
	return kb;
}

#define LARGE (64 << 20)

/* Most of it: others use such memory, too. */
#define LARGE_KB (LARGE / 1024 * 3 / 4)

static int make_large(void)
{
	int id = segment_make(KEY, LARGE, 0600);
	char *p = segment_attach(id, 0);

	memset(p, 'x', LARGE);
	segment_detach(p);
	assert_int_equal(segment_column(id, "rss"), LARGE);
	return id;
}

static void *map_large(int fd)
{
	void *p = must(mmap(NULL, LARGE, PROT_READ, MAP_SHARED, fd, 0));

	must(madvise(p, LARGE, MADV_POPULATE_READ));
	return p;
}

/* Nothing of it is left with anybody. */
static void await_memory_back(int id, long used)
{
	await_that(!segment_exists(id));
	assert_int_equal(segment_column(id, "rss"), -1);
	await_that(shared_kb() < used - LARGE_KB);
}

static void test_memory_comes_back(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		int id = make_large();
		long used = shared_kb();
		int fd = open_a(i & 1 ? O_RDONLY : O_RDWR);

		if (i & 2)
			must(unlink(A));
		else
			segment_remove(id);
		assert_int_equal(segment_column(id, "rss"), LARGE);
		must(close(fd));
		await_memory_back(id, used);
	}
}

/* Also of what is mapped, and of that when it is not mapped any more. */
static void test_memory_of_mappings_comes_back(void **state)
{
	(void)state;
	if (!mount_passthrough())
		skip();
	for (int i = 0; i < 2; i++) {
		int id = make_large();
		long used = shared_kb();
		int fd = open_a(O_RDWR);
		void *p = map_large(fd);

		if (i == 0)
			segment_remove(id);
		must(close(fd));
		if (i == 1)
			must(unlink(A));
		await_that(!segment_exists(id));
		assert_int_equal(((char *)p)[LARGE - 1], 'x');
		must(munmap(p, LARGE));
		await_memory_back(id, used);
	}
}

/* Its end is the end of all that it holds. */
static void test_daemon_ends_while_open(void **state)
{
	int kept, removed, fds[2];

	(void)state;
	kept = segment_make(KEY, PAGE, 0600);
	removed = segment_make(KEY + 1, PAGE, 0600);
	fds[0] = open_a(O_RDWR);
	fds[1] = file_open(MOUNT_DIR, key_name(KEY + 1), O_RDONLY);
	segment_remove(removed);
	must(kill(mount_pid(), SIGTERM));
	mount_reap();
	assert_int_equal(segment_nattch(kept), 0);
	assert_false(segment_exists(removed));
	/* Nobody is there to be told. */
	refused(close(fds[0]), ENOTCONN);
	close(fds[1]);
	segments_mount();
	assert_int_equal(sandbox_count_entries(MOUNT_DIR), 1);
}

/* A program that ends in whatever way has closed its files. */
static void test_user_is_killed(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	pid_t pid = must(fork());

	(void)state;
	if (pid == 0) {
		open(A, O_RDWR | O_CLOEXEC);
		pause();
		_exit(0);
	}
	await_that(segment_nattch(id) == 1);
	segment_remove(id);
	must(kill(pid, SIGKILL));
	must(waitpid(pid, NULL, 0));
	await_that(!segment_exists(id));
}

/*
 * With this the kernel removes what nobody has attached any more. To look must not be to
 * attach; and the mount's is an attachment like others.
 */
static void test_forced_removal(void **state)
{
	char *native;
	int id, fd;

	(void)state;
	tunable_set("kernel/shm_rmid_forced", "1");
	id = segment_make(KEY, PAGE, 0600);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(sandbox_count_entries(MOUNT_DIR), 1);
		assert_int_equal(file_stat(MOUNT_DIR, key_name(KEY)).st_size, PAGE);
		told(A, "flags");
		told(A, "rss");
		must(access(A, R_OK | W_OK));
		must(chmod(A, 0640));
		must(truncate(A, PAGE));
	}
	assert_int_equal(segment_status(id).shm_atime, 0);
	native = segment_attach(id, 0);
	fd = open_a(O_RDWR);
	segment_detach(native);
	assert_true(segment_exists(id));
	fd_stat(fd);
	must(close(fd));
	await_that(!segment_exists(id));
	/* So it is with what is made through the mount: it goes with who made it. */
	fd = must(open(A, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	must(ftruncate(fd, PAGE));
	id = segment_find(KEY);
	assert_int_equal(segment_nattch(id), 1);
	must(close(fd));
	await_that(!segment_exists(id));
}

static void open_and_close(int i)
{
	close(open_a(i % 2 ? O_RDWR : O_RDONLY));
}

/* Each round has a key of its own. */
static key_t key_of(int i)
{
	return KEY + 1 + i;
}

static void create_and_unlink(int i)
{
	int fd = must(
		open(key_path(key_of(i)), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	must(ftruncate(fd, PAGE));
	must(close(fd));
	must(unlink(key_path(key_of(i))));
}

static void create_and_give_up(int i)
{
	close(must(open(key_path(key_of(i)), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
}

static void come_and_go_natively(int i)
{
	int id = segment_make(key_of(i), PAGE, 0600);
	struct stat st;

	must(stat(key_path(key_of(i)), &st));
	segment_remove(id);
}

static void open_what_goes(int i)
{
	int id = segment_make(key_of(i), PAGE, 0600);
	int fd = file_open(MOUNT_DIR, i % 2 ? id_name(id) : key_name(key_of(i)), O_RDWR);

	segment_remove(id);
	assert_int_equal(must(write(fd, "text", 4)), 4);
	must(close(fd));
}

/* How many attachments the daemon has, of segments that are there or are gone. */
static unsigned int daemon_attachments(void)
{
	char path[64], line[512];
	unsigned int n = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)mount_pid());
	maps = fopen(path, "re");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "/SYSV") != NULL;
	fclose(maps);
	return n;
}

/*
 * Memory that may have grown in 20,000 rounds after the warm-up: that of the 4,096 names
 * that it has not heard are gone, and of as many that the kernel has yet to forget. All
 * 20,000 take 2,600 kB.
 */
#define BOUND_KB 1800

static void check_memory(unsigned long kb_before, unsigned long threads_before)
{
	unsigned long kb = daemon_status("VmRSS");
	unsigned long threads = daemon_status("Threads");
	unsigned long bound = kb_before + BOUND_KB;

	if (threads > threads_before)
		bound += (threads - threads_before) * THREAD_KB;
	if (!is_instrumented() && kb > bound)
		fail_msg("%lu kB grew to %lu kB, %lu threads to %lu", kb_before, kb,
			 threads_before, threads);
}

static void does_not_grow(void (*round)(int))
{
	const int rounds = is_instrumented() ? 5000 : 20000;
	unsigned long kb, threads;
	unsigned int fds;
	int i = 0;

	segment_make(KEY, PAGE, 0600);
	/* When it serves, it is done with telling that it does, and with the socket. */
	must(access(MOUNT_DIR, F_OK));
	fds = daemon_fds();
	for (; i < rounds / 5; i++)
		round(i);
	kb = daemon_status("VmRSS");
	threads = daemon_status("Threads");
	for (; i < rounds + rounds / 5; i++)
		round(i);
	await_that(daemon_fds() == fds);
	await_that(daemon_attachments() == 0);
	assert_int_equal(segments_count(), 1);
	check_memory(kb, threads);
}

static void test_opening_and_closing(void **state)
{
	(void)state;
	does_not_grow(open_and_close);
}

static void test_creating_and_unlinking(void **state)
{
	(void)state;
	does_not_grow(create_and_unlink);
}

static void test_creating_and_giving_up(void **state)
{
	(void)state;
	does_not_grow(create_and_give_up);
}

static void test_native_coming_and_going(void **state)
{
	(void)state;
	does_not_grow(come_and_go_natively);
}

static void test_opening_what_goes(void **state)
{
	(void)state;
	does_not_grow(open_what_goes);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		segments_test(test_one_attachment_while_open),
		segments_test(test_refused_opens_attach_nothing),
		segments_test(test_removed_ones_go_with_the_last_close),
		segments_test(test_memory_comes_back),
		segments_test(test_memory_of_mappings_comes_back),
		segments_test(test_daemon_ends_while_open),
		segments_test(test_user_is_killed),
		segments_test(test_forced_removal),
		segments_test(test_opening_and_closing),
		segments_test(test_creating_and_unlinking),
		segments_test(test_creating_and_giving_up),
		segments_test(test_native_coming_and_going),
		segments_test(test_opening_what_goes),
	};

	return cmocka_run_group_tests_name("sysv-life", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(180, run);
}
