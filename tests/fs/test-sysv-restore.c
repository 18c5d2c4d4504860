/* SPDX-License-Identifier: MIT */
/*
 * What a process leaves behind that dies in the middle of making segments, and what
 * becomes of requests asked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "fs/internal.h"
#include "fs/journal.h"
#include "native/sysv-table.h"
#include "sandbox.h"

#define KEY   0x1234
#define NAME  "0x00001234"
#define SIZE  5000
#define LATER 1000000

static const struct caller me = { .uid = 0, .gid = 0 };

/* Where this process is to die: behind that many system calls of these from now on. */
static int calls_left = LATER;

/* What happens then instead. */
static void (*instead)(void);

static long step(long result)
{
	if (--calls_left != 0)
		return result;
	if (instead)
		instead();
	else
		kill(getpid(), SIGKILL);
	return result;
}

/* In place of the C library's. */
int shmget(key_t key, size_t size, int flags)
{
	return (int)step(syscall(SYS_shmget, key, size, flags));
}

void *shmat(int id, const void *address, int flags)
{
	return (void *)step(syscall(SYS_shmat, id, address, flags));
}

int shmctl(int id, int command, struct shmid_ds *ds)
{
	return (int)step(syscall(SYS_shmctl, id, command, ds));
}

static int enter(void **state)
{
	const struct kind_config config = { .shm_dir = "/dev/shm" };
	struct fs_config c = { .kind = NULL };
	struct fs *fs;

	sandbox_enter();
	assert_int_equal(kind_new(&kind_sysv, &config, &c.kind), 0);
	assert_int_equal(fs_new(&c, &fs), 0);
	assert_int_equal(fs_remember(fs), 0);
	*state = fs;
	return 0;
}

static int leave(void **state)
{
	fs_free(*state);
	return 0;
}

/* Numbers that were given out, for the process that comes after. */
static struct {
	uint64_t file, node;
} * shared;

static int set_size(struct fs *fs, uint64_t size)
{
	struct stat st = { .st_size = (off_t)size };

	return fs_setattr(fs, &me, shared->node, shared->file, &st, FS_SET_SIZE, &st);
}

/* Makes a pending file called @name, and dies behind that many calls for a size. */
static void live(struct fs *fs, const char *name, int calls)
{
	struct fs_open_file file;
	struct fs_entry entry;

	fs_create(fs, &me, name, O_RDWR | O_EXCL, 0640, &entry, &file);
	shared->file = file.number;
	shared->node = entry.node;
	calls_left = calls;
	if (calls > 0)
		set_size(fs, SIZE);
	kill(getpid(), SIGKILL);
}

static pid_t clone_process(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
}

static void restore(struct fs *fs)
{
	struct descriptors open = { .n = 0 }, kept = { .n = 0 };

	assert_int_equal(descriptors_open(&open), 0);
	assert_int_equal(fs_restore(fs, &open, &kept), 0);
	assert_int_equal(fs_find_names(fs), 0);
	descriptors_done(&open);
	descriptors_done(&kept);
}

/* As live(), in another process; this one goes on. */
static void restore_after(struct fs *fs, const char *name, int calls)
{
	pid_t pid = clone_process();

	if (pid == 0)
		live(fs, name, calls);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	restore(fs);
}

static struct sysv_row only_segment(void)
{
	struct sysv_table *table;
	struct sysv_row row;

	assert_int_equal(sysv_table_read(&table), 0);
	assert_int_equal(table->n, 1);
	row = table->rows[0];
	sysv_table_free(table);
	return row;
}

static void discard(int id)
{
	assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
}

/* Wherever it died, there is one segment in the end, as it was asked for. */
static void test_making(void **state)
{
	static const char *const names[] = { NAME, "0x00000000" };

	(void)state;
	for (int calls = 0; calls < 12; calls++) {
		for (size_t i = 0; i < 2; i++) {
			struct sysv_row row;
			struct stat st;
			void *fs;

			enter(&fs);
			restore_after(fs, names[i], calls);
			assert_int_equal(set_size(fs, SIZE), 0);
			row = only_segment();
			assert_int_equal(row.key, i == 0 ? KEY : IPC_PRIVATE);
			assert_int_equal(row.size, SIZE);
			assert_int_equal(row.perms & 0777, 0640);
			assert_int_equal(row.nattch, 1);
			assert_int_equal(fs_getattr(fs, &me, shared->node, &st), 0);
			assert_int_equal(st.st_size, SIZE);
			assert_int_equal(
				fs_write(fs, shared->file, "text", 4, 4998, false), 2);
			fs_release(fs, shared->file);
			discard(row.shmid);
			leave(&fs);
		}
	}
}

static void begin_writing(struct fs *fs)
{
	struct fs_open_file file;
	struct fs_entry entry;

	fs_create(fs, &me, NAME, O_RDWR | O_EXCL, 0640, &entry, &file);
	shared->file = file.number;
	shared->node = entry.node;
	fs_write(fs, shared->file, "hel", 3, 0, false);
}

