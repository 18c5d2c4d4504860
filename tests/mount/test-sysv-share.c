/* SPDX-License-Identifier: MIT */
/*
 * Pages of System V segments, shared between programs that know shmget and shmat alone
 * (in C, and in Perl, whose shmread and shmwrite attach for each call) and programs that
 * know nothing of either and map the file (in C and in Python), whichever side made the
 * segment.
 *
 * Without passthrough there are no shared mappings; then the program on the mount reads
 * and writes, which has to be as coherent.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "share/exchange.h"
#include "share/players.h"
#include "util/cleanup.h"

#define KEY  0x5e6d0001
#define NAME "0x5e6d0001"

#define LARGE_SIZE    (1024LLU << 20)
/* What has to be left of the machine: the other io mode may be at it just now, too. */
#define LARGE_NEED_KB (3072LLU << 10)

static const struct game small = { NAME, EXCHANGE_SIZE, "500", "reopened" };
static const struct game large = { NAME, LARGE_SIZE, "200", "reopened" };

static const struct player c_native = { "shmat", "SHMFS_PLAYER_SYSV", NULL, "native" };
static const struct player perl_native = { "Perl's shmread", "SHMFS_PERL",
					   "SHMFS_PLAYER_PERL", "native" };
static const struct player c_mount = { "mmap", "SHMFS_PLAYER", NULL, NULL };
static const struct player python_mount = { "Python's mmap", "SHMFS_PYTHON",
					    "SHMFS_PLAYER_PYTHON", NULL };

/* The segment of the key, and what it is natively. */
static int segment_id(void)
{
	return must(shmget(KEY, 0, 0));
}

static struct shmid_ds segment_status(void)
{
	struct shmid_ds ds;

	must(shmctl(segment_id(), IPC_STAT, &ds));
	return ds;
}

/* After the last user, what is left must be the segment that was asked for and no more.
 */
static void expect_left_alone(const struct game *game)
{
	struct shmid_ds ds = segment_status();

	assert_int_equal(ds.shm_segsz, game->size);
	assert_int_equal(ds.shm_perm.mode & 07777, 0644);
	assert_int_equal(file_stat(MOUNT_DIR, NAME).st_size, game->size);
	/* The kernel tells of a last close when those who closed have gone on. */
	await_that(segment_status().shm_nattch == 0);
}

static void play(const struct player *leader, const struct player *follower)
{
	players_play(&small, leader, follower);
	expect_left_alone(&small);
	must(unlink(MOUNT_DIR "/" NAME));
	refused(shmget(KEY, 0, 0), ENOENT);
}

/* Both programs on the mount with @native, and each of them once as the one who begins.
 */
static void play_all(const struct player *native)
{
	player_needs(native);
	play(native, &c_mount);
	play(&c_mount, native);
	player_needs(&python_mount);
	play(native, &python_mount);
	play(&python_mount, native);
}

static void test_c(void **state)
{
	(void)state;
	play_all(&c_native);
}

static void test_perl(void **state)
{
	(void)state;
	play_all(&perl_native);
}

static void test_two_on_the_mount(void **state)
{
	(void)state;
	play(&c_mount, &c_mount);
	player_needs(&python_mount);
	play(&c_mount, &python_mount);
}

static uint64_t available_kb(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kb = 0;

	assert_non_null(file);
	while (kb == 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) != 1)
			kb = 0;
	fclose(file);
	return kb;
}

static void needs_memory(void)
{
	uint64_t kb = available_kb();

	if (kb >= LARGE_NEED_KB)
		return;
	print_message("skipped: only %" PRIu64 " MiB of memory are available\n",
		      kb >> 10);
	skip();
}

/* All of the bytes, from @writer to @reader. */
static void hand_over(const struct player *writer, const struct player *reader)
{
	player_expect_success(player_start(writer, &large, "fill", NULL), writer);
	player_expect_success(player_start(reader, &large, "check", NULL), reader);
}

/* A few pages both ways, of which the last is one, and then all of them one way. */
static void play_large(const struct player *leader, const struct player *follower)
{
	needs_memory();
	player_needs(leader);
	player_needs(follower);
	players_play(&large, leader, follower);
	expect_left_alone(&large);
	hand_over(leader, follower);
	must(unlink(MOUNT_DIR "/" NAME));
	refused(shmget(KEY, 0, 0), ENOENT);
}

static void test_large_c(void **state)
{
	(void)state;
	play_large(&c_native, &python_mount);
}

static void test_large_perl(void **state)
{
	(void)state;
	play_large(&python_mount, &perl_native);
}

enum side { NATIVE, MOUNTED };

static struct exchange begin(enum side side)
{
	struct exchange e = { NULL, -1, EXCHANGE_SIZE };
	void *at;

	if (side == NATIVE) {
		e.words = must(shmat(segment_id(), NULL, 0));
		return e;
	}
	e.fd = file_open(MOUNT_DIR, NAME, O_RDWR);
	if (!mount_passthrough())
		return e;
	at = must(mmap(NULL, e.size, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, 0));
	e.words = at;
	return e;
}

/* With the mapping alone, where there is one: the descriptor is closed. */
static void go_on_without_descriptor(struct exchange *e)
{
	if (e->words)
		e->fd = close_fd(e->fd);
}

static void end(enum side side, struct exchange *e)
{
	if (side == NATIVE)
		must(shmdt(e->words));
	else if (e->words)
		must(munmap(e->words, e->size));
	close_fd(e->fd);
}

static void remove_segment(enum side by)
{
	if (by == NATIVE)
		must(shmctl(segment_id(), IPC_RMID, NULL));
	else
		must(unlink(MOUNT_DIR "/" NAME));
}

static int segments_used(void)
{
	struct shm_info info;

	must(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info));
	return info.used_ids;
}

/* The leader plays as @ours, a child follows as @theirs, while the segment is removed. */
static void play_on(enum side ours, enum side theirs, enum side by)
{
	struct exchange e;
	pid_t pid;

	must(shmget(KEY, EXCHANGE_SIZE, IPC_CREAT | IPC_EXCL | 0600));
	e = begin(ours);
	pid = must(fork());
	if (pid == 0) {
		struct exchange follower = begin(theirs);

		exchange_follow(&follower, 1, 300);
		_exit(0);
	}
	exchange_lead(&e, 1, 100);
	remove_segment(by);
	refused(shmget(KEY, 0, 0), ENOENT);
	exchange_lead(&e, 101, 200);
	go_on_without_descriptor(&e);
	exchange_lead(&e, 201, 300);
	player_expect_success(pid, &c_mount);
	end(ours, &e);
	/* No segment outlives its users. */
	await_that(segments_used() == 0);
}

static void test_removed(void **state)
{
	(void)state;
	play_on(MOUNTED, NATIVE, MOUNTED);
	play_on(MOUNTED, NATIVE, NATIVE);
	play_on(NATIVE, MOUNTED, MOUNTED);
	play_on(NATIVE, MOUNTED, NATIVE);
	play_on(MOUNTED, MOUNTED, MOUNTED);
}

static int setup(void **state)
{
	mount_setup_dirs(state);
	mount_start("kind=sysv");
	return 0;
}

#define sysv_test(function) \
	cmocka_unit_test_setup_teardown(function, setup, mount_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		sysv_test(test_c),
		sysv_test(test_perl),
		sysv_test(test_two_on_the_mount),
		sysv_test(test_large_c),
		sysv_test(test_large_perl),
		sysv_test(test_removed),
	};

	return cmocka_run_group_tests_name("sysv-share", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(300, run);
}
