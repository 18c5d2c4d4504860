/* SPDX-License-Identifier: MIT */
/*
 * The daemon's request loop by itself, over a file system of ours whose requests take as
 * long as a test wants: the attributes of the files "held-0", "held-1", ... are given
 * when the test says so. Looking up a name is answered at once; there are no others.
 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "files.h"
#include "mount.h"

#define THREADS 24
#define HELD    10 /* those that may be, with as many helpers as there can be */

static struct {
	struct fuse_session *session;
	struct loop *loop;
	pthread_t thread;
	int result;
	atomic_bool over;  /* loop_run() has returned */
	atomic_uint stops; /* loop_stop() was called so often */
	atomic_uint served;
	atomic_uint interrupted; /* waits of requests that are held */
	sem_t begun;             /* posted by each request that is held */
	sem_t go;                /* and what it waits for */
} server;

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .entry_timeout = 1000 };

	(void)parent;
	atomic_fetch_add(&server.served, 1);
	if (sscanf(name, "held-%" SCNu64, &entry.ino) != 1) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	entry.ino += FUSE_ROOT_ID + 1;
	entry.attr.st_ino = entry.ino;
	entry.attr.st_mode = S_IFREG;
	fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	const struct stat st = { .st_ino = node, .st_mode = S_IFREG };

	(void)fi;
	sem_post(&server.begun);
	while (sem_wait(&server.go) < 0)
		atomic_fetch_add(&server.interrupted, 1);
	fuse_reply_attr(req, &st, 0);
}

static void *run_loop(void *data)
{
	(void)data;
	server.result = loop_run(server.loop);
	atomic_store(&server.over, true);
	return NULL;
}

static void start(unsigned int threads, unsigned int poll_us)
{
	static const struct fuse_lowlevel_ops ops = {
		.lookup = op_lookup,
		.getattr = op_getattr,
	};
	const struct loop_config config = {
		.threads = threads,
		.poll_ns = poll_us * UINT64_C(1000),
	};
	char name[] = "test-loop", option[] = "-oallow_other";
	char *argv[] = { name, option, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);

	atomic_store(&server.served, 0);
	atomic_store(&server.over, false);
	atomic_store(&server.stops, 0);
	must(sem_init(&server.begun, 0, 0));
	must(sem_init(&server.go, 0, 0));
	server.session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	assert_non_null(server.session);
	assert_int_equal(fuse_session_mount(server.session, MOUNT_DIR), 0);
	assert_int_equal(loop_new(server.session, &config, &server.loop), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, run_loop, NULL), 0);
	fuse_opt_free_args(&args);
}

/* The loop has been told to end. */
static void finish(void)
{
	assert_int_equal(pthread_join(server.thread, NULL), 0);
	assert_int_equal(server.result, 0);
	loop_free(server.loop);
	fuse_session_unmount(server.session);
	fuse_session_destroy(server.session);
	sem_destroy(&server.begun);
	sem_destroy(&server.go);
}

static void unmount_and_finish(void)
{
	must(umount2(MOUNT_DIR, MNT_DETACH));
	finish();
}

static void look_up(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), MOUNT_DIR "/%s", name);
	refused(access(path, F_OK), ENOENT);
}

static void *hold(void *data)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), MOUNT_DIR "/held-%zu", (size_t)(uintptr_t)data);
	return stat(path, &st) == 0 ? &server : NULL;
}

static void start_held(pthread_t *threads, unsigned int n)
{
	for (uintptr_t i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hold, (void *)i), 0);
}

static void await_begun(unsigned int n)
{
	while (n-- > 0)
		must(sem_wait(&server.begun));
}

/* Lets all of them go; each must have been answered. */
static void release_held(pthread_t *threads, unsigned int n)
{
	void *answered;

	for (unsigned int i = 0; i < n; i++)
		must(sem_post(&server.go));
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(pthread_join(threads[i], &answered), 0);
		assert_non_null(answered);
	}
}

static void test_one_caller(void **state)
{
	const unsigned int polls[] = { 0, 100 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		start(THREADS, polls[i]);
		for (int n = 0; n < 2000; n++)
			look_up("other");
		assert_int_equal(atomic_load(&server.served), 2000);
		unmount_and_finish();
	}
}

