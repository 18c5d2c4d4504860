/* SPDX-License-Identifier: MIT */
/*
 * Files of the kind "sysv" that have a name and no size yet: there is no segment before
 * somebody has said how large.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>

#include "kind-callers.h"
#include "sysv-fixture.h"

/* As create(), but without a size. */
static struct native_file *pend(const struct caller *c, const char *text, mode_t mode)
{
	struct native_file *f = NULL;
	struct object_info info;

	assert_int_equal(kind_create(kind, c, text, O_RDWR | O_EXCL, mode, &f, &info), 0);
	assert_true(info.created);
	assert_int_equal(info.stat.st_mode, S_IFREG | mode);
	assert_int_equal(info.stat.st_size, 0);
	return f;
}

static bool exists(int n)
{
	return shmget(sysv_key(n), 0, 0) >= 0;
}

/* It is there for who asks for its name, and natively it is not. */
static void test_pending(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0640);
	struct object_info info, again;
	char c;

	(void)state;
	assert_false(exists(0));
	assert_int_equal(listed(name(0)), 0);
	assert_int_equal(look(name(0), &info), 0);
	assert_int_equal(kind_identify(kind, NULL, name(0), &again), 0);
	assert_memory_equal(&again.id, &info.id, sizeof(info.id));
	assert_int_equal(info.stat.st_mode, S_IFREG | 0640);
	assert_int_equal(info.stat.st_ino, stat_of(f).st_ino);
	assert_int_equal(stat_of(f).st_nlink, 1);
	assert_int_equal(stat_of(f).st_size, 0);
	assert_int_equal(stat_of(f).st_blocks, 0);
	assert_int_equal(try_create(NULL, name(0), O_RDWR | O_EXCL, 0600), -EEXIST);
	assert_int_equal(try_create(NULL, name(0), O_RDWR, 0600), 0);
	assert_int_equal(native_read(f, &c, 1, 0), 0);
	assert_int_equal(native_write(f, &c, 0, 0, false), 0);
	assert_int_equal(native_resize(f, 0), 0);
	assert_int_equal(native_backing(f), -EOPNOTSUPP);
	assert_int_equal(native_seek(f, 0, SEEK_DATA), -ENXIO);
	assert_int_equal(native_sync(f, false), 0);
	assert_false(exists(0));
	native_file_unref(f);
}

static void test_closed_without_a_size(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0640);
	struct native_file *handle = handle_of(name(0));
	struct object_info info;

	(void)state;
	native_file_unref(open_named(NULL, name(0), O_RDWR));
	assert_int_equal(native_stat(handle, &info), 0);
	native_file_unref(f);
	assert_int_equal(look(name(0), &info), -ENOENT);
	assert_int_equal(native_stat(handle, &info), -ESTALE);
	assert_int_equal(try_open(handle, NULL, O_RDWR), -ESTALE);
	assert_int_equal(native_truncate(handle, NULL, SIZE), -ESTALE);
	assert_false(exists(0));
	native_file_unref(handle);
}

static void test_sized_by_resizing(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0640);
	struct object_info info;
	struct shmid_ds ds;

	(void)state;
	assert_int_equal(native_resize(f, 5000), 0);
	ds = ds_of(sysv_id(0));
	assert_int_equal(ds.shm_segsz, 5000);
	assert_int_equal(ds.shm_perm.mode, 0640);
	assert_int_equal(ds.shm_cpid, getpid());
	assert_int_equal(ds.shm_nattch, 1);
	assert_int_equal(listed(name(0)), 1);
	assert_int_equal(look(name(0), &info), 0);
	assert_int_equal(info.stat.st_size, 5000);
	assert_int_equal(info.stat.st_ino, sysv_id(0));
	assert_int_equal(stat_of(f).st_ino, sysv_id(0));
	assert_int_equal(stat_of(f).st_size, 5000);
	/* From here on it is as any other. */
	assert_int_equal(native_resize(f, 5000), 0);
	assert_int_equal(native_resize(f, 5001), -EPERM);
	assert_int_equal(native_write(f, "ab", 2, 4999, false), 1);
	assert_int_equal(native_write(f, "b", 1, 5000, false), -ENOSPC);
	drop(0, f);
}

