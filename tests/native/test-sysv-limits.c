/* SPDX-License-Identifier: MIT */
/*
 * The limits of an IPC namespace as the kind "sysv" meets them, with as many segments as
 * there may be, and what is left of one in the end: nothing.
 */
#include <sys/sysinfo.h>

#include "kind-callers.h"
#include "sysv-fixture.h"

/* Some kernels leave them to root outside of all user namespaces. */
static void need_tunables(void)
{
	if (access("/proc/sys/kernel/shmmni", W_OK) < 0)
		skip();
}

static int try_make(int n, uint64_t size)
{
	_cleanup_native_ struct native_file *f = NULL;
	struct object_info info;
	int r;

	assert_int_equal(kind_create(kind, NULL, name(n), O_RDWR, 0600, &f, &info), 0);
	r = native_resize(f, size);
	if (r < 0) {
		/* Nothing is half done: it is pending as before. */
		assert_int_equal(stat_of(f).st_size, 0);
		assert_int_equal(look_errno(name(n)), 0);
		assert_true(shmget(sysv_key(n), 0, 0) < 0);
	}
	return r;
}

static void test_most_bytes(void **state)
{
	long long before;

	(void)state;
	need_tunables();
	before = tunable("shmmax");
	set_tunable("shmmax", 2 * SIZE);
	assert_int_equal(try_make(0, 2 * SIZE + 1), -EINVAL);
	assert_int_equal(try_make(0, INT64_MAX), -EINVAL);
	assert_int_equal(try_make(0, 2 * SIZE), 0);
	set_tunable("shmmax", before);
	drop(0, NULL);
}

static void test_most_pages(void **state)
{
	struct statvfs st;
	long long before;

	(void)state;
	need_tunables();
	before = tunable("shmall");
	set_tunable("shmall", 3);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_blocks, 3);
	assert_int_equal(st.f_bfree, 3);
	assert_int_equal(try_make(0, 2 * SIZE), 0);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_bfree, 1);
	assert_int_equal(try_make(1, 2 * SIZE), -ENOSPC);
	assert_int_equal(try_make(1, SIZE), 0);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_bfree, 0);
	/* It may be less than there is. */
	set_tunable("shmall", 1);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_blocks, 1);
	assert_int_equal(st.f_bfree, 0);
	set_tunable("shmall", before);
	drop(1, NULL);
	drop(0, NULL);
}

static void test_most_segments(void **state)
{
	struct native_file *f;
	struct object_info info;
	struct statvfs st;
	long long before;

	(void)state;
	need_tunables();
	before = tunable("shmmni");
	set_tunable("shmmni", 2);
	assert_int_equal(try_make(0, SIZE), 0);
	assert_int_equal(try_make(1, SIZE), 0);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_files, 2);
	assert_int_equal(st.f_ffree, 0);
	assert_int_equal(try_make(2, SIZE), -ENOSPC);
	/* The same after writing; and what was refused once may go another time. */
	assert_int_equal(kind_create(kind, NULL, name(2), O_RDWR, 0600, &f, &info), 0);
	assert_int_equal(native_write(f, "x", 1, 0, false), 1);
	assert_int_equal(native_flush(f, NULL), -ENOSPC);
	drop(1, NULL);
	assert_int_equal(native_flush(f, NULL), 0);
	assert_int_equal(ds_of(sysv_id(2)).shm_segsz, 1);
	set_tunable("shmmni", before);
	drop(2, f);
	drop(0, NULL);
}

static struct native_file *pend(const struct caller *c, int n)
{
	struct native_file *f = NULL;
	struct object_info info;

	assert_int_equal(kind_create(kind, c, name(n), O_RDWR, 0600, &f, &info), 0);
	return f;
}

/* What is collected is held against the limits of segments while it is. */
static void test_collecting(void **state)
{
	long long max, all;
	struct native_file *f, *g;

	(void)state;
	need_tunables();
	max = tunable("shmmax");
	all = tunable("shmall");
	f = pend(NULL, 0);
	g = pend(NULL, 1);
	set_tunable("shmmax", 2 * SIZE);
	assert_int_equal(native_write(f, "x", 1, 2 * SIZE, false), -EFBIG);
	assert_int_equal(native_write(f, "x", 1, 2 * SIZE - 1, false), 1);
	set_tunable("shmall", 3);
	assert_int_equal(native_write(g, "x", 1, SIZE, false), -ENOSPC);
	assert_int_equal(native_write(g, "x", 1, 0, false), 1);
	/* It is not all that was to be there, until that is given up. */
	assert_int_equal(native_flush(g, NULL), -ENOSPC);
	assert_int_equal(native_resize(g, 0), 0);
	assert_int_equal(native_write(g, "x", 1, 0, false), 1);
	assert_int_equal(native_flush(g, NULL), 0);
	/* What the other file has it has already. */
	assert_int_equal(native_write(f, "y", 1, 0, false), 1);
	assert_int_equal(native_resize(f, 0), 0);
	assert_int_equal(native_write(f, "x", 1, SIZE, false), 1);
	drop(1, g);
	set_tunable("shmmax", max);
	set_tunable("shmall", all);
	native_file_unref(f);
	assert_int_equal(look_errno(name(0)), -ENOENT);
}

