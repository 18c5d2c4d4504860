/* SPDX-License-Identifier: MIT */
/*
 * The example programs, one set of them on the objects of another set:
 *
 *	test-examples OBJECT REGION SYSV RING OTHER_OBJECT OTHER_REGION OTHER_SYSV \
 *		OTHER_RING
 *
 * With the set on libshmfs and the set on Boost, in both orders, that is the proof of
 * interoperability by name and by key.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/shmfs.h>

#include "fixture.h"

struct set {
	const char *object;
	const char *region;
	const char *sysv;
	const char *ring;
};

static struct set mine, others;

/* Runs a program with up to three arguments (NULL ends them) and takes what it prints. */
static int run(const char *program, const char *a, const char *b, const char *c,
	       char output[1024])
{
	char *argv[] = { (char *)program, (char *)a, (char *)b, (char *)c, NULL };
	int pipes[2], status;
	size_t length = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execv(program, argv);
		_exit(127);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], output + length, 1023 - length)) > 0)
		length += (size_t)n;
	output[length] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void run_object(const struct set *set)
{
	char output[1024];

	assert_int_equal(run(set->object, NULL, NULL, NULL, output), 0);
	assert_string_equal(output, "Boost 1024\n");
}

static int run_region(const struct set *set, const char *verb, const char *text)
{
	char output[1024], *end;
	unsigned long long rw, ro;
	int r;

	r = run(set->region, "Boost", verb, text, output);
	rw = strtoull(output, &end, 16);
	assert_memory_equal(end, " 1024\n", 6);
	ro = strtoull(end + 6, &end, 16);
	assert_string_equal(end, " 1024\n");
	assert_true(rw != 0 && ro != 0 && rw != ro);
	return r;
}

/* Whoever comes first creates, the other one opens. */
static void test_object(void **state)
{
	(void)state;
	run_object(&mine);
	run_object(&others);
	assert_int_equal(shmfs_object_remove("Boost"), 0);
}

static void test_stores(void **state)
{
	(void)state;
	run_object(&mine);
	assert_int_equal(run_region(&others, NULL, NULL), 0);
	assert_int_equal(run_region(&mine, "store", "from one"), 0);
	assert_int_equal(run_region(&others, "check", "from one"), 0);
	assert_int_equal(run_region(&others, "store", "to the other"), 0);
	assert_int_equal(run_region(&mine, "check", "to the other"), 0);
	run_object(&others);
	assert_int_equal(run_region(&mine, "check", "to the other"), 0);
	/* The check would tell. */
	assert_int_equal(run_region(&mine, "check", "something else"), 1);
	assert_int_equal(run_region(&others, "check", "something else"), 1);
	assert_int_equal(shmfs_object_remove("Boost"), 0);
}

/* Without anybody opening or closing anything: a store is seen in a region that is there.
 */
static void test_live(void **state)
{
	struct shmfs_object *object;
	struct shmfs_region *region;

	(void)state;
	run_object(&others);
	assert_int_equal(shmfs_object_open("Boost", SHMFS_OPEN_ONLY, SHMFS_READ_WRITE, 0,
					   &object),
			 0);
	assert_int_equal(
		shmfs_region_map(object, SHMFS_READ_WRITE, 0, 0, NULL, 0, &region), 0);
	shmfs_object_close(object);
	assert_int_equal(run_region(&others, "store", "hello"), 0);
	assert_string_equal(shmfs_region_address(region), "hello");
	strcpy(shmfs_region_address(region), "hello yourself");
	assert_int_equal(run_region(&others, "check", "hello yourself"), 0);
	shmfs_region_unmap(region);
	assert_int_equal(shmfs_object_remove("Boost"), 0);
}

/* Runs a sysv program on the key of a file that is there. Returns the segment's id. */
static int run_sysv(const struct set *set, const char *verb, const char *text,
		    int expected)
{
	char output[1024], *end;
	long id;

	assert_int_equal(run(set->sysv, "/dev/shm", verb, text, output), expected);
	id = strtol(output, &end, 10);
	assert_string_equal(end, " 1024\n");
	return (int)id;
}