static void *look_up_often(void *data)
{
	for (int n = 0; n < 2000; n++)
		if (access(MOUNT_DIR "/other", F_OK) == 0 || errno != ENOENT)
			return NULL;
	return data;
}

/* Enough at once for helpers to be called; nothing is lost and nothing served twice. */
static void test_many_callers(void **state)
{
	pthread_t threads[8];
	void *done;

	(void)state;
	start(THREADS, 100);
	for (int i = 0; i < 8; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, look_up_often, &server), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &done), 0);
		assert_non_null(done);
	}
	assert_int_equal(atomic_load(&server.served), 8 * 2000);
	unmount_and_finish();
}

/* As many requests as threads are for may take their time, and another is served. */
static void test_slow_requests_hold_nobody(void **state)
{
	pthread_t threads[HELD];

	(void)state;
	start(THREADS, 100);
	for (unsigned int n = 1; n <= HELD; n += 3) {
		start_held(threads, n);
		await_begun(n);
		look_up("other");
		release_held(threads, n);
	}
	unmount_and_finish();
}

/* With more than there are threads for, the rest is served when one comes free: one is
 * left to lead, for others. */
static void test_no_thread_left(void **state)
{
	pthread_t threads[5];

	(void)state;
	start(2, 100);
	start_held(threads, 5);
	await_begun(1);
	look_up("other");
	release_held(threads, 5);
	look_up("other");
	unmount_and_finish();
}

/* Alone with its user id in the process, as system calls by themselves leave it. */
static void become(uid_t uid)
{
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		abort();
}

#define ALICE 1000
#define BOB   1001
#define MANY  (3 * THREADS)

static void *hold_as_alice(void *data)
{
	become(ALICE);
	return hold(data);
}

static void *hold_as_bob(void *data)
{
	become(BOB);
	return hold(data);
}

/* Behind so many of others' all that was asked for before has been read. */
static void *look_up_as_bob(void *data)
{
	become(BOB);
	return look_up_often(data);
}

static void start_flood(pthread_t threads[MANY])
{
	start(THREADS, 100);
	for (uintptr_t i = 0; i < MANY; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, hold_as_alice, (void *)i), 0);
}

static void run_thread(void *(*run)(void *))
{
	pthread_t thread;
	void *done;

	assert_int_equal(pthread_create(&thread, NULL, run, &server), 0);
	assert_int_equal(pthread_join(thread, &done), 0);
	assert_non_null(done);
}

/* Who asks for more than there are threads keeps nobody else from having some. */
static void test_users_share_threads(void **state)
{
	pthread_t alices[MANY], bobs[2];
	int begun;

	(void)state;
	start_flood(alices);
	run_thread(look_up_as_bob);
	run_thread(look_up_as_bob);
	must(sem_getvalue(&server.begun, &begun));
	assert_in_range(begun, THREADS / 4, THREADS - 4);
	/* His take their time, too. */
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&bobs[i], NULL, hold_as_bob,
						(void *)(MANY + i)),
				 0);
	await_begun((unsigned int)begun + 2);
	look_up("other");
	run_thread(look_up_as_bob);
	/* And hers are all served, when it is their turn. */
	for (int i = 0; i < 2; i++)
		must(sem_post(&server.go));
	release_held(alices, MANY);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(bobs[i], NULL), 0);
	unmount_and_finish();
}

