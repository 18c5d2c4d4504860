/* SPDX-License-Identifier: MIT */
/*
 * Who asks: every kind lets the native kernel decide, as the caller, on one thread only,
 * with groups that are asked for where they can decide.
 */
#include <grp.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kind-fixture.h"

/* A caller's supplementary groups, and how often they were asked for. */
struct groups {
	size_t n;
	gid_t list[100];
	int asked;
};

static int read_groups(void *context, size_t n, gid_t *ret)
{
	struct groups *g = context;

	g->asked++;
	memcpy(ret, g->list, (n < g->n ? n : g->n) * sizeof(*ret));
	return (int)g->n;
}

static struct caller user(uid_t uid, struct groups *g)
{
	return (struct caller){
		.uid = uid, .gid = uid, .groups = read_groups, .context = g
	};
}

static void need_root(void)
{
	/* In a user namespace of one user there is nobody else to be. */
	if (setgroups(0, NULL) < 0)
		skip();
}

static void test_created_as_the_caller(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct object_info info;

	(void)state;
	need_root();
	assert_int_equal(try_create(&alice, "a", O_RDWR | O_EXCL, 0600), 0);
	assert_int_equal(look("a", &info), 0);
	assert_int_equal(info.stat.st_uid, 1000);
	assert_int_equal(info.stat.st_gid, 1000);
	assert_int_equal(none.asked, 0);
	drop("a", NULL);
}

static void test_refused_to_others(void **state)
{
	const struct timespec times[2] = { { 1, 1 }, { 1, 1 } };
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct native_file *f = create("a", 0600);

	(void)state;
	need_root();
	assert_int_equal(try_open(f, &bob, O_RDONLY), -EACCES);
	assert_int_equal(try_create(&bob, "a", O_RDWR, 0600), -EACCES);
	assert_int_equal(native_truncate(f, &bob, 1), -EACCES);
	assert_int_equal(native_access(f, &bob, R_OK), -EACCES);
	assert_int_equal(native_access(f, &bob, F_OK), 0);
	assert_int_equal(native_chmod(f, &bob, 0666), -EPERM);
	assert_int_equal(native_chown(f, &bob, 1001, (gid_t)-1), -EPERM);
	assert_int_equal(native_utimens(f, &bob, times), -EPERM);
	assert_int_equal(native_setxattr(f, &bob, "user.x", "y", 1, 0), -EACCES);
	assert_int_equal(native_getxattr(f, &bob, "user.x", NULL, 0), -EACCES);
	/* The directory is sticky. */
	assert_int_equal(kind_remove(kind, &bob, "a"), -EPERM);
	assert_int_equal(kind_rename(kind, &bob, "a", "b", 0), -EPERM);
	assert_int_equal(geteuid(), 0);
	/* Where the group has what the others have, nobody asks for groups; but for
	 * chown(2), and for what turns out to be there already. */
	assert_int_equal(none.asked, 2);
	drop("a", f);
}

static void test_groups_grant(void **state)
{
	struct groups staff = { .n = 2, .list = { 5, 50 } };
	struct groups none = { .n = 0 };
	struct caller in = user(1000, &staff);
	struct caller out = user(1000, &none);
	struct native_file *f = create("a", 0660);

	(void)state;
	need_root();
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(try_open(f, &out, O_RDWR), -EACCES);
	assert_int_equal(staff.asked, 1);
	assert_int_equal(none.asked, 1);
	/* Without a way to read them nobody can say yes. */
	in.groups = NULL;
	assert_int_equal(try_open(f, &in, O_RDWR), -EACCES);
	assert_int_equal(getgroups(0, NULL), 0);
	drop("a", f);
}

/* Being in the group can also take away. */
static void test_groups_deny(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct groups none = { .n = 0 };
	struct caller in = user(1000, &staff);
	struct caller out = user(1000, &none);
	struct native_file *f = create("a", 0604);

	(void)state;
	need_root();
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(try_open(f, &in, O_RDONLY), -EACCES);
	assert_int_equal(try_open(f, &out, O_RDONLY), 0);
	drop("a", f);
}

/* They count also where a creation finds the object there already. */
static void test_groups_of_what_is_there(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct groups none = { .n = 0 };
	struct caller in = user(1000, &staff);
	struct caller out = user(1000, &none);
	struct native_file *f = create("a", 0606);

	(void)state;
	need_root();
	/* Where fs.protected_regular is on, the sticky directory would refuse them all.
	 */
	assert_int_equal(chmod("/dev/shm", 0777), 0);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(try_create(&in, "a", O_RDWR, 0600), -EACCES);
	assert_int_equal(try_create(&out, "a", O_RDWR, 0600), 0);
	assert_int_equal(native_chmod(f, NULL, 0660), 0);
	assert_int_equal(try_create(&in, "a", O_RDWR, 0600), 0);
	assert_int_equal(try_create(&out, "a", O_RDWR, 0600), -EACCES);
	assert_int_equal(chmod("/dev/shm", 01777), 0);
	drop("a", f);
}