/* Of the machine's memory each leaves as much as he has; with holes, as it costs less. */
static void test_shares(void **state)
{
	struct groups none = { .n = 0 };
	struct caller alice = user(1000, &none), bob = user(1001, &none);
	struct native_file *f, *g;
	struct sysinfo memory;
	uint64_t half;

	(void)state;
	need_root();
	assert_int_equal(sysinfo(&memory), 0);
	half = (uint64_t)(memory.totalram + memory.totalswap) * memory.mem_unit / 2;
	f = pend(&alice, 0);
	g = pend(&bob, 1);
	assert_int_equal(native_write(f, "x", 1, half, false), -ENOSPC);
	assert_int_equal(native_write(f, "x", 1, half / 10 * 9, false), 1);
	assert_int_equal(native_write(g, "x", 1, half / 10 * 9, false), -ENOSPC);
	assert_int_equal(native_write(g, "x", 1, half / 10 * 4, false), 1);
	native_file_unref(f);
	assert_int_equal(native_write(g, "x", 1, half / 10 * 9, false), 1);
	native_file_unref(g);
	f = pend(NULL, 0);
	assert_int_equal(native_write(f, "x", 1, half / 10 * 19, false), 1);
	assert_int_equal(native_write(f, "x", 1, half * 2 + SIZE, false), -ENOSPC);
	native_file_unref(f);
}

/* As many as a namespace has by default, half of them with a key. */
#define SEGMENTS 4096

static int seen[SEGMENTS]; /* how often, by the order in which they were made */
static int ids[SEGMENTS];

static int find_segment(const char *text)
{
	unsigned int key;
	int id;

	if (sscanf(text, "0x%8x", &key) == 1)
		return (int)key - 1;
	assert_int_equal(sscanf(text, "id-%d", &id), 1);
	for (int i = 0; i < SEGMENTS; i++)
		if (ids[i] == id)
			return i;
	return -1;
}

static void test_many(void **state)
{
	struct native_list *l;
	struct list_entry e = { .next = 0 };
	struct statvfs st;

	(void)state;
	for (int i = 0; i < SEGMENTS; i++) {
		ids[i] = shmget(i % 2 ? i + 1 : IPC_PRIVATE, 1, IPC_CREAT | 0600);
		assert_true(ids[i] >= 0);
	}
	assert_int_equal(kind_list_open(kind, NULL, &l), 0);
	while (kind_list_next(kind, l, e.next, &e) > 0) {
		int i = e.type == S_IFDIR ? -1 : find_segment(e.name);

		if (i >= 0)
			seen[i]++;
		else
			assert_int_equal(e.type, S_IFDIR);
	}
	kind_list_close(kind, l);
	assert_int_equal(kind_statfs(kind, &st), 0);
	assert_int_equal(st.f_files - st.f_ffree, SEGMENTS);
	for (int i = 0; i < SEGMENTS; i++) {
		assert_int_equal(seen[i], 1);
		discard(ids[i]);
	}
}

/*
 * What the machine has for shared memory, in MiB. (What is free is not told as exactly:
 * each processor keeps some of it to itself, which is not counted.)
 */
static long long shared_memory(void)
{
	long long kib = -1;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "Shmem: %lld", &kib);
	fclose(f);
	assert_true(kib >= 0);
	return kib >> 10;
}

#define MIB ((size_t)1 << 20)

/* A segment of 64 MiB that lives by its file alone. Returns what its end gives back. */
static long long given_back(void)
{
	struct native_file *f = create_named(NULL, name(0), 0600, 64 * MIB);
	int id = sysv_id(0);
	char *ones = malloc(MIB);
	long long before;

	assert_non_null(ones);
	memset(ones, 1, MIB);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(native_write(f, ones, MIB, i * MIB, false), MIB);
	free(ones);
	assert_int_equal(kind_remove(kind, NULL, name(0)), 0);
	assert_false(is_gone(id));
	assert_int_equal(column(id, COLUMN_RSS), 64 * MIB);
	assert_int_equal(stat_of(f).st_blocks, 64 * MIB / 512);
	before = shared_memory();
	native_file_unref(f);
	assert_true(is_gone(id));
	return before - shared_memory();
}

/* Others use memory, too, and may do so at the same time: it counts what is seen once. */
static void test_memory_comes_back(void **state)
{
	long long most = 0;

	(void)state;
	for (int i = 0; i < 10 && most < 48; i++) {
		long long back = given_back();

		if (back > most)
			most = back;
	}
	assert_true(most >= 48);
}

#define LARGE ((size_t)(UINT64_C(1) << 42))
#define FORTY 40 /* of them are more than a process has room for */

static struct native_file *open_large(int *ret_id)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct native_file *f = NULL;
	int id = shmget(IPC_PRIVATE, LARGE, IPC_CREAT | SHM_NORESERVE | 0600);

	assert_true(id >= 0);
	handle = handle_of(id_name(id));
	assert_int_equal(native_open(handle, NULL, O_RDWR, &f), 0);
	*ret_id = id;
	return f;
}

/* Nobody can fill our address space with segments that cost nothing. */
static void test_room(void **state)
{
	struct native_file *f[FORTY];
	int id[FORTY];
	char c = 0;

	(void)state;
	if (fixture_valgrind() || sizeof(void *) < 8)
		skip();
	for (int i = 0; i < FORTY; i++) {
		f[i] = open_large(&id[i]);
		assert_int_equal(ds_of(id[i]).shm_nattch, 1);
		assert_int_equal(native_write(f[i], "x", 2, LARGE - 1, false), 1);
	}
	for (int i = 0; i < FORTY; i++) {
		assert_int_equal(native_read(f[i], &c, 1, LARGE - 1), 1);
		assert_int_equal(c, 'x');
		native_file_unref(f[i]);
		assert_int_equal(ds_of(id[i]).shm_nattch, 0);
		assert_int_equal(shmctl(id[i], IPC_RMID, NULL), 0);
	}
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		kind_test(test_most_bytes),        kind_test(test_most_pages),
		kind_test(test_most_segments),     kind_test(test_many),
		kind_test(test_memory_comes_back), kind_test(test_room),
		kind_test(test_collecting),        kind_test(test_shares),
	};

	return kind_run("sysv-limits", tests, argc, argv);
}