static void test_sized_by_writing(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	char buf[16];

	(void)state;
	assert_int_equal(native_flush(f, NULL), 0);
	assert_int_equal(native_write(f, "lo", 2, 6, false), 2);
	assert_int_equal(native_write(f, "hel", 3, 3, false), 3);
	assert_false(exists(0));
	assert_int_equal(stat_of(f).st_size, 8);
	assert_int_equal(stat_of(f).st_blocks, SIZE / 512);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 8);
	assert_memory_equal(buf, "\0\0\0hello", 8);
	assert_int_equal(native_flush(f, NULL), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, 8);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 8);
	assert_memory_equal(buf, "\0\0\0hello", 8);
	drop(0, f);
	f = pend(NULL, name(0), 0600);
	assert_int_equal(native_write(f, "hel", 3, 3, true), 3);
	assert_int_equal(native_write(f, "lo", 2, 7, true), 2);
	assert_int_equal(native_sync(f, false), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, 5);
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "hello", 5);
	drop(0, f);
}

/* Closed and written to again, as shells do, it goes on to be what was written. */
static void test_closed_and_written_again(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	struct native_file *other;
	unsigned char *attached;
	char buf[16];
	int first;

	(void)state;
	assert_int_equal(native_write(f, "hel", 3, 0, false), 3);
	assert_int_equal(native_flush(f, NULL), 0);
	first = sysv_id(0);
	assert_int_equal(native_chmod(f, NULL, 0640), 0);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(sysv_id(0), first);
	assert_int_equal(native_write(f, "lo", 2, 3, true), 2);
	assert_true(is_gone(first));
	assert_int_equal(look_errno(name(0)), 0);
	assert_int_equal(stat_of(f).st_size, 5);
	assert_int_equal(native_flush(f, NULL), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, 5);
	assert_int_equal(ds_of(sysv_id(0)).shm_perm.mode, 0640);
	assert_int_equal(stat_of(f).st_ino, sysv_id(0));
	assert_int_equal(native_read(f, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "xello", 5);
	/* What somebody else has stays what it is. */
	other = open_named(NULL, name(0), O_RDONLY);
	assert_int_equal(native_write(f, "ab", 2, 4, false), 1);
	native_file_unref(other);
	attached = attach(sysv_id(0));
	assert_int_equal(native_write(f, "b", 1, 5, false), -ENOSPC);
	assert_int_equal(shmdt(attached), 0);
	/* Another size is refused, and says nothing. */
	assert_int_equal(native_resize(f, 9), -EPERM);
	assert_int_equal(native_write(f, "b", 1, 5, false), 1);
	assert_int_equal(native_flush(f, NULL), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_perm.mode, 0640);
	/* Said once, the size is that. */
	assert_int_equal(native_resize(f, 6), 0);
	assert_int_equal(native_write(f, "b", 1, 6, false), -ENOSPC);
	drop(0, f);
}

static atomic_bool asked_enough;
static bool others; /* this process can be somebody else */

static void *ask(void *arg)
{
	struct native_file *handle = arg;
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct object_info info;

	while (!atomic_load(&asked_enough)) {
		native_stat(handle, &info);
		if (others)
			try_open(handle, &bob, O_RDWR);
	}
	return NULL;
}

/* Whoever asks what it is, or for what it may not have, does not have it. */
static void test_written_again_while_asked(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	struct native_file *handle = handle_of(name(0));
	pthread_t thread;

	(void)state;
	others = setgroups(0, NULL) == 0;
	assert_int_equal(pthread_create(&thread, NULL, ask, handle), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(native_write(f, "x", 1, i, false), 1);
		assert_int_equal(native_flush(f, NULL), 0);
	}
	atomic_store(&asked_enough, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	native_file_unref(handle);
	drop(0, f);
}

static void test_locked_and_written_again(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);

	(void)state;
	assert_int_equal(native_write(f, "hel", 3, 0, false), 3);
	assert_int_equal(native_flush(f, NULL), 0);
	need_backing(0, f);
	assert_int_equal(native_flock(f, LOCK_SH), 0);
	assert_int_equal(native_write(f, "lo", 2, 3, false), -ENOSPC);
	drop(0, f);
}

/* A size that is said cuts what was written, or adds zeros to it. */
static void test_written_and_sized(void **state)
{
	struct native_file *f;
	char buf[16];

	(void)state;
	for (size_t size = 3; size <= 12; size += 9) {
		f = pend(NULL, name(0), 0600);
		assert_int_equal(native_write(f, "hello", 5, 0, false), 5);
		assert_int_equal(native_resize(f, size), 0);
		assert_int_equal(ds_of(sysv_id(0)).shm_segsz, size);
		assert_int_equal(native_read(f, buf, sizeof(buf), 0), size);
		assert_memory_equal(buf, "hello\0\0\0\0\0\0\0", size);
		assert_int_equal(native_write(f, "!", 1, size, false), -ENOSPC);
		drop(0, f);
	}
	f = pend(NULL, name(0), 0600);
	assert_int_equal(native_write(f, "hello", 5, 0, false), 5);
	assert_int_equal(native_allocate(f, 0, 0, 2), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, 5);
	drop(0, f);
}

/* No size at all takes away what was written, as O_TRUNC does. */
static void test_written_and_emptied(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	char c;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(native_write(f, "hello", 5, 0, false), 5);
		if (i == 0)
			assert_int_equal(native_resize(f, 0), 0);
		if (i == 1)
			native_file_unref(open_named(NULL, name(0), O_RDWR | O_TRUNC));
		if (i == 2)
			break;
		assert_int_equal(stat_of(f).st_size, 0);
		assert_int_equal(stat_of(f).st_blocks, 0);
		assert_int_equal(native_read(f, &c, 1, 0), 0);
	}
	/* Closed without having been told of it, it is nothing. */
	native_file_unref(f);
	assert_false(exists(0));
	assert_int_equal(look_errno(name(0)), -ENOENT);
}

