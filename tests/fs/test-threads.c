/* SPDX-License-Identifier: MIT */
/*
 * Requests on many threads at once, over few objects that come and go. Whether each is
 * right is for the other tests; here nothing may be lost, given twice, or raced for.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>

#include "fixture.h"
#include "fs/internal.h"

#define THREADS 4
#define TIMES   2000

static struct room *shared;

static uint64_t look(const char *name)
{
	struct fs_entry e;

	return fs_lookup(shared->fs, &somebody, name, &e) == 0 ? e.node : 0;
}

static void use_file(uint64_t node, unsigned int number)
{
	struct flock lock = { .l_type = F_WRLCK };
	struct fs_busy busy = { .file = NULL };
	struct fs_open_file file;
	char value[16];

	if (fs_open(shared->fs, &somebody, node, O_RDWR, &file) < 0)
		return;
	assert(file.io == FS_IO_PASSTHROUGH && file.backing_id > 0);
	assert(fs_write(shared->fs, file.number, "x", 1, number, false) == 1);
	fs_setlk(shared->fs, &somebody, file.number, number, 1, &lock, &busy);
	native_file_unref(busy.file);
	fs_getlk(shared->fs, file.number, number + 1, &lock);
	fs_getxattr(shared->fs, &somebody, node, "user.shmfs.io", value, sizeof(value));
	fs_flock(shared->fs, &somebody, file.number, LOCK_SH, &busy);
	assert(fs_flush(shared->fs, file.number, number) == 0);
	fs_release(shared->fs, file.number);
}

static void make_and_remove(const char *name)
{
	struct fs_open_file file;
	struct fs_entry e;

	if (fs_create(shared->fs, &somebody, name, O_RDWR, 0600, &e, &file) < 0)
		return;
	fs_release(shared->fs, file.number);
	fs_forget(shared->fs, e.node, 1);
	fs_unlink(shared->fs, &somebody, name);
}

static bool take_entry(void *context, const char *name, const struct fs_entry *entry,
		       int64_t next)
{
	unsigned int *n = context;

	(void)name;
	(void)next;
	if (entry->node)
		fs_forget(shared->fs, entry->node, 1);
	return ++*n < 3;
}

static void list(void)
{
	unsigned int n = 0;
	uint64_t dir;

	assert(fs_opendir(shared->fs, &somebody, &dir) == 0);
	assert(fs_readdir(shared->fs, &somebody, dir, 0, true, take_entry, &n) == 0);
	fs_releasedir(shared->fs, dir);
}

static void hear(void *context, const char *name)
{
	(void)context;
	(void)name;
}

static void hear_node(void *context, uint64_t node)
{
	(void)context;
	(void)node;
}

static void hear_all(void *context)
{
	(void)context;
}

/* What the one thread that watches does: here the first does it, besides. */
static void tell(const char *name)
{
	const struct fs_listener listener = { hear, hear_node, hear_all, hear_all, NULL };

	shared->fake.events_at = shared->fake.events_end = 0;
	fake_event(&shared->fake, name);
	assert(fs_tell_changes(shared->fs, &listener) == 0);
	fake_event(&shared->fake, "");
	assert(fs_tell_changes(shared->fs, &listener) == 0);
}

static void *work(void *context)
{
	unsigned int number = (unsigned int)(uintptr_t)context;

	for (unsigned int i = 0; i < TIMES; i++) {
		const char name[] = { (char)('a' + (i + number) % 3), '\0' };
		uint64_t node = look(name);
		struct stat st;

		if (node) {
			fs_getattr(shared->fs, &somebody, node, &st);
			use_file(node, number);
			fs_forget(shared->fs, node, 1);
		}
		if (i % 3 == 0)
			make_and_remove(name);
		if (i % 5 == 0)
			list();
		if (i % 7 == 0)
			fs_rename(shared->fs, &somebody, "a", "b", number % 2);
		if (i % 11 == 0)
			fs_expire(shared->fs);
		if (number == 0 && shared->fs->keeps)
			tell(name);
	}
	return NULL;
}

static void test_at_once(void **state)
{
	pthread_t threads[THREADS];

	shared = *state;
	fake_add(&shared->fake, "a");
	fake_add(&shared->fake, "b");
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(shared->fake.files, 0);
	assert_int_equal(shared->fake.backings, 0);
	assert_int_equal(shared->fs->files.used, 0);
	assert_int_equal(shared->fs->nodes.used, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		room_test(test_at_once),
		keeping_test(test_at_once),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL) != 0;
}
