/* SPDX-License-Identifier: MIT */
/*
 * Pages shared between programs that use an object natively and programs that use the
 * file of the mount, in C and in Python, with libshmfs and with Boost, whichever side
 * made it.
 *
 * Without passthrough there are no shared mappings; then the program on the mount reads
 * and writes, which has to be as coherent.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "share/exchange.h"
#include "share/players.h"
#include "util/cleanup.h"

#define NAME "shared"

static const struct game game = { NAME, EXCHANGE_SIZE, "10000", "mapped" };

static const struct player c_native = { "shm_open", "SHMFS_PLAYER", NULL, "native" };
static const struct player shmfs_native = { "libshmfs", "SHMFS_PLAYER", NULL, "shmfs" };
static const struct player boost_native = { "Boost", "SHMFS_PLAYER_BOOST", NULL,
					    "native" };
static const struct player python_native = { "shared_memory", "SHMFS_PYTHON",
					     "SHMFS_PLAYER_PYTHON", "native" };
static const struct player c_mount = { "mmap", "SHMFS_PLAYER", NULL, NULL };
static const struct player python_mount = { "Python's mmap", "SHMFS_PYTHON",
					    "SHMFS_PLAYER_PYTHON", NULL };

static void play(const struct player *leader, const struct player *follower)
{
	players_play(&game, leader, follower);
	assert_int_equal(file_stat(NATIVE_DIR, NAME).st_size, EXCHANGE_SIZE);
	must(unlink(NATIVE_DIR "/" NAME));
}

/* Both programs on the mount with @native, and each of them once as the one who begins.
 */
static void play_all(const struct player *native)
{
	player_needs(native);
	play(native, &c_mount);
	play(&c_mount, native);
	if (!getenv(python_mount.program))
		return;
	play(native, &python_mount);
	play(&python_mount, native);
}

static void test_shm_open(void **state)
{
	(void)state;
	play_all(&c_native);
}

static void test_libshmfs(void **state)
{
	(void)state;
	play_all(&shmfs_native);
}

static void test_boost(void **state)
{
	(void)state;
	play_all(&boost_native);
}

static void test_python(void **state)
{
	(void)state;
	play_all(&python_native);
}

static void test_two_on_the_mount(void **state)
{
	(void)state;
	play(&c_mount, &c_mount);
	player_needs(&python_mount);
	play(&c_mount, &python_mount);
}

static struct exchange begin(const char *dir, const char *name)
{
	struct exchange e = { NULL, file_open(dir, name, O_RDWR), EXCHANGE_SIZE };
	void *at;

	if (strcmp(dir, MOUNT_DIR) == 0 && !mount_passthrough())
		return e;
	at = must(mmap(NULL, EXCHANGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, 0));
	e.words = at;
	return e;
}

/* With the mapping alone, where there is one: the descriptor is closed. */
static void go_on_without_descriptor(struct exchange *e)
{
	if (e->words)
		e->fd = close_fd(e->fd);
}

static void end(struct exchange *e)
{
	if (e->words)
		must(munmap(e->words, EXCHANGE_SIZE));
	close_fd(e->fd);
}

/*
 * The leader plays in @ours, a child follows in @theirs, while the object gets another
 * name and loses that as well, through @by.
 */
static void play_on(const char *ours, const char *theirs, const char *by)
{
	struct exchange e;
	pid_t pid;

	file_make(NATIVE_DIR, "before", 0600, "");
	must(truncate(NATIVE_DIR "/before", EXCHANGE_SIZE));
	e = begin(ours, "before");
	pid = must(fork());
	if (pid == 0) {
		struct exchange follower = begin(theirs, "before");

		exchange_follow(&follower, 1, 3000);
		_exit(0);
	}
	exchange_lead(&e, 1, 1000);
	must(rename(at(by, "before"), at(by, "after")));
	exchange_lead(&e, 1001, 2000);
	must(unlink(at(by, "after")));
	go_on_without_descriptor(&e);
	exchange_lead(&e, 2001, 3000);
	player_expect_success(pid, &c_mount);
	end(&e);
}

static void test_renamed_and_removed(void **state)
{
	(void)state;
	play_on(MOUNT_DIR, NATIVE_DIR, MOUNT_DIR);
	play_on(MOUNT_DIR, NATIVE_DIR, NATIVE_DIR);
	play_on(NATIVE_DIR, MOUNT_DIR, MOUNT_DIR);
	play_on(NATIVE_DIR, MOUNT_DIR, NATIVE_DIR);
	play_on(MOUNT_DIR, MOUNT_DIR, MOUNT_DIR);
}

/* Without passthrough, rather no sharing than sharing that would lose stores. */
static void test_refused(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	if (mount_passthrough())
		return;
	file_make(NATIVE_DIR, NAME, 0644, "");
	must(truncate(NATIVE_DIR "/" NAME, EXCHANGE_SIZE));
	fd = file_open(MOUNT_DIR, NAME, O_RDWR);
	refused((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	refused((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
		ENODEV);
	player_needs(&python_mount);
	{
		struct player python = python_mount;

		python.how = "refused";
		player_expect_success(player_start(&python, &game, "follow", NULL),
				      &python);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_shm_open),
		mount_test(test_libshmfs),
		mount_test(test_boost),
		mount_test(test_python),
		mount_test(test_two_on_the_mount),
		mount_test(test_renamed_and_removed),
		mount_test(test_refused),
	};

	return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(150, run);
}
