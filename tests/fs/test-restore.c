/* SPDX-License-Identifier: MIT */
/* What a process leaves behind that dies, and what becomes of requests asked again. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "fs/internal.h"
#include "fs/journal.h"
#include "sandbox.h"

#define NATIVE "/dev/shm/"

#define FILES_MAX 64

static const struct kind_config config = { .shm_dir = "/dev/shm" };

static int enter(void **state)
{
	struct fs_config c = { .kind = NULL, .files = FILES_MAX, .shared = true };
	struct fs *fs;

	sandbox_enter();
	assert_int_equal(caller_init(), 0);
	assert_int_equal(kind_new(&kind_posix, &config, &c.kind), 0);
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

static uint64_t make(struct fs *fs, const struct caller *caller, const char *name,
		     uint64_t *ret_node)
{
	struct fs_open_file file;
	struct fs_entry entry;

	if (fs_create(fs, caller, name, O_RDWR | O_EXCL, 0600, &entry, &file) < 0)
		return 0;
	*ret_node = entry.node;
	return file.number;
}

/* Numbers that were given out, for the process that comes after. */
static uint64_t *shared;

enum { NODE, FILE_A, DIRECTORY, FORGOTTEN };

static void live(struct fs *fs)
{
	struct caller me = { .uid = geteuid(), .gid = getegid() };
	struct fs_entry entry;

	shared[FILE_A] = make(fs, &me, "a", &shared[NODE]);
	fs_write(fs, shared[FILE_A], "text", 4, 0, false);
	fs_lookup(fs, &me, "a", &entry);
	fs_opendir(fs, &me, &shared[DIRECTORY]);
	fs_release(fs, make(fs, &me, "forgotten", &shared[FORGOTTEN]));
	fs_forget(fs, shared[FORGOTTEN], 1);
	fs_rename(fs, &me, "a", "b", 0);
	kill(getpid(), SIGKILL);
}

static bool count_entry(void *context, const char *name, const struct fs_entry *entry,
			int64_t next)
{
	unsigned int *n = context;

	(void)name;
	(void)entry;
	(void)next;
	++*n;
	return true;
}

/* What another process does that shares the descriptors and kills itself. */
static void let_die(struct fs *fs, void (*act)(struct fs *))
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
	int status;

	if (pid == 0)
		act(fs);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_restored(void **state)
{
	struct descriptors open = { .n = 0 }, kept = { .n = 0 };
	struct caller me = { .uid = geteuid(), .gid = getegid() };
	struct fs *fs = *state;
	struct fs_entry entry;
	unsigned int n = 0;
	char text[8] = "";
	struct stat st;

	let_die(fs, live);
	assert_int_equal(descriptors_open(&open), 0);
	assert_int_equal(fs_restore(fs, &open, &kept), 0);
	assert_int_equal(fs_find_names(fs), 0);
	assert_int_equal(fs_read(fs, shared[FILE_A], text, 8, 0), 4);
	assert_string_equal(text, "text");
	/* One lookup by creating it, one by looking it up: and it has its new name. */
	assert_int_equal(fs_getattr(fs, &me, shared[NODE], &st), 0);
	assert_int_equal(fs_getattr(fs, &me, shared[FORGOTTEN], &st), -ESTALE);
	fs_release(fs, shared[FILE_A]);
	fs_forget(fs, shared[NODE], 1);
	assert_int_equal(fs_getattr(fs, &me, shared[NODE], &st), 0);
	assert_int_equal(fs_lookup(fs, &me, "b", &entry), 0);
	assert_int_equal(entry.node, shared[NODE]);
	fs_forget(fs, shared[NODE], 2);
	assert_int_equal(fs_getattr(fs, &me, shared[NODE], &st), -ESTALE);
	assert_int_equal(
		fs_readdir(fs, &me, shared[DIRECTORY], 0, false, count_entry, &n), 0);
	assert_int_equal(n, 4);
	fs_releasedir(fs, shared[DIRECTORY]);
	assert_int_equal(fs_usage(fs).nodes, 1);
	descriptors_done(&open);
	descriptors_done(&kept);
}

