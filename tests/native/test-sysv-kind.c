/* SPDX-License-Identifier: MIT */
/*
 * What the kind "sysv" does and no other has to: names by key and by identifier, what is
 * removed and lives on, identifiers that are used again, and above all to touch nothing
 * that nobody opened.
 */
#include <time.h>

#include "kind-callers.h"
#include "sysv-fixture.h"

/* The identifier is one more name of any segment, which is not listed. */
static void test_alias(void **state)
{
	int id = make(0, SIZE, 0600);
	struct object_info by_key, by_id;

	(void)state;
	assert_int_equal(look(name(0), &by_key), 0);
	assert_int_equal(look(id_name(id), &by_id), 0);
	assert_memory_equal(&by_id.id, &by_key.id, sizeof(by_id.id));
	assert_int_equal(by_id.stat.st_ino, id);
	assert_int_equal(kind_identify(kind, NULL, id_name(id), &by_id), 0);
	assert_memory_equal(&by_id.id, &by_key.id, sizeof(by_id.id));
	assert_int_equal(listed(name(0)), 1);
	assert_int_equal(listed(id_name(id)), 0);
	assert_int_equal(look_errno(id_name(id + 1)), -ENOENT);
	assert_int_equal(kind_remove(kind, NULL, id_name(id + 1)), -ENOENT);
	drop_named(id_name(id), NULL);
	assert_true(is_gone(id));
	assert_int_equal(look_errno(name(0)), -ENOENT);
}

/* Which identifier a segment gets is the kernel's business. */
static void test_create_by_id(void **state)
{
	int id = make(0, SIZE, 0600);

	(void)state;
	assert_int_equal(try_create(NULL, id_name(id), O_RDWR, 0600), 0);
	assert_int_equal(try_create(NULL, id_name(id), O_RDONLY, 0600), 0);
	assert_int_equal(try_create(NULL, id_name(id), O_RDWR | O_EXCL, 0600), -EEXIST);
	assert_int_equal(try_create(NULL, id_name(id + 1), O_RDWR, 0600), -EINVAL);
	assert_int_equal(try_create(NULL, id_name(id + 1), O_RDWR | O_EXCL, 0600),
			 -EINVAL);
	discard(id);
}

/* Segments without a key are listed by identifier. */
static void test_private(void **state)
{
	int a = make_private(SIZE, 0600), b = make_private(2 * SIZE, 0640);
	struct object_info info;

	(void)state;
	assert_int_equal(listed(id_name(a)), 1);
	assert_int_equal(listed(id_name(b)), 1);
	assert_int_equal(listed("0x00000000"), 0);
	assert_int_equal(look(id_name(b), &info), 0);
	assert_int_equal(info.stat.st_size, 2 * SIZE);
	assert_int_equal(info.stat.st_mode, S_IFREG | 0640);
	discard(a);
	discard(b);
}

