/* SPDX-License-Identifier: MIT */
/*
 * Who may do what with a segment: each of several people, with each of all modes, is
 * asked natively, in a process of his own that calls shmat(2) and shmctl(2), and then by
 * the kind with him as the caller. Both must agree in every case.
 */
#include <sys/mman.h>

#include "kind-callers.h"
#include "sysv-fixture.h"

#define OWNER   1001
#define CREATOR 1002
#define GROUP   1003 /* of the owner's choice */
#define CGROUP  1004 /* the creator's */

static const struct person {
	const char *what;
	uid_t uid;
	gid_t gid;
	gid_t groups[2]; /* up to 0 */
} people[] = {
	{ "owner", OWNER, OWNER, { 0 } },
	{ "creator", CREATOR, CGROUP, { 0 } },
	{ "owner in the group", OWNER, GROUP, { 0 } },
	{ "group", 1005, GROUP, { 0 } },
	{ "creator's group", 1005, CGROUP, { 0 } },
	{ "supplementary group", 1005, 1005, { GROUP, 0 } },
	{ "supplementary creator's group", 1005, 1005, { 7, CGROUP } },
	{ "other", 1005, 1005, { 0 } },
	{ "other with groups", 1005, 1005, { 7, 8 } },
	{ "root", 0, 0, { 0 } },
	{ "root's group", 1005, 0, { 0 } },
};
#define PEOPLE (sizeof(people) / sizeof(*people))

/* What is tried, natively and by the kind. */
static const struct attempt {
	const char *what;
	int shmat;
	int open;
	int access;
} attempts[] = {
	{ "read", SHM_RDONLY, O_RDONLY, R_OK },
	{ "write", 0, O_RDWR, R_OK | W_OK },
	{ "write only", 0, O_WRONLY, W_OK },
	{ "truncate", 0, O_RDONLY | O_TRUNC, R_OK | W_OK },
	{ "execute", SHM_RDONLY | SHM_EXEC, KIND_OPEN_EXEC, R_OK | X_OK },
	{ "execute and write", SHM_EXEC, KIND_OPEN_EXEC | O_RDWR, R_OK | W_OK | X_OK },
};
#define ATTEMPTS (sizeof(attempts) / sizeof(*attempts))

#define MODES 512

/* The errno of what was tried natively, 0 where it was allowed; shared with children. */
static struct answers {
	int attempts[MODES][ATTEMPTS];
	int set[MODES]; /* IPC_SET, to what it is */
} * native;

static int segments[MODES]; /* by mode */

static size_t count_groups(const struct person *p)
{
	return p->groups[0] == 0 ? 0 : p->groups[1] == 0 ? 1 : 2;
}

static void become(const struct person *p)
{
	if (setgroups(count_groups(p), p->groups) < 0 ||
	    setresgid(p->gid, p->gid, p->gid) < 0 ||
	    setresuid(p->uid, p->uid, p->uid) < 0)
		_exit(1);
}

static int try_shmat(int id, int flags)
{
	void *p = shmat(id, NULL, flags);

	if ((intptr_t)p == -1)
		return errno;
	return shmdt(p) < 0 ? errno : 0;
}

static int try_set(int id, mode_t mode)
{
	struct shmid_ds ds = {
		.shm_perm = { .uid = OWNER, .gid = GROUP, .mode = (unsigned short)mode }
	};

	return shmctl(id, IPC_SET, &ds) < 0 ? errno : 0;
}

static int ask_natively(void *data)
{
	become(data);
	for (int mode = 0; mode < MODES; mode++) {
		for (size_t i = 0; i < ATTEMPTS; i++)
			native->attempts[mode][i] =
				try_shmat(segments[mode], attempts[i].shmat);
		native->set[mode] = try_set(segments[mode], (mode_t)mode);
	}
	return 0;
}

static int make_all_modes(void *data)
{
	int *ids = data;

	become(&people[1]);
	for (int mode = 0; mode < MODES; mode++) {
		ids[mode] = shmget(IPC_PRIVATE, 1, IPC_CREAT | mode);
		if (ids[mode] < 0)
			return 1;
	}
	return 0;
}

