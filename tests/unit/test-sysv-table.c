/* SPDX-License-Identifier: MIT */
/* The table of System V segments: as text that is right and wrong, and the kernel's own.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "native/sysv-table.h"
#include "sandbox.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#define HEADER                                                                       \
	"       key      shmid perms                  size  cpid  lpid nattch   uid" \
	"   gid  cuid  cgid      atime      dtime      ctime                   rss"  \
	"                  swap\n"
#define ROW                                                                   \
	"-559038737         17  1640       1099511627776   200   201      3"  \
	"  1000  1001  1002  1003 1700000001 1700000002 1700000003      4096" \
	"     8192\n"
/* The rest of a row behind its shmid. */
#define REST " 600 1 2 3 0 0 0 0 0 0 0 0 0 0\n"

static int parse(const char *text, struct sysv_table **ret)
{
	return sysv_table_parse(text, strlen(text), ret);
}

static void assert_refused(const char *text)
{
	struct sysv_table *t = NULL;

	assert_int_equal(parse(text, &t), -EINVAL);
	assert_null(t);
}

static void test_none(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;

	(void)state;
	assert_int_equal(parse(HEADER, &t), 0);
	assert_int_equal(t->n, 0);
	assert_null(sysv_table_find(t, 0));
	assert_null(sysv_table_free(NULL));
}

static void test_each_field(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	const struct sysv_row *row;

	(void)state;
	assert_int_equal(parse(HEADER ROW, &t), 0);
	assert_int_equal(t->n, 1);
	row = &t->rows[0];
	assert_int_equal(row->key, (key_t)0xdeadbeef);
	assert_int_equal(row->shmid, 17);
	assert_int_equal(row->perms, 01640);
	assert_int_equal(row->size, UINT64_C(1) << 40);
	assert_int_equal(row->cpid, 200);
	assert_int_equal(row->lpid, 201);
	assert_int_equal(row->nattch, 3);
	assert_int_equal(row->uid, 1000);
	assert_int_equal(row->gid, 1001);
	assert_int_equal(row->cuid, 1002);
	assert_int_equal(row->cgid, 1003);
	assert_int_equal(row->atime, 1700000001);
	assert_int_equal(row->dtime, 1700000002);
	assert_int_equal(row->ctime, 1700000003);
	assert_int_equal(row->rss, 4096);
	assert_int_equal(row->swap, 8192);
}

/* Other columns may hold anything, and be named almost as ours are. */
static void test_other_columns(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	const struct sysv_row *row;

	(void)state;
	assert_int_equal(parse("swap ke rss ctime dtime atime cgid cuid gid uid nattch "
			       "lpid cpid size perms shmid key keys\n"
			       "1 ? 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 -x-\n",
			       &t),
			 0);
	assert_int_equal(t->n, 1);
	row = &t->rows[0];
	assert_int_equal(row->swap, 1);
	assert_int_equal(row->rss, 2);
	assert_int_equal(row->ctime, 3);
	assert_int_equal(row->size, 13);
	assert_int_equal(row->perms, 014);
	assert_int_equal(row->shmid, 15);
	assert_int_equal(row->key, 16);
}

static void test_limits(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	const struct sysv_row *least, *most;

	(void)state;
	assert_int_equal(parse(HEADER "-2147483648 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
				      "2147483647 2147483647 37777777777 "
				      "18446744073709551615 2147483647 2147483647 "
				      "18446744073709551615 4294967295 4294967295 "
				      "4294967295 4294967295 9223372036854775807 "
				      "9223372036854775807 9223372036854775807 "
				      "18446744073709551615 18446744073709551615\n",
			       &t),
			 0);
	assert_int_equal(t->n, 2);
	least = &t->rows[0];
	most = &t->rows[1];
	assert_int_equal(least->key, INT_MIN);
	assert_int_equal(least->shmid, 0);
	assert_int_equal(most->key, INT_MAX);
	assert_int_equal(most->shmid, INT_MAX);
	assert_true(most->perms == UINT_MAX);
	assert_true(most->size == UINT64_MAX);
	assert_int_equal(most->lpid, INT_MAX);
	assert_true(most->nattch == UINT64_MAX);
	assert_true(most->cgid == UINT32_MAX);
	assert_true(most->ctime == INT64_MAX);
	assert_true(most->swap == UINT64_MAX);
}