/* All 32 bits of a key make a name. */
static void test_keys(void **state)
{
	static const struct {
		key_t key;
		const char *name;
	} table[] = {
		{ 1, "0x00000001" },
		{ INT32_MAX, "0x7fffffff" },
		{ INT32_MIN, "0x80000000" },
		{ -1, "0xffffffff" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		int id = shmget(table[i].key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
		struct object_info info;

		assert_true(id >= 0);
		assert_int_equal(listed(table[i].name), 1);
		assert_int_equal(look(table[i].name, &info), 0);
		assert_int_equal(info.stat.st_ino, id);
		drop_named(table[i].name, NULL);
		assert_true(is_gone(id));
		native_file_unref(create_named(NULL, table[i].name, 0600, SIZE));
		id = shmget(table[i].key, 0, 0);
		assert_true(id >= 0);
		discard(id);
	}
}

/* It has no key any more, and is there for who knows its identifier. */
static void test_removed_but_attached(void **state)
{
	int id = make(0, SIZE, 0640);
	unsigned char *p = attach(id);
	struct object_info before, info;
	struct native_file *f;
	char c = 0;

	(void)state;
	assert_int_equal(look(name(0), &before), 0);
	assert_int_equal(kind_remove(kind, NULL, name(0)), 0);
	assert_int_equal(look_errno(name(0)), -ENOENT);
	assert_int_equal(listed(name(0)), 0);
	assert_int_equal(listed(id_name(id)), 1);
	assert_int_equal(look(id_name(id), &info), 0);
	assert_int_equal(info.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(info.stat.st_nlink, 1);
	f = open_named(NULL, id_name(id), O_RDWR);
	p[3] = 'x';
	assert_int_equal(native_read(f, &c, 1, 3), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(native_write(f, "y", 1, 4, false), 1);
	assert_int_equal(p[4], 'y');
	/* The key is free for another one. */
	native_file_unref(create(0, 0600));
	assert_int_not_equal(sysv_id(0), id);
	model->remove(0);
	/* Natively it may be removed once more, to no effect. */
	assert_int_equal(kind_remove(kind, NULL, id_name(id)), 0);
	assert_int_equal(shmdt(p), 0);
	assert_int_equal(ds_of(id).shm_nattch, 1);
	assert_int_equal(native_read(f, &c, 1, 4), 1);
	assert_int_equal(c, 'y');
	native_file_unref(f);
	assert_true(is_gone(id));
}

/* Waits for the next second, in which a new segment has another time. */
static void next_second(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t = (struct timespec){ .tv_sec = t.tv_sec + 1, .tv_nsec = 10000000 };
	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

static void set_next_id(int id)
{
	FILE *f = fopen("/proc/sys/kernel/shm_next_id", "we");

	/* It takes a kernel with checkpoint/restore, and the right to write there. */
	if (!f)
		skip();
	fprintf(f, "%d", id);
	assert_int_equal(fclose(f), 0);
}

static void expect_another(struct native_file *handle, const struct object_id *before,
			   const char *text)
{
	struct object_info info;

	assert_int_equal(native_stat(handle, &info), -ESTALE);
	assert_int_equal(native_chmod(handle, NULL, 0777), -ESTALE);
	assert_int_equal(native_truncate(handle, NULL, SIZE), -ESTALE);
	assert_int_equal(native_tell(handle, "key", NULL, 0), -ESTALE);
	assert_int_equal(try_open(handle, NULL, O_RDONLY), -ESTALE);
	assert_int_equal(look(text, &info), 0);
	assert_memory_not_equal(&info.id, before, sizeof(*before));
}

/* Another segment of the same identifier is another object, whatever is alike. */
static void test_identifier_used_again(void **state)
{
	struct native_file *handle;
	struct object_info info;
	int id;

	(void)state;
	set_next_id(1000);
	id = make(0, SIZE, 0600);
	assert_int_equal(id, 1000);
	assert_int_equal(look(name(0), &info), 0);
	handle = handle_of(name(0));
	discard(id);
	/* Of another size at once, */
	set_next_id(id);
	assert_int_equal(make(0, 2 * SIZE, 0600), id);
	expect_another(handle, &info.id, name(0));
	native_file_unref(handle);
	handle = handle_of(name(0));
	assert_int_equal(look(name(0), &info), 0);
	discard(id);
	/* and of the same a second later. */
	next_second();
	set_next_id(id);
	assert_int_equal(make(0, 2 * SIZE, 0600), id);
	expect_another(handle, &info.id, name(0));
	assert_int_equal(ds_of(id).shm_perm.mode, 0600);
	assert_int_equal(ds_of(id).shm_atime, 0);
	native_file_unref(handle);
	discard(id);
}

/* Pages are attached whole; what is behind the end belongs to nobody. */
static void test_bounds(void **state)
{
	int id = make(0, SIZE + 100, 0600);
	struct native_file *f = open_named(NULL, name(0), O_RDWR);
	unsigned char *p = attach(id);
	char buf[200];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(native_write(f, buf, 200, SIZE, false), 100);
	assert_int_equal(p[SIZE + 99], 'x');
	assert_int_equal(p[SIZE + 100], 0);
	assert_int_equal(native_write(f, buf, 1, SIZE + 100, false), -ENOSPC);
	assert_int_equal(native_write(f, buf, 1, INT64_MAX, false), -ENOSPC);
	assert_int_equal(native_write(f, buf, 1, 0, true), -ENOSPC);
	assert_int_equal(native_allocate(f, 0, SIZE, 100), 0);
	assert_int_equal(native_allocate(f, 0, SIZE, 101), -ENOSPC);
	assert_int_equal(native_allocate(f, FALLOC_FL_KEEP_SIZE, 2 * SIZE, SIZE),
			 -ENOSPC);
	p[SIZE + 100] = 'y';
	assert_int_equal(native_read(f, buf, 200, SIZE), 100);
	assert_int_equal(native_read(f, buf, 200, SIZE + 100), 0);
	assert_int_equal(native_seek(f, SIZE + 100, SEEK_DATA), -ENXIO);
	assert_int_equal(ds_of(id).shm_segsz, SIZE + 100);
	if (native_backing(f) >= 0) {
		struct stat st;

		assert_int_equal(fstat(native_backing(f), &st), 0);
		assert_true(st.st_size <= 2 * SIZE);
	}
	assert_int_equal(shmdt(p), 0);
	drop(0, f);
}

/* As on a block device. */
static void test_truncating_leaves_contents(void **state)
{
	struct native_file *f = create(0, 0600);
	char c = 0;

	(void)state;
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(try_open(f, NULL, O_WRONLY | O_TRUNC), 0);
	assert_int_equal(try_open(f, NULL, O_RDONLY | O_TRUNC), 0);
	assert_int_equal(try_create(NULL, name(0), O_RDWR | O_TRUNC, 0600), 0);
	assert_int_equal(native_truncate(f, NULL, 0), -EPERM);
	assert_int_equal(native_truncate(f, NULL, SIZE), 0);
	assert_int_equal(native_read(f, &c, 1, 0), 1);
	assert_int_equal(c, 'x');
	drop(0, f);
}

static void expect_number(struct native_file *f, const char *what, long long expected)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", expected);
	assert_string_equal(told(f, what), text);
}

/* What is told is what shmctl(2) says. */
static void expect_told(struct native_file *f, int id)
{
	struct shmid_ds ds = ds_of(id);
	char key[16];

	snprintf(key, sizeof(key), "0x%08x", (unsigned int)ds.shm_perm.__key);
	assert_string_equal(told(f, "key"), key);
	expect_number(f, "shmid", id);
	expect_number(f, "cpid", ds.shm_cpid);
	expect_number(f, "lpid", ds.shm_lpid);
	expect_number(f, "nattch", (long long)ds.shm_nattch);
	expect_number(f, "cuid", ds.shm_perm.cuid);
	expect_number(f, "cgid", ds.shm_perm.cgid);
	expect_number(f, "atime", ds.shm_atime);
	expect_number(f, "dtime", ds.shm_dtime);
	expect_number(f, "ctime", ds.shm_ctime);
	expect_number(f, "rss", column(id, COLUMN_RSS));
	expect_number(f, "swap", column(id, COLUMN_SWAP));
}

static void test_told(void **state)
{
	int id = make(0, 4 * SIZE, 0640);
	struct native_file *handle = handle_of(name(0));
	unsigned char *p;

	(void)state;
	expect_told(handle, id);
	assert_string_equal(told(handle, "atime"), "0");
	assert_string_equal(told(handle, "flags"), "");
	p = attach(id);
	expect_told(handle, id);
	assert_string_equal(told(handle, "nattch"), "1");
	p[0] = p[SIZE] = 1;
	assert_int_equal(shmctl(id, SHM_LOCK, NULL), 0);
	assert_string_equal(told(handle, "flags"), "locked");
	assert_int_equal(kind_remove(kind, NULL, name(0)), 0);
	assert_string_equal(told(handle, "flags"), "dest,locked");
	assert_string_equal(told(handle, "key"), "0x00000000");
	assert_int_equal(stat_of(handle).st_mode, S_IFREG | 0640);
	assert_int_equal(shmctl(id, SHM_UNLOCK, NULL), 0);
	assert_string_equal(told(handle, "flags"), "dest");
	expect_told(handle, id);
	native_file_unref(handle);
	assert_int_equal(shmdt(p), 0);
}

/* And so is what stat(2) gives. */
static void test_stat(void **state)
{
	int id = make(0, 4 * SIZE + 1, 0640);
	unsigned char *p = attach(id);
	struct native_file *handle;
	struct shmid_ds ds;
	struct stat st;

	(void)state;
	p[0] = p[SIZE] = 1;
	next_second();
	assert_int_equal(shmdt(p), 0);
	ds = ds_of(id);
	assert_true(ds.shm_dtime > ds.shm_atime);
	handle = handle_of(name(0));
	st = stat_of(handle);
	assert_int_equal(st.st_ino, id);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_size, 4 * SIZE + 1);
	assert_int_equal(st.st_blocks, column(id, COLUMN_RSS) / 512);
	assert_int_equal(st.st_blocks, 2 * SIZE / 512);
	assert_int_equal(st.st_atim.tv_sec, ds.shm_atime);
	assert_int_equal(st.st_mtim.tv_sec, ds.shm_dtime);
	assert_int_equal(st.st_ctim.tv_sec, ds.shm_ctime);
	native_file_unref(handle);
	discard(id);
}

/* All that can be asked, by name and by handle. */
static void ask_everything(const char *text)
{
	struct native_file *handle = handle_of(text);
	struct object_info info;
	struct statvfs st;

	assert_int_equal(kind_identify(kind, NULL, text, &info), 0);
	assert_int_equal(native_stat(handle, &info), 0);
	assert_int_equal(native_access(handle, NULL, R_OK | W_OK), 0);
	assert_int_equal(native_truncate(handle, NULL, (uint64_t)info.stat.st_size), 0);
	for (size_t i = 0; model->told[i]; i++)
		assert_true(native_tell(handle, model->told[i], NULL, 0) >= 0);
	assert_int_equal(listed(text), 1);
	assert_int_equal(kind_statfs(kind, &st), 0);
	native_file_unref(handle);
}

/* To ask is not to attach: nobody can see that somebody asked. */
static void test_asking_changes_nothing(void **state)
{
	int id = make(0, SIZE, 0600), other = make_private(SIZE, 0);
	struct shmid_ds before, after;

	(void)state;
	before = ds_of(id);
	ask_everything(name(0));
	after = ds_of(id);
	expect_same_ds(&after, &before);
	before = ds_of(other);
	ask_everything(id_name(other));
	after = ds_of(other);
	expect_same_ds(&after, &before);
	discard(other);
	discard(id);
}

/* A child that has segment @id attached until the descriptor is closed. */
static pid_t hold_in_child(int id, int *ret_fd)
{
	int until[2], ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(until, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		void *p = shmat(id, NULL, 0);

		close(until[1]);
		if ((intptr_t)p == -1 || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(until[0], &c, 1) != 0);
	}
	close(until[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*ret_fd = until[1];
	return pid;
}

/* One that is to go with its last user goes with that, and not because somebody asked. */
static void test_asking_ends_nothing(void **state)
{
	int id = make_private(SIZE, 0600);
	struct shmid_ds before, after;
	int fd, status;
	pid_t child = hold_in_child(id, &fd);

	(void)state;
	discard(id);
	before = ds_of(id);
	assert_int_equal(before.shm_nattch, 1);
	ask_everything(id_name(id));
	after = ds_of(id);
	expect_same_ds(&after, &before);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(is_gone(id));
	assert_int_equal(look_errno(id_name(id)), -ENOENT);
}

/*
 * Where a segment goes with its last user though nobody removed it, to attach one that
 * has none would be its end.
 */
static void test_asking_ends_no_orphan(void **state)
{
	int id;

	(void)state;
	if (access("/proc/sys/kernel/shm_rmid_forced", W_OK) < 0)
		skip();
	set_tunable("shm_rmid_forced", 1);
	id = make(0, SIZE, 0600);
	ask_everything(name(0));
	assert_false(is_gone(id));
	/* As it is natively. */
	native_file_unref(open_named(NULL, name(0), O_RDWR));
	assert_true(is_gone(id));
	assert_int_equal(look_errno(name(0)), -ENOENT);
	set_tunable("shm_rmid_forced", 0);
}

/* However many files are open on it: to whoever asks natively the mount is one user. */
static void test_attached_once(void **state)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_WRONLY, O_RDONLY, O_RDWR };
	struct native_file *files[5];
	int id = make(0, SIZE, 0600);
	unsigned char *p = attach(id);

	(void)state;
	for (int i = 0; i < 5; i++) {
		files[i] = open_named(NULL, name(0), flags[i]);
		assert_int_equal(ds_of(id).shm_nattch, 2);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ds_of(id).shm_nattch, 2);
		native_file_unref(files[i]);
	}
	assert_int_equal(ds_of(id).shm_nattch, 1);
	assert_int_equal(shmdt(p), 0);
	discard(id);
}

/* A refusal leaves nothing attached. */
static void test_refused_is_not_attached(void **state)
{
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct native_file *handle;
	struct shmid_ds before, after;
	int id;

	(void)state;
	need_root();
	id = make(0, SIZE, 0644);
	handle = handle_of(name(0));
	before = ds_of(id);
	assert_int_equal(try_open(handle, &bob, O_RDWR), -EACCES);
	after = ds_of(id);
	expect_same_ds(&after, &before);
	assert_int_equal(try_open(handle, &bob, O_RDONLY), 0);
	assert_int_equal(ds_of(id).shm_nattch, 0);
	native_file_unref(handle);
	discard(id);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_alias),
		kind_test(test_create_by_id),
		kind_test(test_private),
		kind_test(test_keys),
		kind_test(test_removed_but_attached),
		kind_test(test_identifier_used_again),
		kind_test(test_bounds),
		kind_test(test_truncating_leaves_contents),
		kind_test(test_told),
		kind_test(test_stat),
		kind_test(test_asking_changes_nothing),
		kind_test(test_asking_ends_nothing),
		kind_test(test_asking_ends_no_orphan),
		kind_test(test_attached_once),
		kind_test(test_refused_is_not_attached),
	};

	return kind_run("sysv-kind", tests, argc, argv);
}