/* Dies when the file is given up, and the locks that were taken through it are not. */
static void lock_and_release(struct fs *fs)
{
	struct caller me = { .uid = geteuid(), .gid = getegid() };
	struct fs_busy busy = { .file = NULL };
	uint64_t file = make(fs, &me, "a", &shared[NODE]);

	if (fs_flock(fs, &me, file, LOCK_EX, &busy) == 0)
		ledger_remove_file(fs->ledger, file);
	kill(getpid(), SIGKILL);
}

static void test_locks_of_no_file(void **state)
{
	struct descriptors open = { .n = 0 }, kept = { .n = 0 };
	struct fs *fs = *state;
	unsigned int locks = 0;

	let_die(fs, lock_and_release);
	assert_int_equal(descriptors_open(&open), 0);
	for (unsigned int fd = 0; fd < open.n; fd++)
		locks += ledger_lock_of(fs->ledger, (int)fd) != NULL;
	assert_int_equal(locks, 1);
	assert_int_equal(fs_restore(fs, &open, &kept), 0);
	assert_int_equal(fs_find_names(fs), 0);
	/* Neither record nor descriptor stays. */
	for (unsigned int fd = 0; fd < open.n; fd++) {
		assert_null(ledger_lock_of(fs->ledger, (int)fd));
		assert_false(descriptors_has(&kept, (int)fd));
	}
	assert_int_equal(fs_usage(fs).files, 0);
	unlink(NATIVE "a");
	descriptors_done(&open);
	descriptors_done(&kept);
}

enum { READER = 7, WRITER, OTHER };

static int lock_range(struct fs *fs, uint64_t file, uint64_t owner, off_t start)
{
	struct caller me = { .uid = geteuid(), .gid = getegid() };
	const struct flock lock = { .l_type = F_RDLCK, .l_start = start, .l_len = 10 };
	struct fs_busy busy = { .file = NULL };

	return fs_setlk(fs, &me, file, owner, (pid_t)owner, &lock, &busy);
}

/* Dies when some locks of an owner have moved to a file that is open for writing. */
static void lock_and_move(struct fs *fs, bool first)
{
	struct caller me = { .uid = geteuid(), .gid = getegid() };
	uint64_t writes = make(fs, &me, "a", &shared[NODE]);
	struct fs_open_file reads;

	shared[FILE_A] = writes;
	fs_open(fs, &me, shared[NODE], O_RDONLY, &reads);
	if (first)
		lock_range(fs, writes, WRITER, 0);
	lock_range(fs, reads.number, READER, 0);
	lock_range(fs, reads.number, READER, 20);
	if (!first)
		lock_range(fs, writes, WRITER, 0);
	for (int fd = 0; fd < FILES_MAX; fd++) {
		const struct ledger_lock *lock = ledger_lock_of(fs->ledger, fd);
		struct ledger_lock moved;

		if (!lock || lock->owner != WRITER)
			continue;
		moved = *lock;
		moved.owner = READER;
		moved.pid = READER;
		ledger_set_lock(fs->ledger, fd, &moved);
	}
	kill(getpid(), SIGKILL);
}

static void lock_and_move_up(struct fs *fs)
{
	lock_and_move(fs, true);
}

static void lock_and_move_down(struct fs *fs)
{
	lock_and_move(fs, false);
}

static short type_of_lock(struct fs *fs, off_t start)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = start, .l_len = 10 };

	assert_int_equal(fs_getlk(fs, shared[FILE_A], OTHER, &lock), 0);
	if (lock.l_type != F_UNLCK)
		assert_int_equal(lock.l_pid, READER);
	return lock.l_type;
}

