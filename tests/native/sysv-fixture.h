/* SPDX-License-Identifier: MIT */
#pragma once
/* Segments made and looked at natively, for what the kind "sysv" alone does. */
#include <sys/ipc.h>
#include <sys/shm.h>

#include "kind-fixture.h"

/* What has no key is called by its identifier; the last few names stay valid. */
static inline const char *id_name(int id)
{
	static char names[4][MODEL_NAME];
	static unsigned int at;
	char *text = names[at++ % 4];

	snprintf(text, MODEL_NAME, "id-%d", id);
	return text;
}

/* A new segment, of its own or with the nth key. */
static inline int make_private(size_t size, mode_t mode)
{
	int id = shmget(IPC_PRIVATE, size, (int)mode);

	assert_true(id >= 0);
	return id;
}

static inline int make(int n, size_t size, mode_t mode)
{
	sysv_make(n, size, mode);
	return sysv_id(n);
}

static inline unsigned char *attach(int id)
{
	void *p = shmat(id, NULL, 0);

	assert_true((intptr_t)p != -1);
	return p;
}

static inline void discard(int id)
{
	assert_int_equal(shmctl(id, IPC_RMID, NULL), 0);
}

/* Looking at a segment changes nothing of it. */
static inline struct shmid_ds ds_of(int id)
{
	struct shmid_ds ds;

	memset(&ds, 0, sizeof(ds));
	assert_int_equal(shmctl(id, IPC_STAT, &ds), 0);
	return ds;
}

/* All of it, but what lies between the members. */
static inline void expect_same_ds(const struct shmid_ds *found,
				  const struct shmid_ds *expected)
{
	const struct ipc_perm *a = &found->shm_perm, *b = &expected->shm_perm;

	assert_int_equal(a->__key, b->__key);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(found->shm_segsz, expected->shm_segsz);
	assert_int_equal(found->shm_atime, expected->shm_atime);
	assert_int_equal(found->shm_dtime, expected->shm_dtime);
	assert_int_equal(found->shm_ctime, expected->shm_ctime);
	assert_int_equal(found->shm_lpid, expected->shm_lpid);
	assert_int_equal(found->shm_nattch, expected->shm_nattch);
}

static inline bool is_gone(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) < 0;
}

/* A file of what is called @text, opened with @flags as @c. */
static inline struct native_file *open_named(const struct caller *c, const char *text,
					     int flags)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = NULL;
	struct object_info info;

	assert_int_equal(kind_lookup(kind, NULL, text, &handle, &info), 0);
	assert_int_equal(native_open(handle, c, flags, &f), 0);
	return f;
}

static inline struct native_file *handle_of(const char *text)
{
	struct native_file *handle = NULL;
	struct object_info info;

	assert_int_equal(kind_lookup(kind, NULL, text, &handle, &info), 0);
	return handle;
}

/* How often @text is listed. */
static inline int listed(const char *text)
{
	struct native_list *l;
	struct list_entry e = { .next = 0 };
	int n = 0;

	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	while (kind_list_next(kind, l, e.next, &e) > 0)
		n += strcmp(e.name, text) == 0;
	kind_list_close(kind, l);
	return n;
}

/* What is told about @f as @what, valid until the next call. */
static inline const char *told(struct native_file *f, const char *what)
{
	static char text[64];
	ssize_t n = native_tell(f, what, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* The column that is the nth from the left, 0 the first, of segment @id. */
static inline long long column(int id, int n)
{
	FILE *f = fopen("/proc/sysvipc/shm", "re");
	long long value[16];
	bool found = false;
	char line[512];

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f)) {
		char *at = line;

		for (int i = 0; i < 16; i++)
			value[i] = strtoll(at, &at, i == 2 ? 8 : 10);
		found = value[1] == id;
	}
	fclose(f);
	assert_true(found);
	return value[n];
}
#define COLUMN_RSS  14
#define COLUMN_SWAP 15

/* A kernel tunable, of the IPC namespace of this process. */
static inline long long tunable(const char *what)
{
	char path[64];
	long long value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", what);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lld", &value), 1);
	fclose(f);
	return value;
}

static inline void set_tunable(const char *what, long long value)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", what);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "%llu", (unsigned long long)value);
	assert_int_equal(fclose(f), 0);
}