/* To list takes the right to read, and no other. */
static void test_listing_what_may_not_be_searched(void **state)
{
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct native_list *l = NULL;

	(void)state;
	need_root();
	assert_int_equal(chmod("/dev/shm", 0744), 0);
	assert_int_equal(kind_list_open(kind, &bob, &l), 0);
	kind_list_close(kind, l);
	assert_int_equal(chmod("/dev/shm", 0711), 0);
	assert_int_equal(kind_list_open(kind, &bob, &l), -EACCES);
	assert_int_equal(chmod("/dev/shm", 01777), 0);
}

/* More than fit on the stack, the one that matters behind them. */
static void test_many_groups(void **state)
{
	struct groups many = { .n = 100 };
	struct caller in = user(1000, &many);
	struct native_file *f = create("a", 0660);

	(void)state;
	need_root();
	for (gid_t i = 0; i < 100; i++)
		many.list[i] = 1000 + i;
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 1099), 0);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(many.asked, 2);
	drop("a", f);
}

static void test_groups_are_asked_only_where_they_decide(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct caller alice = user(1000, &staff);
	struct caller root = user(0, &staff);
	struct native_file *f = create("a", 0644);

	(void)state;
	need_root();
	/* The group has what the others have. */
	assert_int_equal(try_open(f, &alice, O_RDONLY), 0);
	/* The owner is the owner. */
	assert_int_equal(native_chown(f, NULL, 1000, 50), 0);
	assert_int_equal(native_chmod(f, NULL, 0640), 0);
	assert_int_equal(try_open(f, &alice, O_RDWR), 0);
	/* And root is root. */
	assert_int_equal(try_open(f, &root, O_RDWR), 0);
	assert_int_equal(staff.asked, 0);
	drop("a", f);
}

/* user::rw-, user:1000:r--, group::---, group:50:rw-, mask::rw-, other::---, as xattr. */
static const unsigned char acl[] = {
	2,  0, 0, 0,                         /* version */
	1,  0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* user:: */
	2,  0, 4, 0, 0xe8, 0x03, 0,    0,    /* user:1000: */
	4,  0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* group:: */
	8,  0, 6, 0, 50,   0,    0,    0,    /* group:50: */
	16, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* mask:: */
	32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* other:: */
};

static void test_acl(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct caller in = user(1001, &staff);
	struct caller out = user(1001, &none);
	struct native_file *f = create("a", 0600);

	(void)state;
	need_root();
	if (native_setxattr(f, NULL, "system.posix_acl_access", acl, sizeof(acl), 0) ==
	    -EOPNOTSUPP) {
		drop("a", f);
		skip();
	}
	/* The mode alone would let nobody in, and would not ask for groups either. */
	assert_int_equal(native_chmod(f, NULL, 0666), 0);
	assert_int_equal(try_open(f, &alice, O_RDONLY), 0);
	assert_int_equal(try_open(f, &alice, O_RDWR), -EACCES);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(staff.asked, 1);
	assert_int_equal(try_open(f, &out, O_RDWR), 0);
	assert_int_equal(native_chmod(f, NULL, 0660), 0);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(try_open(f, &out, O_RDWR), -EACCES);
	drop("a", f);
}

struct meeting {
	pthread_barrier_t both;
	uid_t seen;
	int groups;
};

static void *stay(void *context)
{
	struct meeting *m = context;

	pthread_barrier_wait(&m->both);
	m->seen = (uid_t)syscall(SYS_geteuid);
	m->groups = (int)syscall(SYS_getgroups, 0, NULL);
	pthread_barrier_wait(&m->both);
	return NULL;
}

static void test_one_thread_only(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct caller alice = user(1000, &staff);
	struct caller_guard guard;
	struct meeting m;
	pthread_t thread;

	(void)state;
	need_root();
	assert_int_equal(pthread_barrier_init(&m.both, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, stay, &m), 0);
	assert_int_equal(caller_enter(&alice, true, &guard), 0);
	pthread_barrier_wait(&m.both);
	pthread_barrier_wait(&m.both);
	assert_int_equal(syscall(SYS_geteuid), 1000);
	assert_int_equal(syscall(SYS_getegid), 1000);
	assert_int_equal(syscall(SYS_getgroups, 0, NULL), 1);
	assert_int_equal(syscall(SYS_getuid), 0);
	caller_leave(&guard);
	assert_int_equal(syscall(SYS_geteuid), 0);
	assert_int_equal(syscall(SYS_getegid), 0);
	assert_int_equal(syscall(SYS_getgroups, 0, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_barrier_destroy(&m.both);
	assert_int_equal(m.seen, 0);
	assert_int_equal(m.groups, 0);
}

static void test_nobody_to_enter(void **state)
{
	struct caller_guard guard;

	(void)state;
	assert_int_equal(caller_enter(NULL, true, &guard), 0);
	assert_false(guard.ids || guard.groups);
	caller_leave(&guard);
	caller_leave(&guard);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_created_as_the_caller),
		kind_test(test_refused_to_others),
		kind_test(test_groups_grant),
		kind_test(test_groups_deny),
		kind_test(test_groups_of_what_is_there),
		kind_test(test_listing_what_may_not_be_searched),
		kind_test(test_many_groups),
		kind_test(test_groups_are_asked_only_where_they_decide),
		kind_test(test_acl),
		kind_test(test_one_thread_only),
		kind_test(test_nobody_to_enter),
	};

	return kind_run("callers", tests, argc, argv);
}