static void restore_moved(struct fs *fs, void (*act)(struct fs *))
{
	struct descriptors open = { .n = 0 }, kept = { .n = 0 };
	unsigned int locks = 0;

	let_die(fs, act);
	assert_int_equal(descriptors_open(&open), 0);
	assert_int_equal(fs_restore(fs, &open, &kept), 0);
	assert_int_equal(fs_find_names(fs), 0);
	for (unsigned int fd = 0; fd < open.n; fd++)
		locks += ledger_lock_of(fs->ledger, (int)fd) != NULL;
	assert_int_equal(locks, 1);
	assert_int_equal(fs->ranges.taken, 2);
	assert_int_equal(type_of_lock(fs, 0), F_RDLCK);
	assert_int_equal(type_of_lock(fs, 10), F_UNLCK);
	assert_int_equal(type_of_lock(fs, 20), F_RDLCK);
	assert_int_equal(fs_flush(fs, shared[FILE_A], READER), 0);
	assert_int_equal(type_of_lock(fs, 0), F_UNLCK);
	assert_int_equal(type_of_lock(fs, 20), F_UNLCK);
	unlink(NATIVE "a");
	descriptors_done(&open);
	descriptors_done(&kept);
}

static void test_locks_that_move(void **state)
{
	restore_moved(*state, lock_and_move_up);
}

static void test_locks_that_move_down(void **state)
{
	restore_moved(*state, lock_and_move_down);
}

static unsigned int open_all(struct fs *fs, uid_t uid, uint64_t files[FILES_MAX])
{
	struct caller caller = { .uid = uid, .gid = uid };
	struct fs_open_file file;
	unsigned int n = 0;

	for (; n < FILES_MAX; n++) {
		if (fs_open(fs, &caller, shared[NODE], O_RDONLY, &file) < 0)
			break;
		files[n] = file.number;
	}
	return n;
}

/*
 * The first user took his when others had nothing; of the second user are the places that
 * are looked at first.
 */
static void take_all(struct fs *fs)
{
	struct caller me = { .uid = geteuid(), .gid = getegid() };
	uint64_t placeholders[FILES_MAX], files[FILES_MAX];
	struct fs_open_file file;

	fs_release(fs, make(fs, &me, "a", &shared[NODE]));
	chmod(NATIVE "a", 0644);
	for (int i = 0; i < 20; i++)
		if (fs_open(fs, &me, shared[NODE], O_RDONLY, &file) == 0)
			placeholders[i] = file.number;
	shared[FILE_A] = open_all(fs, 1000, files);
	for (int i = 0; i < 20; i++)
		fs_release(fs, placeholders[i]);
	shared[FILE_A] += open_all(fs, 1000, files);
	shared[FILE_A] += open_all(fs, 1001, files);
	kill(getpid(), SIGKILL);
}

static void test_shares_are_not_refused_again(void **state)
{
	struct descriptors open = { .n = 0 }, kept = { .n = 0 };
	struct fs *fs = *state;

	if (!caller_serves_all())
		skip();
	let_die(fs, take_all);
	assert_true(shared[FILE_A] > FILES_MAX / 2);
	assert_int_equal(descriptors_open(&open), 0);
	assert_int_equal(fs_restore(fs, &open, &kept), 0);
	assert_int_equal(fs_find_names(fs), 0);
	assert_int_equal(fs_usage(fs).files, shared[FILE_A]);
	unlink(NATIVE "a");
	descriptors_done(&open);
	descriptors_done(&kept);
}

/* The request that @j was noted for, asked again. */
static struct caller again(const struct journal *j)
{
	return (struct caller){ .uid = geteuid(), .gid = getegid(), .before = j };
}

static struct caller first(struct journal *j)
{
	*j = (struct journal){ .request = 2 };
	return (struct caller){ .uid = geteuid(), .gid = getegid(), .journal = j };
}

/* Somebody died when it was done, but had not noted that. */
static void not_noted(struct journal *j)
{
	j->what &= ~JOURNAL_DONE;
}