/* Dies behind that many calls for more room. */
static void grow_and_die(struct fs *fs, int calls)
{
	begin_writing(fs);
	fs_fsync(fs, shared->file, false);
	calls_left = calls;
	fs_write(fs, shared->file, "lo", 2, 3, false);
	kill(getpid(), SIGKILL);
}

/* It goes on to grow, and whoever is kept out meanwhile is not for good. */
static void test_growing(void **state)
{
	/* But for the fifth, which takes the segment away. */
	static const int calls[] = { 1, 2, 3, 4, LATER };

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		struct sysv_row row;
		char text[8];
		pid_t pid;
		void *fs;

		enter(&fs);
		pid = clone_process();
		if (pid == 0)
			grow_and_die(fs, calls[i]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		restore(fs);
		if (calls[i] != LATER)
			assert_int_equal(only_segment().perms & 0777, 0640);
		assert_int_equal(fs_write(fs, shared->file, "lo!", 3, 3, false), 3);
		assert_int_equal(fs_fsync(fs, shared->file, false), 0);
		row = only_segment();
		assert_int_equal(row.size, 6);
		assert_int_equal(row.perms & 0777, 0640);
		assert_int_equal(fs_read(fs, shared->file, text, sizeof(text), 0), 6);
		assert_memory_equal(text, "hello!", 6);
		fs_release(fs, shared->file);
		discard(row.shmid);
		leave(&fs);
	}
}

static const void *attached;

static void attach_it(void)
{
	attached = shmat(shmget(KEY, 0, 0), NULL, SHM_RDONLY);
}

/* Whoever comes while it is being collected keeps it. */
static void test_growing_when_somebody_comes(void **state)
{
	struct fs *fs = *state;
	struct sysv_row row;

	begin_writing(fs);
	assert_int_equal(fs_fsync(fs, shared->file, false), 0);
	/* Before it is shut, and, with the power to, behind that. */
	for (int calls = 1; calls <= 3; calls += 2) {
		calls_left = calls;
		instead = attach_it;
		assert_int_equal(fs_write(fs, shared->file, "lo", 2, 3, false), -ENOSPC);
		instead = NULL;
		assert_ptr_not_equal(attached, (void *)-1);
		row = only_segment();
		assert_int_equal(row.perms & 0777, 0640);
		assert_int_equal(row.nattch, 2);
		assert_memory_equal(attached, "hel", 3);
		assert_int_equal(shmdt(attached), 0);
	}
	assert_int_equal(fs_write(fs, shared->file, "lo", 2, 3, false), 2);
	assert_int_equal(fs_fsync(fs, shared->file, false), 0);
	row = only_segment();
	assert_int_equal(row.size, 5);
	assert_int_equal(row.perms & 0777, 0640);
	fs_release(fs, shared->file);
	discard(row.shmid);
}

/* What was refused stays known: no segment is made of the rest. */
static void test_refused_before(void **state)
{
	struct fs *fs = *state;
	pid_t pid = clone_process();

	if (pid == 0) {
		begin_writing(fs);
		fs_write(fs, shared->file, "x", 1, INT64_MAX - 1, false);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	restore(fs);
	assert_int_equal(fs_fsync(fs, shared->file, false), -EFBIG);
	fs_release(fs, shared->file);
}

/* Somebody else's of the same key, size and time is not taken for it. */
static void test_not_its_own(void **state)
{
	struct fs *fs = *state;
	int id;

	restore_after(fs, NAME, 0);
	id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	assert_true(id >= 0);
	assert_int_equal(set_size(fs, SIZE), -EEXIST);
	fs_release(fs, shared->file);
	discard(id);
}

static void open_and_die(struct fs *fs)
{
	struct fs_open_file file;
	struct fs_entry entry;

	fs_lookup(fs, &me, NAME, &entry);
	fs_open(fs, &me, entry.node, O_RDWR, &file);
	fs_write(fs, file.number, "old", 4, 0, false);
	shared->file = file.number;
	shmctl((int)entry.attr.st_ino, IPC_RMID, NULL);
	kill(getpid(), SIGKILL);
}

/* Sets it when the kernel's clock shows it. */
static void open_set_and_die(struct fs *fs)
{
	struct shmid_ds ds = { .shm_perm = { .mode = 0640 } };
	struct fs_open_file file;
	struct fs_entry entry;

	fs_lookup(fs, &me, NAME, &entry);
	fs_open(fs, &me, entry.node, O_RDWR, &file);
	shared->file = file.number;
	shared->node = entry.node;
	while (time(NULL) == entry.attr.st_ctime)
		usleep(1000);
	shmctl((int)entry.attr.st_ino, IPC_SET, &ds);
	kill(getpid(), SIGKILL);
}

/* What is set of it while it is open does not make another of it. */
static void test_set_meanwhile(void **state)
{
	int id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	struct fs *fs = *state;
	struct fs_entry entry;
	pid_t pid = clone_process();

	if (pid == 0)
		open_set_and_die(fs);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	restore(fs);
	assert_int_equal(fs_lookup(fs, &me, NAME, &entry), 0);
	assert_int_equal(entry.node, shared->node);
	assert_int_equal(entry.attr.st_mode, S_IFREG | 0640);
	fs_release(fs, shared->file);
	discard(id);
}

/* Makes a segment of identifier @id, where the kernel lets us choose. */
static bool make_another(int id)
{
	FILE *next = fopen("/proc/sys/kernel/shm_next_id", "we");

	if (!next)
		return false;
	fprintf(next, "%d", id);
	fclose(next);
	assert_int_equal(shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600), id);
	return true;
}