static void *stop_loop(void *data)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	(void)data;
	while (!atomic_load(&server.over)) {
		loop_stop(server.loop);
		atomic_fetch_add(&server.stops, 1);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

static void stop_and_finish(pthread_t *stopper)
{
	assert_int_equal(pthread_join(*stopper, NULL), 0);
	finish();
}

static void test_stop_idle(void **state)
{
	pthread_t stopper;

	(void)state;
	start(THREADS, 1000);
	look_up("other");
	assert_int_equal(pthread_create(&stopper, NULL, stop_loop, NULL), 0);
	stop_and_finish(&stopper);
}

/* What is being served when the loop is to end gets its answer, and is not disturbed. */
static void test_stop_answers(void **state)
{
	pthread_t stopper, threads[3];

	(void)state;
	start(THREADS, 100);
	start_held(threads, 3);
	await_begun(3);
	atomic_store(&server.interrupted, 0);
	assert_int_equal(pthread_create(&stopper, NULL, stop_loop, NULL), 0);
	while (atomic_load(&server.stops) < 10)
		sched_yield();
	release_held(threads, 3);
	stop_and_finish(&stopper);
	assert_int_equal(atomic_load(&server.interrupted), 0);
}

/* What was put off is not served any more. */
static void test_stop_in_a_flood(void **state)
{
	pthread_t alices[MANY], stopper;
	int begun;

	(void)state;
	start_flood(alices);
	run_thread(look_up_as_bob);
	must(sem_getvalue(&server.begun, &begun));
	assert_in_range(begun, 1, THREADS - 4);
	assert_int_equal(pthread_create(&stopper, NULL, stop_loop, NULL), 0);
	while (atomic_load(&server.stops) < 10)
		sched_yield();
	for (int i = 0; i < begun; i++)
		must(sem_post(&server.go));
	stop_and_finish(&stopper);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(pthread_join(alices[i], NULL), 0);
}

static void *look_up_until_gone(void *data)
{
	while (access(MOUNT_DIR "/other", F_OK) < 0 && errno == ENOENT)
		;
	return data;
}

/* Callers that never pause do not keep the loop from ending. */
static void test_stop_under_load(void **state)
{
	pthread_t stopper, threads[8];

	(void)state;
	start(THREADS, 100);
	for (int i = 0; i < 8; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, look_up_until_gone, NULL), 0);
	while (atomic_load(&server.served) < 1000)
		sched_yield();
	assert_int_equal(pthread_create(&stopper, NULL, stop_loop, NULL), 0);
	stop_and_finish(&stopper);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* How often the threads of this process that are younger than @oldest have gone to sleep.
 */
static unsigned long count_sleeps(pid_t oldest)
{
	unsigned long sum = 0, n;
	struct dirent *entry;
	char path[300], line[100];
	DIR *tasks = opendir("/proc/self/task");
	FILE *status;

	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) <= oldest)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		status = fopen(path, "re");
		while (status && fgets(line, sizeof(line), status))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
				sum += n;
		if (status)
			fclose(status);
	}
	closedir(tasks);
	return sum;
}

static pid_t youngest_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t youngest = 0;

	assert_non_null(tasks);
	while ((entry = readdir(tasks)))
		if (atoi(entry->d_name) > youngest)
			youngest = atoi(entry->d_name);
	closedir(tasks);
	return youngest;
}

static unsigned long sleeps_in(unsigned int milliseconds, pid_t oldest)
{
	const struct timespec time = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = milliseconds % 1000 * 1000000L,
	};
	unsigned long before = count_sleeps(oldest);

	nanosleep(&time, NULL);
	return count_sleeps(oldest) - before;
}

/* Soon after the last request nothing wakes up any more. */
static void test_idle_is_asleep(void **state)
{
	pid_t oldest;

	(void)state;
	/* A tool that watches the program may have threads of its own. */
	oldest = youngest_thread();
	start(THREADS, 1000);
	for (int n = 0; n < 1000; n++)
		look_up("other");
	await_that(sleeps_in(100, oldest) == 0);
	/* On a busy machine one may come to its sleep only now, but none does ever again.
	 */
	await_that(sleeps_in(2000, oldest) == 0);
	look_up("other");
	unmount_and_finish();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_one_caller),
		mount_test_unmounted(test_many_callers),
		mount_test_unmounted(test_slow_requests_hold_nobody),
		mount_test_unmounted(test_no_thread_left),
		mount_test_unmounted(test_users_share_threads),
		mount_test_unmounted(test_stop_idle),
		mount_test_unmounted(test_stop_answers),
		mount_test_unmounted(test_stop_in_a_flood),
		mount_test_unmounted(test_stop_under_load),
		mount_test_unmounted(test_idle_is_asleep),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