/* More than is moved at once, with holes, which cost nothing. */
static void test_written_much(void **state)
{
	const uint64_t places[] = { 0, 5 << 20, (16 << 20) - 2, 40 << 20 };
	struct native_file *f = pend(NULL, name(0), 0600);
	char buf[8];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(native_write(f, "hello", 5, places[i], false), 5);
	assert_int_equal(native_seek(f, SIZE, SEEK_DATA), 5 << 20);
	assert_int_equal(native_seek(f, 0, SEEK_HOLE), SIZE);
	assert_true(stat_of(f).st_blocks * 512 < 64 * SIZE);
	assert_int_equal(native_flush(f, NULL), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, (40 << 20) + 5);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(native_read(f, buf, sizeof(buf), places[i]),
				 i == 3 ? 5 : 8);
		assert_memory_equal(buf, "hello", 5);
	}
	assert_true(column(sysv_id(0), COLUMN_RSS) < 64 * SIZE);
	drop(0, f);
}

static void test_sized_by_allocating(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);

	(void)state;
	assert_int_equal(native_allocate(f, FALLOC_FL_KEEP_SIZE, 0, SIZE), -EOPNOTSUPP);
	assert_false(exists(0));
	assert_int_equal(native_allocate(f, 0, SIZE, 2 * SIZE), 0);
	assert_true(stat_of(f).st_blocks * 512 >= 2 * SIZE);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, 3 * SIZE);
	drop(0, f);
}

static void test_sized_by_its_name(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	struct native_file *handle = handle_of(name(0));

	(void)state;
	assert_int_equal(native_truncate(handle, NULL, 0), 0);
	assert_false(exists(0));
	assert_int_equal(native_truncate(handle, NULL, SIZE), 0);
	assert_int_equal(ds_of(sysv_id(0)).shm_segsz, SIZE);
	assert_int_equal(native_truncate(handle, NULL, SIZE + 1), -EPERM);
	native_file_unref(handle);
	drop(0, f);
}

/* All files that were opened on it are open on the segment when there is one. */
static void test_shared_before_it_is_there(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	struct native_file *handle = handle_of(name(0));
	struct native_file *other = open_named(NULL, name(0), O_RDWR);
	char c = 0;

	(void)state;
	/* The one that made it closes it first. */
	native_file_unref(f);
	assert_int_equal(look_errno(name(0)), 0);
	f = open_named(NULL, name(0), O_RDONLY);
	assert_int_equal(native_write(f, "x", 1, 0, false), -EBADF);
	assert_int_equal(native_resize(f, SIZE), -EINVAL);
	assert_int_equal(native_write(other, "x", 1, 9, false), 1);
	assert_int_equal(native_read(f, &c, 1, 9), 1);
	assert_int_equal(c, 'x');
	/* Who cannot have written says nothing by closing. */
	assert_int_equal(native_flush(f, NULL), 0);
	assert_false(exists(0));
	assert_int_equal(native_flush(other, NULL), 0);
	assert_int_equal(stat_of(handle).st_ino, sysv_id(0));
	assert_int_equal(ds_of(sysv_id(0)).shm_nattch, 1);
	native_file_unref(other);
	native_file_unref(f);
	/* With the last file it is detached, whoever still knows of it. */
	assert_int_equal(ds_of(sysv_id(0)).shm_nattch, 0);
	assert_int_equal(stat_of(handle).st_ino, sysv_id(0));
	assert_int_equal(try_open(handle, NULL, O_RDWR), 0);
	model->remove(0);
	assert_int_equal(native_access(handle, NULL, F_OK), -ESTALE);
	native_file_unref(handle);
}

