/* SPDX-License-Identifier: MIT */
/*
 * Who asks: every kind lets the native kernel decide, as the caller, on one thread only,
 * with groups that are asked for where they can decide.
 */
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kind-callers.h"

static void test_created_as_the_caller(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct object_info info;

	(void)state;
	need_root();
	native_file_unref(create_named(&alice, name(0), 0600, SIZE));
	assert_int_equal(look(name(0), &info), 0);
	assert_int_equal(info.stat.st_uid, 1000);
	assert_int_equal(info.stat.st_gid, 1000);
	assert_int_equal(none.asked, 0);
	assert_int_equal(kind_remove(kind, &alice, name(0)), 0);
}

/* And is its owner's, with the rights that the mode leaves him. */
static void test_owner(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create_named(&alice, name(0), 0600, SIZE);
	assert_int_equal(try_open(f, &alice, O_RDWR), 0);
	assert_int_equal(try_open(f, &alice, KIND_OPEN_EXEC), -EACCES);
	assert_int_equal(native_access(f, &alice, R_OK | W_OK), 0);
	assert_int_equal(native_access(f, &alice, X_OK), -EACCES);
	assert_int_equal(native_truncate(f, &alice, SIZE), 0);
	assert_int_equal(native_chmod(f, &alice, 0500), 0);
	assert_int_equal(try_open(f, &alice, KIND_OPEN_EXEC), 0);
	assert_int_equal(try_open(f, &alice, O_RDONLY), 0);
	assert_int_equal(try_open(f, &alice, O_RDWR), -EACCES);
	assert_int_equal(try_open(f, &alice, O_RDONLY | O_TRUNC), -EACCES);
	assert_int_equal(native_access(f, &alice, W_OK), -EACCES);
	assert_int_equal(native_truncate(f, &alice, SIZE), -EACCES);
	assert_int_equal(native_chown(f, &alice, (uid_t)-1, 1000), 0);
	native_file_unref(f);
	assert_int_equal(kind_remove(kind, &alice, name(0)), 0);
}

/* What root may give away and take back. */
static void test_given_away(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0600);
	assert_int_equal(try_open(f, &alice, O_RDWR), unreadable());
	assert_int_equal(native_chown(f, NULL, 1000, (gid_t)-1), 0);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 34), 0);
	assert_int_equal(stat_of(f).st_uid, 1000);
	assert_int_equal(stat_of(f).st_gid, 34);
	assert_int_equal(try_open(f, &alice, O_RDWR), 0);
	assert_int_equal(native_chmod(f, &alice, 0640), 0);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0640);
	drop(0, f);
}

static void test_refused_to_others(void **state)
{
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct object_info info;
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0600);
	assert_int_equal(try_open(f, &bob, O_RDONLY), unreadable());
	assert_int_equal(try_create(&bob, name(0), O_RDWR, 0600), unreadable());
	assert_int_equal(native_truncate(f, &bob, SIZE), -EACCES);
	assert_int_equal(native_access(f, &bob, R_OK), -EACCES);
	assert_int_equal(native_access(f, &bob, F_OK), 0);
	assert_int_equal(native_chmod(f, &bob, 0666), -EPERM);
	assert_int_equal(native_chown(f, &bob, 1001, (gid_t)-1), -EPERM);
	assert_int_equal(kind_remove(kind, &bob, name(0)), -EPERM);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(look(name(0), &info), 0);
	assert_int_equal(info.stat.st_mode, S_IFREG | 0600);
	assert_int_equal(info.stat.st_uid, 0);
	drop(0, f);
}

static void test_groups_grant(void **state)
{
	struct groups staff = { .n = 2, .list = { 5, 50 } };
	struct groups none = { .n = 0 };
	struct caller in = user(1000, &staff);
	struct caller out = user(1000, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0660);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(try_open(f, &out, O_RDWR), unreadable());
	assert_int_equal(staff.asked, 1);
	assert_int_equal(none.asked, 1);
	/* Without a way to read them nobody can say yes. */
	in.groups = NULL;
	assert_int_equal(try_open(f, &in, O_RDWR), -EACCES);
	assert_int_equal(getgroups(0, NULL), 0);
	drop(0, f);
}

/* Being in the group can also take away. */
static void test_groups_deny(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct groups none = { .n = 0 };
	struct caller in = user(1000, &staff);
	struct caller out = user(1000, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0604);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(try_open(f, &in, O_RDONLY), unreadable());
	assert_int_equal(try_open(f, &out, O_RDONLY), 0);
	drop(0, f);
}