/* One more than each limit, and what is no number. */
static void test_numbers_refused(void **state)
{
	static const char *const table[] = {
		"-2147483649 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"2147483648 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 2147483648 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 -0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 0 40000000000 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 0 8 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 0 0 18446744073709551616 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 0 0 0 2147483648 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 0\n",
		"0 0 0 0 0 0 0 4294967296 0 0 0 0 0 0 0 0\n",
		"0 0 0 0 0 0 0 -1 0 0 0 0 0 0 0 0\n",
		"0 0 0 0 0 0 0 0 0 0 0 9223372036854775808 0 0 0 0\n",
		"0 0 0 0 0 0 0 0 0 0 0 -1 0 0 0 0\n",
		"0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 18446744073709551616\n",
		"+1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"- 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"--1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"0x1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"x 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"1. 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		snprintf(text, sizeof(text), HEADER "%s", table[i]);
		assert_refused(text);
	}
}

static void test_lines_refused(void **state)
{
	static const char *const table[] = {
		"",
		"\n",
		"key",
		"\n" HEADER,
		HEADER "\n",
		HEADER "\n" ROW,
		HEADER HEADER,
		HEADER "0 0" REST "0",
		HEADER "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
		HEADER "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		HEADER "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		HEADER "0\t0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		HEADER "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		assert_refused(table[i]);
}

static void test_headers_refused(void **state)
{
	static const char *const table[] = {
		/* Without swap, with two, in capitals, and glued together. */
		"key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime "
		"ctime rss\n",
		"key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime "
		"ctime rss swap swap\n",
		"KEY shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime "
		"ctime rss swap\n",
		"keyshmid perms size cpid lpid nattch uid gid cuid cgid atime dtime "
		"ctime rss swap\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		assert_refused(table[i]);
}

static void cut_last(char *text)
{
	text[strlen(text) - 1] = '\0';
}

/* Any number of them has an end. */
static void test_columns_without_number(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	char text[1024] = HEADER;

	(void)state;
	cut_last(text);
	for (int i = 16; i < 64; i++)
		strcat(text, " x");
	strcat(text, "\n");
	assert_int_equal(parse(text, &t), 0);
	cut_last(text);
	strcat(text, " x\n");
	assert_refused(text);
}

static void test_in_order(void **state)
{
	static const int shmids[] = { 5, 3, 9, INT_MAX, 0, 7 };
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;

	(void)state;
	assert_int_equal(parse(HEADER "5 5" REST "3 3" REST "9 9" REST
				      "2147483647 2147483647" REST "0 0" REST "7 7" REST,
			       &t),
			 0);
	assert_int_equal(t->n, COUNT(shmids));
	for (size_t i = 1; i < t->n; i++)
		assert_true(t->rows[i - 1].shmid < t->rows[i].shmid);
	for (size_t i = 0; i < COUNT(shmids); i++) {
		const struct sysv_row *row = sysv_table_find(t, shmids[i]);

		assert_non_null(row);
		assert_int_equal(row->shmid, shmids[i]);
		assert_int_equal(row->key, shmids[i]);
	}
	assert_null(sysv_table_find(t, 1));
	assert_null(sysv_table_find(t, 8));
	assert_null(sysv_table_find(t, -1));
}

static void test_last_of_a_segment(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;

	(void)state;
	assert_int_equal(parse(HEADER "1 5" REST "2 3" REST "3 5" REST "4 5" REST
				      "6 7" REST "5 3" REST,
			       &t),
			 0);
	assert_int_equal(t->n, 3);
	assert_int_equal(sysv_table_find(t, 3)->key, 5);
	assert_int_equal(sysv_table_find(t, 5)->key, 4);
	assert_int_equal(sysv_table_find(t, 7)->key, 6);
}

static int make(key_t key, size_t size)
{
	int id = shmget(key, size, IPC_CREAT | IPC_EXCL | 0640);

	assert_true(id >= 0);
	return id;
}

static void test_kernel_says(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	time_t before = time(NULL);
	const struct sysv_row *row;
	int id = make((key_t)0xdeadbeef, 12345);
	char *p = shmat(id, NULL, 0);

	(void)state;
	assert_true(p != (char *)-1);
	*p = 1;
	assert_int_equal(sysv_table_read(&t), 0);
	row = sysv_table_find(t, id);
	assert_non_null(row);
	assert_int_equal(row->key, (key_t)0xdeadbeef);
	assert_int_equal(row->perms, 0640);
	assert_int_equal(row->size, 12345);
	assert_int_equal(row->cpid, getpid());
	assert_int_equal(row->lpid, getpid());
	assert_int_equal(row->nattch, 1);
	assert_int_equal(row->uid, geteuid());
	assert_int_equal(row->cgid, getegid());
	assert_true(row->atime >= before && row->ctime >= before);
	assert_int_equal(row->dtime, 0);
	assert_true(row->rss + row->swap >= (uint64_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
	t = sysv_table_free(t);
	assert_int_equal(sysv_table_read(&t), 0);
	row = sysv_table_find(t, id);
	assert_non_null(row);
	assert_int_equal(row->key, 0);
	assert_int_equal(row->perms, 0640 | SHM_DEST);
	assert_int_equal(shmdt(p), 0);
}

#define MANY 1000

/* More than are read in one piece, not in order, and descriptors are given back. */
static void test_many(void **state)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	unsigned int fds = sandbox_count_fds();
	int ids[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		ids[i] = make(IPC_PRIVATE, 1);
	for (int i = 0; i < MANY; i += 3) {
		assert_int_equal(shmctl(ids[i], IPC_RMID, NULL), 0);
		ids[i] = make(IPC_PRIVATE, 1);
	}
	assert_int_equal(sysv_table_read(&t), 0);
	assert_int_equal(t->n, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_non_null(sysv_table_find(t, ids[i]));
		assert_int_equal(shmctl(ids[i], IPC_RMID, NULL), 0);
	}
	t = sysv_table_free(t);
	assert_int_equal(sysv_table_read(&t), 0);
	assert_int_equal(t->n, 0);
	assert_int_equal(sandbox_count_fds(), fds);
}

static _Noreturn void come_and_go(void)
{
	int ids[64];

	/* Also where the test fails. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < COUNT(ids); i++)
		ids[i] = shmget(IPC_PRIVATE, 1, 0600);
	for (size_t i = 0;; i = (i + 7) % COUNT(ids)) {
		shmctl(ids[i], IPC_RMID, NULL);
		ids[i] = shmget(IPC_PRIVATE, 1, 0600);
	}
}

/* What stays is in each table, whatever comes and goes while that is read. */
static void test_others_come_and_go(void **state)
{
	int ids[MANY / 4];
	pid_t child;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		come_and_go();
	for (size_t i = 0; i < COUNT(ids); i++)
		ids[i] = make(IPC_PRIVATE, 1);
	for (int times = 0; times < 50; times++) {
		_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;

		assert_int_equal(sysv_table_read(&t), 0);
		for (size_t i = 0; i < COUNT(ids); i++)
			assert_non_null(sysv_table_find(t, ids[i]));
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (size_t i = 0; i < COUNT(ids); i++)
		assert_int_equal(shmctl(ids[i], IPC_RMID, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_each_field),
		cmocka_unit_test(test_other_columns),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_numbers_refused),
		cmocka_unit_test(test_lines_refused),
		cmocka_unit_test(test_headers_refused),
		cmocka_unit_test(test_columns_without_number),
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_last_of_a_segment),
		cmocka_unit_test(test_kernel_says),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_others_come_and_go),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("sysv-table", tests, NULL, NULL) != 0;
}