/* Somebody else made one natively: that is the one the name leads to. */
static void test_overtaken(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);
	struct object_info info;

	(void)state;
	sysv_make(0, 2 * SIZE, 0644);
	assert_int_equal(native_resize(f, SIZE), -EEXIST);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(native_flush(f, NULL), -EEXIST);
	assert_int_equal(native_allocate(f, 0, 0, SIZE), -EEXIST);
	assert_int_equal(look(name(0), &info), 0);
	assert_int_equal(info.stat.st_size, 2 * SIZE);
	assert_int_equal(stat_of(f).st_size, 1);
	native_file_unref(f);
	assert_int_equal(look(name(0), &info), 0);
	model->remove(0);
}

static void test_removed_before_it_is_there(void **state)
{
	struct groups none = { .n = 0 };
	struct caller bob = user(1001, &none);
	struct native_file *f, *other;

	(void)state;
	need_root();
	f = pend(NULL, name(0), 0666);
	assert_int_equal(kind_remove(kind, &bob, name(0)), -EPERM);
	assert_int_equal(kind_remove(kind, NULL, name(0)), 0);
	assert_int_equal(kind_remove(kind, NULL, name(0)), -ENOENT);
	assert_int_equal(look_errno(name(0)), -ENOENT);
	other = create(0, 0600);
	assert_int_equal(native_resize(f, SIZE), -EIDRM);
	assert_int_equal(native_write(f, "x", 1, 0, false), -EIDRM);
	native_file_unref(f);
	drop(0, other);
}

/* It is the creator's, whoever gives it a size, with what was set before. */
static void test_made_as_the_creator(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct caller bob = user(1001, &none);
	struct native_file *f, *other = NULL;
	struct shmid_ds ds;

	(void)state;
	need_root();
	f = pend(&alice, name(0), 0600);
	assert_int_equal(try_open(f, &bob, O_RDWR), -EACCES);
	assert_int_equal(native_chmod(f, &bob, 0666), -EPERM);
	assert_int_equal(native_truncate(f, &bob, SIZE), -EACCES);
	assert_int_equal(native_chmod(f, &alice, 0666), 0);
	assert_int_equal(native_chown(f, &alice, (uid_t)-1, 50), 0);
	assert_int_equal(stat_of(f).st_mode, S_IFREG | 0666);
	assert_int_equal(native_open(f, &bob, O_RDWR, &other), 0);
	assert_int_equal(native_resize(other, SIZE), 0);
	ds = ds_of(sysv_id(0));
	assert_int_equal(ds.shm_perm.uid, 1000);
	assert_int_equal(ds.shm_perm.gid, 50);
	assert_int_equal(ds.shm_perm.cuid, 1000);
	assert_int_equal(ds.shm_perm.cgid, 1000);
	assert_int_equal(ds.shm_perm.mode, 0666);
	native_file_unref(other);
	drop(0, f);
}

/* A mode that lets the creator do nothing is one for those who come later. */
static void test_mode_that_refuses(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none);
	struct native_file *f;

	(void)state;
	need_root();
	f = create_named(&alice, name(0), 0, SIZE);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(try_open(f, &alice, O_RDONLY), unreadable());
	drop(0, f);
}

/* shmget(2) makes nothing without a size. */
static void test_needs_to_be_written(void **state)
{
	(void)state;
	assert_int_equal(try_create(NULL, name(0), O_RDONLY, 0600), -EINVAL);
	assert_int_equal(try_create(NULL, name(0), O_RDONLY | O_EXCL, 0600), -EINVAL);
	assert_int_equal(look_errno(name(0)), -ENOENT);
	native_file_unref(create(0, 0600));
	assert_int_equal(try_create(NULL, name(0), O_RDONLY, 0600), 0);
	drop(0, NULL);
}