/* One segment for each mode, with an owner that is not its creator. */
static int setup_modes(void **state)
{
	void *shared = mmap(NULL, sizeof(*native) + sizeof(segments),
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int *ids;

	assert_true(shared != MAP_FAILED);
	native = shared;
	ids = (int *)(native + 1);
	setup(state);
	if (setgroups(0, NULL) < 0)
		return 0;
	assert_int_equal(fixture_child(make_all_modes, ids), 0);
	for (int mode = 0; mode < MODES; mode++) {
		segments[mode] = ids[mode];
		assert_int_equal(try_set(ids[mode], (mode_t)mode), 0);
	}
	return 0;
}

static int teardown_modes(void **state)
{
	munmap(native, sizeof(*native) + sizeof(segments));
	for (int mode = 0; mode < MODES && setgroups(0, NULL) == 0; mode++)
		discard(segments[mode]);
	return teardown(state);
}

#define modes_test(test) \
	cmocka_unit_test_setup_teardown(test, setup_modes, teardown_modes)

/* What valgrind makes of a refusal to read, natively and by the kind, is one. */
static int plain(int error)
{
	bool refused = error == EACCES || error == EINVAL || error == ESTALE;

	return fixture_valgrind() && refused ? EACCES : error;
}

static void expect_agreement(const struct person *p, int mode, const char *what,
			     const char *by, int found, int expected)
{
	if (plain(-found) != plain(expected))
		fail_msg("%s, mode %03o, to %s: %s is %s, natively %s", p->what, mode,
			 what, by, strerror(-found), strerror(expected));
}

static void ask_the_kind(const struct person *p, struct groups *groups, int mode)
{
	_cleanup_native_ struct native_file *handle = handle_of(id_name(segments[mode]));
	struct caller c = user(p->uid, groups);

	c.gid = p->gid;
	for (size_t i = 0; i < ATTEMPTS; i++) {
		const struct attempt *a = &attempts[i];
		int expected = native->attempts[mode][i];

		expect_agreement(p, mode, a->what, "open", try_open(handle, &c, a->open),
				 expected);
		expect_agreement(p, mode, a->what, "access",
				 native_access(handle, &c, a->access), expected);
	}
	expect_agreement(p, mode, "truncate", "by name", native_truncate(handle, &c, 1),
			 native->attempts[mode][1]);
	expect_agreement(p, mode, "set", "chmod", native_chmod(handle, &c, (mode_t)mode),
			 native->set[mode]);
}

static void test_all_modes(void **state)
{
	/* Under valgrind all of them take minutes; these have every bit set and not. */
	int step = fixture_valgrind() ? 7 : 1;

	(void)state;
	need_root();
	for (size_t i = 0; i < PEOPLE; i++) {
		struct groups groups = { .n = count_groups(&people[i]) };
		struct person p = people[i];

		memcpy(groups.list, p.groups, sizeof(p.groups));
		assert_int_equal(fixture_child(ask_natively, &p), 0);
		for (int mode = 0; mode < MODES; mode += step)
			ask_the_kind(&p, &groups, mode);
	}
}

/* To have it is not to have made it; and what one may do, so may the other. */
static void test_owner_and_creator(void **state)
{
	struct groups none = { .n = 0 };
	struct caller owner = user(OWNER, &none), creator = user(CREATOR, &none);
	struct caller other = user(1005, &none);
	struct native_file *f, *handle;
	int id;

	(void)state;
	need_root();
	f = create_named(&creator, name(0), 0600, SIZE);
	id = sysv_id(0);
	assert_int_equal(native_chown(f, &other, 1005, (gid_t)-1), -EPERM);
	assert_int_equal(native_chown(f, &creator, OWNER, GROUP), 0);
	native_file_unref(f);
	handle = handle_of(name(0));
	assert_int_equal(stat_of(handle).st_uid, OWNER);
	assert_int_equal(stat_of(handle).st_gid, GROUP);
	assert_string_equal(told(handle, "cuid"), "1002");
	assert_int_equal(native_chmod(handle, &owner, 0640), 0);
	assert_int_equal(native_chmod(handle, &creator, 0644), 0);
	assert_int_equal(native_chmod(handle, &other, 0666), -EPERM);
	assert_int_equal(stat_of(handle).st_mode, S_IFREG | 0644);
	/* One half at a time, and the mode stays. */
	assert_int_equal(native_chown(handle, &owner, (uid_t)-1, CGROUP), 0);
	assert_int_equal(native_chown(handle, &creator, CREATOR, (gid_t)-1), 0);
	assert_int_equal(ds_of(id).shm_perm.uid, CREATOR);
	assert_int_equal(ds_of(id).shm_perm.gid, CGROUP);
	assert_int_equal(ds_of(id).shm_perm.cuid, CREATOR);
	assert_int_equal(ds_of(id).shm_perm.mode, 0644);
	/* Who gave it away has nothing left; who made it always has. */
	assert_int_equal(native_chmod(handle, &owner, 0600), -EPERM);
	assert_int_equal(kind_remove(kind, &owner, name(0)), -EPERM);
	assert_int_equal(kind_remove(kind, &other, name(0)), -EPERM);
	assert_int_equal(kind_remove(kind, &creator, name(0)), 0);
	native_file_unref(handle);
	assert_true(is_gone(id));
}

/* Of the directory nothing can be set, by nobody. */
static void test_directory(void **state)
{
	struct native_file *root = kind_root(kind);

	(void)state;
	assert_int_equal(native_chmod(root, NULL, 0777), -EPERM);
	assert_int_equal(native_chown(root, NULL, 1, 1), -EPERM);
	assert_int_equal(stat_of(root).st_mode, S_IFDIR | 0777);
	assert_int_equal(stat_of(root).st_ino, 0x80000000);
}

/* All are listed and told of, also to whom they are closed. */
static void test_seen_by_all(void **state)
{
	struct groups none = { .n = 0 };
	struct caller other = user(1005, &none);
	struct native_file *handle = NULL;
	struct object_info info;
	struct native_list *l;
	struct list_entry e = { .next = 0 };
	int n = 0;

	(void)state;
	need_root();
	sysv_make(0, SIZE, 0);
	assert_int_equal(kind_list_open(kind, &other, &l), 0);
	while (kind_list_next(kind, l, e.next, &e) > 0)
		n += strcmp(e.name, name(0)) == 0;
	kind_list_close(kind, l);
	assert_int_equal(n, 1);
	assert_int_equal(kind_identify(kind, &other, name(0), &info), 0);
	assert_int_equal(kind_lookup(kind, &other, name(0), &handle, &info), 0);
	assert_int_equal(native_access(handle, &other, F_OK), 0);
	assert_string_equal(told(handle, "key"), name(0));
	native_file_unref(handle);
	model->remove(0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		modes_test(test_all_modes),
		kind_test(test_owner_and_creator),
		kind_test(test_directory),
		kind_test(test_seen_by_all),
	};

	return kind_run("sysv-rights", tests, argc, argv);
}