static void native_make(const char *path)
{
	close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

/* @seen was looked up, and then something new called @name is removed. */
static void check_not_removed(struct fs *fs, const char *seen, const char *name)
{
	struct caller caller = { .uid = geteuid(), .gid = getegid() };
	char path[64], other[64];
	struct fs_entry entry;
	struct journal j;

	snprintf(path, sizeof(path), NATIVE "%s", name);
	snprintf(other, sizeof(other), NATIVE "%s", seen);
	native_make(other);
	assert_int_equal(fs_lookup(fs, &caller, seen, &entry), 0);
	native_make(NATIVE "new");
	assert_int_equal(rename(NATIVE "new", path), 0);
	/* Somebody dies before it is done. */
	caller = first(&j);
	journal_name(fs, &caller, name);
	caller = again(&j);
	assert_int_equal(fs_unlink(fs, &caller, name), 0);
	assert_int_equal(access(path, F_OK), -1);
	unlink(other);
	fs_forget(fs, entry.node, 1);
}

static void test_removed_once(void **state)
{
	struct fs *fs = *state;
	struct caller caller;
	struct journal j;

	native_make(NATIVE "a");
	caller = first(&j);
	assert_int_equal(fs_unlink(fs, &caller, "a"), 0);
	caller = again(&j);
	assert_int_equal(fs_unlink(fs, &caller, "a"), 0);
	not_noted(&j);
	assert_int_equal(fs_unlink(fs, &caller, "a"), 0);
	/* What has the name by now is another object. */
	native_make(NATIVE "a");
	assert_int_equal(fs_unlink(fs, &caller, "a"), 0);
	assert_int_equal(access(NATIVE "a", F_OK), 0);
	/* It was not done yet. */
	caller = first(&j);
	journal_name(fs, &caller, "a");
	caller = again(&j);
	assert_int_equal(fs_unlink(fs, &caller, "a"), 0);
	assert_int_equal(access(NATIVE "a", F_OK), -1);
	/* Nor was it of what has another name, or of what had the name a moment ago. */
	check_not_removed(fs, "nakmvxxv", "tbdxatiq");
	check_not_removed(fs, "a", "a");
	/* What failed fails again. */
	caller = first(&j);
	assert_int_equal(fs_unlink(fs, &caller, "a"), -ENOENT);
	caller = again(&j);
	assert_int_equal(fs_unlink(fs, &caller, "a"), -ENOENT);
}

static void test_renamed_once(void **state)
{
	struct fs *fs = *state;
	struct caller caller;
	struct journal j;

	native_make(NATIVE "a");
	caller = first(&j);
	assert_int_equal(fs_rename(fs, &caller, "a", "b", RENAME_NOREPLACE), 0);
	not_noted(&j);
	caller = again(&j);
	assert_int_equal(fs_rename(fs, &caller, "a", "b", RENAME_NOREPLACE), 0);
	native_make(NATIVE "a");
	assert_int_equal(fs_rename(fs, &caller, "a", "b", RENAME_NOREPLACE), 0);
	assert_int_equal(access(NATIVE "a", F_OK), 0);
	/* Not exchanged back. */
	caller = first(&j);
	assert_int_equal(fs_rename(fs, &caller, "a", "b", RENAME_EXCHANGE), 0);
	not_noted(&j);
	caller = again(&j);
	assert_int_equal(truncate(NATIVE "a", 1), 0);
	assert_int_equal(fs_rename(fs, &caller, "a", "b", RENAME_EXCHANGE), 0);
	assert_int_equal(truncate(NATIVE "a", 1), 0);
	unlink(NATIVE "a");
	unlink(NATIVE "b");
}

static void test_linked_once(void **state)
{
	struct fs *fs = *state;
	struct fs_entry entry;
	struct caller caller;
	struct journal j;
	uint64_t node;

	native_make(NATIVE "a");
	assert_int_equal(fs_lookup(fs, NULL, "a", &entry), 0);
	node = entry.node;
	caller = first(&j);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), 0);
	caller = again(&j);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), 0);
	assert_int_equal(entry.node, node);
	not_noted(&j);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), 0);
	assert_int_equal(entry.attr.st_nlink, 2);
	/* It was not done yet. */
	assert_int_equal(unlink(NATIVE "b"), 0);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), 0);
	assert_int_equal(access(NATIVE "b", F_OK), 0);
	/* What was there before was not linked, whether that is noted or not. */
	caller = first(&j);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), -EEXIST);
	caller = again(&j);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), -EEXIST);
	not_noted(&j);
	assert_int_equal(fs_link(fs, &caller, node, "b", &entry), -EEXIST);
	unlink(NATIVE "a");
	unlink(NATIVE "b");
}