/* They count also where a creation finds the object there already. */
static void test_groups_of_what_is_there(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct groups none = { .n = 0 };
	struct caller in = user(1000, &staff);
	struct caller out = user(1000, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0606);
	/* Where names are in a sticky directory, fs.protected_regular would refuse all.
	 */
	assert_int_equal(chmod("/dev/shm", 0777), 0);
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 50), 0);
	assert_int_equal(try_create(&in, name(0), O_RDWR, 0600), unreadable());
	assert_int_equal(try_create(&out, name(0), O_RDWR, 0600), 0);
	assert_int_equal(native_chmod(f, NULL, 0660), 0);
	assert_int_equal(try_create(&in, name(0), O_RDWR, 0600), 0);
	assert_int_equal(try_create(&out, name(0), O_RDWR, 0600), unreadable());
	assert_int_equal(chmod("/dev/shm", 01777), 0);
	drop(0, f);
}

/* More than fit on the stack, the one that matters behind them. */
static void test_many_groups(void **state)
{
	struct groups many = { .n = 100 };
	struct caller in = user(1000, &many);
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0660);
	for (gid_t i = 0; i < 100; i++)
		many.list[i] = 1000 + i;
	assert_int_equal(native_chown(f, NULL, (uid_t)-1, 1099), 0);
	assert_int_equal(try_open(f, &in, O_RDWR), 0);
	assert_int_equal(many.asked, 2);
	drop(0, f);
}

static void test_groups_are_asked_only_where_they_decide(void **state)
{
	struct groups staff = { .n = 1, .list = { 50 } };
	struct caller alice = user(1000, &staff);
	struct caller root = user(0, &staff);
	struct native_file *f;

	(void)state;
	need_root();
	f = create(0, 0644);
	/* The group has what the others have. */
	assert_int_equal(try_open(f, &alice, O_RDONLY), 0);
	/* The owner is the owner. */
	assert_int_equal(native_chown(f, NULL, 1000, 50), 0);
	assert_int_equal(native_chmod(f, NULL, 0640), 0);
	assert_int_equal(try_open(f, &alice, O_RDWR), 0);
	/* And root is root. */
	assert_int_equal(try_open(f, &root, O_RDWR), 0);
	assert_int_equal(staff.asked, 0);
	drop(0, f);
}

/* Of whom nothing is known but the number is lent nothing. */
static void test_unknown_root(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct caller root = user(0, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create_named(&alice, name(0), 0600, SIZE);
	root.thread = 0;
	assert_int_equal(try_open(f, &root, O_RDWR), unreadable());
	assert_int_equal(native_chmod(f, &root, 0666), -EPERM);
	assert_false(caller_has(&root, CAP_FOWNER));
	root = user(0, &none);
	assert_true(caller_has(&root, CAP_FOWNER));
	assert_int_equal(native_chmod(f, &root, 0666), 0);
	assert_int_equal(try_open(f, &root, O_RDWR), 0);
	native_file_unref(f);
	assert_int_equal(kind_remove(kind, &alice, name(0)), 0);
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

/* The mode of what is made with @umask. */
static mode_t made_with(mode_t umask)
{
	struct caller caller = { .uid = geteuid(), .gid = getegid(), .umask = umask };
	struct native_file *f = create_named(&caller, name(0), 0777, SIZE);
	mode_t mode = stat_of(f).st_mode & 0777;

	drop(0, f);
	return mode;
}

static void *make_with_another(void *ret)
{
	*(mode_t *)ret = made_with(022);
	return NULL;
}

/* Each thread has its own, also one that another has made. */
static void test_umask(void **state)
{
	pthread_t thread;
	mode_t mode = 0;

	(void)state;
	assert_int_equal(made_with(077), 0700);
	assert_int_equal(pthread_create(&thread, NULL, make_with_another, &mode), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(mode, 0755);
	assert_int_equal(made_with(077), 0700);
	assert_int_equal(made_with(0), 0777);
}

/* A process that may not unshare, as in some containers, applies it by itself.
 * (difference: umask) */
static _Noreturn void make_without_unshare(void)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { 4, (struct sock_filter *)filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
	_exit(made_with(077) == 0700 && made_with(0) == 0777 ? 0 : 1);
}

static void test_umask_without_unshare(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		make_without_unshare();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* Without filters. */
	assert_int_equal(WEXITSTATUS(status), 0);
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
		/* Before anything was made: after that the thread has its own. */
		kind_test(test_umask_without_unshare),
		kind_test(test_created_as_the_caller),
		kind_test(test_owner),
		kind_test(test_given_away),
		kind_test(test_refused_to_others),
		kind_test(test_groups_grant),
		kind_test(test_groups_deny),
		kind_test(test_groups_of_what_is_there),
		kind_test(test_many_groups),
		kind_test(test_groups_are_asked_only_where_they_decide),
		kind_test(test_unknown_root),
		kind_test(test_one_thread_only),
		kind_test(test_umask),
		kind_test(test_nobody_to_enter),
	};

	return kind_run("callers", tests, argc, argv);
}