/* Another one of the same identifier, maker and size is not what was open. */
static void test_another_of_that_identifier(void **state)
{
	int id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	struct fs *fs = *state;
	char text[8] = "";
	pid_t pid;

	pid = clone_process();
	if (pid == 0)
		open_and_die(fs);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* The clock of births has ticked. */
	usleep(20000);
	if (!make_another(id))
		skip();
	restore(fs);
	assert_int_equal(fs_read(fs, shared->file, text, 4, 0), 4);
	assert_string_equal(text, "old");
	assert_int_equal(only_segment().nattch, 0);
	fs_release(fs, shared->file);
	discard(id);
}

/* The request that @j was noted for, asked again. */
static struct caller again(const struct journal *j, uid_t uid)
{
	return (struct caller){ .uid = uid, .gid = uid, .before = j };
}

static struct caller first(struct journal *j, uid_t uid)
{
	*j = (struct journal){ .request = 2 };
	return (struct caller){ .uid = uid, .gid = uid, .journal = j };
}

/* A segment that was there is not what the request has made. */
static void test_old_ones_are_not_its_own(void **state)
{
	int id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	struct fs_open_file file;
	struct fs_entry entry;
	struct fs *fs = *state;
	struct caller caller;
	struct journal j;

	caller = first(&j, 0);
	journal_begin(&caller);
	caller = again(&j, 0);
	assert_int_equal(fs_create(fs, &caller, NAME, O_RDWR | O_EXCL, 0600, &entry,
				   &file),
			 -EEXIST);
	discard(id);
}

static void test_removed_once(void **state)
{
	int id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	struct fs *fs = *state;
	struct caller caller;
	struct journal j;

	assert_true(id >= 0);
	caller = first(&j, 0);
	assert_int_equal(fs_unlink(fs, &caller, NAME), 0);
	j.what &= ~JOURNAL_DONE;
	caller = again(&j, 0);
	assert_int_equal(fs_unlink(fs, &caller, NAME), 0);
	/* What has the key by now is another. */
	id = shmget(KEY, SIZE + 1, IPC_CREAT | IPC_EXCL | 0600);
	assert_int_equal(fs_unlink(fs, &caller, NAME), 0);
	only_segment();
	discard(id);
}

/* Who has given it away may not set it any more, but did. */
static void test_given_away_once(void **state)
{
	int id = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	struct shmid_ds ds = { .shm_perm = { .uid = 1000, .gid = 1000, .mode = 0600 } };
	struct stat st = { .st_uid = 1001 };
	struct fs *fs = *state;
	struct fs_entry entry;
	struct caller caller;
	struct journal j;

	if (geteuid() != 0)
		skip();
	assert_int_equal(shmctl(id, IPC_SET, &ds), 0);
	assert_int_equal(fs_lookup(fs, &me, NAME, &entry), 0);
	caller = first(&j, 1000);
	assert_int_equal(fs_setattr(fs, &caller, entry.node, 0, &st, FS_SET_UID, &st), 0);
	assert_int_equal(fs_lookup(fs, &me, NAME, &entry), 0);
	caller = again(&j, 1000);
	st.st_uid = 1001;
	assert_int_equal(fs_setattr(fs, &caller, entry.node, 0, &st, FS_SET_UID, &st), 0);
	st.st_uid = 1002;
	assert_int_equal(fs_setattr(fs, &caller, entry.node, 0, &st, FS_SET_UID, &st),
			 -EPERM);
	discard(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_making),
		cmocka_unit_test(test_growing),
		cmocka_unit_test_setup_teardown(test_growing_when_somebody_comes, enter,
						leave),
		cmocka_unit_test_setup_teardown(test_refused_before, enter, leave),
		cmocka_unit_test_setup_teardown(test_not_its_own, enter, leave),
		cmocka_unit_test_setup_teardown(test_old_ones_are_not_its_own, enter,
						leave),
		cmocka_unit_test_setup_teardown(test_set_meanwhile, enter, leave),
		cmocka_unit_test_setup_teardown(test_another_of_that_identifier, enter,
						leave),
		cmocka_unit_test_setup_teardown(test_removed_once, enter, leave),
		cmocka_unit_test_setup_teardown(test_given_away_once, enter, leave),
	};

	if (caller_init() < 0)
		return 1;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return cmocka_run_group_tests_name("sysv-restore", tests, NULL, NULL) != 0;
}