static void test_made_once(void **state)
{
	struct fs *fs = *state;
	struct fs_open_file file, same;
	struct fs_entry entry;
	struct caller caller;
	struct journal j;

	caller = first(&j);
	assert_int_equal(
		fs_create(fs, &caller, "a", O_RDWR | O_EXCL, 0400, &entry, &file), 0);
	/* It was open already: that is the file. */
	caller.before = &j;
	assert_int_equal(
		fs_create(fs, &caller, "a", O_RDWR | O_EXCL, 0400, &entry, &same), 0);
	assert_int_equal(same.number, file.number);
	fs_release(fs, file.number);
	/* It was made, and no more. */
	assert_int_equal(
		fs_create(fs, &caller, "a", O_RDWR | O_EXCL, 0400, &entry, &same), 0);
	fs_release(fs, same.number);
	/* Somebody else's. */
	assert_int_equal(chown(NATIVE "a", 1000, 1000), 0);
	assert_int_equal(fs_create(fs, &caller, "a", O_RDWR | O_EXCL, 0400, &entry,
				   &same),
			 -EEXIST);
	caller = first(&j);
	assert_int_equal(fs_create(fs, &caller, "a", O_RDWR | O_EXCL, 0400, &entry,
				   &same),
			 -EEXIST);
	unlink(NATIVE "a");
}

static off_t size_of_a(void)
{
	struct stat st;

	assert_int_equal(stat(NATIVE "a", &st), 0);
	return st.st_size;
}

/* Who died may have had it open already, and not yet emptied. */
static void test_emptied_after_all(void **state)
{
	struct fs *fs = *state;
	struct fs_open_file file, same;
	struct fs_entry entry;
	struct caller caller;
	struct journal j;

	native_make(NATIVE "a");
	caller = first(&j);
	assert_int_equal(fs_lookup(fs, &caller, "a", &entry), 0);
	assert_int_equal(fs_open(fs, &caller, entry.node, O_RDWR, &file), 0);
	assert_int_equal(truncate(NATIVE "a", 1), 0);
	caller.before = &j;
	assert_int_equal(fs_open(fs, &caller, entry.node, O_RDWR | O_TRUNC, &same), 0);
	assert_int_equal(same.number, file.number);
	assert_int_equal(size_of_a(), 0);
	assert_int_equal(truncate(NATIVE "a", 1), 0);
	assert_int_equal(
		fs_create(fs, &caller, "a", O_RDWR | O_TRUNC, 0600, &entry, &same), 0);
	assert_int_equal(same.number, file.number);
	assert_int_equal(size_of_a(), 0);
	fs_release(fs, file.number);
	unlink(NATIVE "a");
}

static void test_old_ones_are_not_its_own(void **state)
{
	struct fs *fs = *state;
	struct fs_open_file file;
	struct fs_entry entry;
	struct caller caller;
	struct journal j;

	native_make(NATIVE "a");
	/* The clock of births has ticked. */
	usleep(20000);
	caller = first(&j);
	journal_begin(&caller);
	caller = again(&j);
	assert_int_equal(fs_create(fs, &caller, "a", O_RDWR | O_EXCL, 0600, &entry,
				   &file),
			 -EEXIST);
	unlink(NATIVE "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_restored, enter, leave),
		cmocka_unit_test_setup_teardown(test_locks_of_no_file, enter, leave),
		cmocka_unit_test_setup_teardown(test_locks_that_move, enter, leave),
		cmocka_unit_test_setup_teardown(test_locks_that_move_down, enter, leave),
		cmocka_unit_test_setup_teardown(test_shares_are_not_refused_again, enter,
						leave),
		cmocka_unit_test_setup_teardown(test_removed_once, enter, leave),
		cmocka_unit_test_setup_teardown(test_renamed_once, enter, leave),
		cmocka_unit_test_setup_teardown(test_linked_once, enter, leave),
		cmocka_unit_test_setup_teardown(test_made_once, enter, leave),
		cmocka_unit_test_setup_teardown(test_emptied_after_all, enter, leave),
		cmocka_unit_test_setup_teardown(test_old_ones_are_not_its_own, enter,
						leave),
	};

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return cmocka_run_group_tests_name("restore", tests, NULL, NULL) != 0;
}