/* The key 0 is no key: each time there is another segment, which has an identifier. */
static void test_key_of_none(void **state)
{
	static const char *const private = "0x00000000";
	struct native_file *f = pend(NULL, private, 0600);
	struct native_file *g = pend(NULL, private, 0640);
	struct object_info info;
	int id;

	(void)state;
	assert_int_equal(look_errno(private), -ENOENT);
	assert_int_not_equal(stat_of(f).st_ino, stat_of(g).st_ino);
	assert_int_equal(native_resize(f, SIZE), 0);
	assert_int_equal(native_write(g, "x", 1, SIZE, false), 1);
	assert_int_equal(native_flush(g, NULL), 0);
	id = (int)stat_of(f).st_ino;
	assert_int_equal(atoi(told(f, "shmid")), id);
	assert_string_equal(told(f, "key"), private);
	assert_int_equal(ds_of(id).shm_segsz, SIZE);
	assert_int_equal(ds_of(id).shm_perm.__key, IPC_PRIVATE);
	assert_int_equal(look_errno(private), -ENOENT);
	assert_int_equal(kind_remove(kind, NULL, private), -ENOENT);
	assert_int_equal(listed(private), 0);
	assert_int_equal(listed(id_name(id)), 1);
	assert_int_equal(look(id_name(id), &info), 0);
	assert_int_equal(info.stat.st_size, SIZE);
	drop_named(id_name(id), f);
	id = (int)stat_of(g).st_ino;
	assert_int_equal(ds_of(id).shm_segsz, SIZE + 1);
	assert_int_equal(ds_of(id).shm_perm.mode, 0640);
	drop_named(id_name(id), g);
}

/* What is told of it before it is there. */
static void test_told_while_pending(void **state)
{
	struct native_file *f = pend(NULL, name(0), 0600);

	(void)state;
	assert_int_equal(native_tell(f, "shmid", NULL, 0), -ENODATA);
	assert_string_equal(told(f, "key"), name(0));
	assert_string_equal(told(f, "nattch"), "0");
	assert_string_equal(told(f, "rss"), "0");
	assert_string_equal(told(f, "atime"), "0");
	assert_string_equal(told(f, "flags"), "");
	assert_int_equal(native_write(f, "x", 1, SIZE, false), 1);
	assert_int_equal(atoi(told(f, "rss")), SIZE);
	native_file_unref(f);
}

#define THREADS 3
#define ROUNDS  (fixture_valgrind() ? 50 : 1000)

/* 0, or where it went wrong. */
static int use_at_once(unsigned int i)
{
	_cleanup_native_ struct native_file *f = NULL;
	struct object_info info;
	int r = kind_create(kind, NULL, name(0), O_RDWR, 0600, &f, &info);

	if (r < 0)
		return __LINE__;
	r = i % 3 == 1 ? native_resize(f, SIZE) : 0;
	if (i % 3 == 2)
		r = (int)native_write(f, "x", 1, SIZE - 1, false);
	if (i % 3 == 2 && r == 1)
		r = native_flush(f, NULL);
	/* Others may have taken the name away, or made a segment with it since. */
	if (r == -EIDRM || r == -EEXIST)
		return 0;
	if (r < 0 || (i % 3 && native_write(f, "x", 1, SIZE - 1, false) != 1))
		return __LINE__;
	if (i % 4)
		return 0;
	r = kind_remove(kind, NULL, name(0));
	return r == 0 || r == -ENOENT ? 0 : __LINE__;
}

static void *work(void *context)
{
	intptr_t failed = 0;

	(void)context;
	for (int i = 0; i < ROUNDS && !failed; i++)
		failed = use_at_once((unsigned int)i);
	return (void *)failed;
}

/* Of many that make it, give it a size, and remove it, none is in the others' way. */
static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	void *failed;

	(void)state;
	name(0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_int_equal((intptr_t)failed, 0);
	}
	if (exists(0)) {
		assert_int_equal(ds_of(sysv_id(0)).shm_nattch, 0);
		model->remove(0);
	}
	assert_int_equal(look_errno(name(0)), -ENOENT);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_pending),
		kind_test(test_closed_without_a_size),
		kind_test(test_sized_by_resizing),
		kind_test(test_sized_by_writing),
		kind_test(test_sized_by_allocating),
		kind_test(test_closed_and_written_again),
		kind_test(test_locked_and_written_again),
		kind_test(test_written_again_while_asked),
		kind_test(test_written_and_sized),
		kind_test(test_written_and_emptied),
		kind_test(test_written_much),
		kind_test(test_sized_by_its_name),
		kind_test(test_shared_before_it_is_there),
		kind_test(test_overtaken),
		kind_test(test_removed_before_it_is_there),
		kind_test(test_made_as_the_creator),
		kind_test(test_mode_that_refuses),
		kind_test(test_needs_to_be_written),
		kind_test(test_key_of_none),
		kind_test(test_told_while_pending),
		kind_test(test_threads),
	};

	return kind_run("sysv-pending", tests, argc, argv);
}