static void test_segment(void **state)
{
	int id;

	(void)state;
	id = run_sysv(&mine, NULL, NULL, 0);
	assert_int_equal(run_sysv(&others, "check", "", 0), id);
	assert_int_equal(run_sysv(&mine, "store", "from one", 0), id);
	assert_int_equal(run_sysv(&others, "check", "from one", 0), id);
	assert_int_equal(run_sysv(&others, "store", "to the other", 0), id);
	assert_int_equal(run_sysv(&mine, "check", "to the other", 0), id);
	/* The check would tell. */
	assert_int_equal(run_sysv(&mine, "check", "something else", 1), id);
	assert_int_equal(run_sysv(&others, "check", "something else", 1), id);
	assert_int_equal(run_sysv(&others, "remove", NULL, 0), id);
	assert_int_equal(shmfs_sysv_remove(id), -EINVAL);
	/* The next one is new, and empty. */
	run_sysv(&others, "check", "", 0);
	run_sysv(&mine, "remove", NULL, 0);
}

static void test_live_segment(void **state)
{
	int id = run_sysv(&others, NULL, NULL, 0);
	struct shmfs_region *region;
	struct shmfs_sysv *sysv;

	(void)state;
	assert_int_equal(shmfs_sysv_open_id(id, &sysv), 0);
	assert_int_equal(shmfs_region_map_sysv(sysv, SHMFS_READ_WRITE, NULL, 0, &region),
			 0);
	shmfs_sysv_close(sysv);
	run_sysv(&others, "store", "hello", 0);
	assert_string_equal(shmfs_region_address(region), "hello");
	strcpy(shmfs_region_address(region), "hello yourself");
	run_sysv(&others, "check", "hello yourself", 0);
	run_sysv(&others, "remove", NULL, 0);
	assert_string_equal(shmfs_region_address(region), "hello yourself");
	shmfs_region_unmap(region);
	assert_int_equal(shmfs_sysv_remove(id), -EINVAL);
}

static void pass_on(const struct set *sender, const struct set *receiver)
{
	char output[1024];

	assert_int_equal(run(sender->ring, "send", "ring", "one", output), 0);
	assert_int_equal(run(sender->ring, "send", "ring", "two", output), 0);
	assert_int_equal(run(receiver->ring, "receive", "ring", "2", output), 0);
	assert_string_equal(output, "one\ntwo\n");
}

static void test_ring(void **state)
{
	(void)state;
	/* More often than it has slots. */
	for (int i = 0; i < 5; i++) {
		pass_on(&mine, &others);
		pass_on(&others, &mine);
	}
	assert_int_equal(shmfs_object_remove("ring"), 0);
}

/* What is no ring stays what it is. */
static void test_no_ring(void **state)
{
	char output[1024];

	(void)state;
	run_object(&mine);
	assert_int_equal(run(others.ring, "send", "Boost", "text", output), 1);
	assert_string_equal(output, "");
	run_object(&others);
	assert_int_equal(run_region(&others, "check", ""), 0);
	assert_int_equal(shmfs_object_remove("Boost"), 0);
}

static void test_no_object(void **state)
{
	char output[1024];

	(void)state;
	assert_int_equal(run(mine.region, "nothing", NULL, NULL, output), 1);
	assert_string_equal(output, "");
	assert_int_equal(run(mine.object, "a/b", NULL, NULL, output), 1);
	assert_string_equal(output, "");
	assert_int_equal(run(mine.sysv, "/dev/shm/nothing", NULL, NULL, output), 1);
	assert_string_equal(output, "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_object),       fixture_test(test_stores),
		fixture_test(test_live),         fixture_test(test_segment),
		fixture_test(test_live_segment), fixture_test(test_ring),
		fixture_test(test_no_ring),      fixture_test(test_no_object),
	};

	if (argc != 9)
		return 1;
	mine = (struct set){ argv[1], argv[2], argv[3], argv[4] };
	others = (struct set){ argv[5], argv[6], argv[7], argv[8] };
	sandbox_enter();
	return cmocka_run_group_tests_name("examples", tests, NULL, NULL) != 0;
}
