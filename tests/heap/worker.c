/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "heap/worker.h"

static struct worker_table *table_of(struct shmfs_heap *heap)
{
	return shmfs_heap_at(heap, *shmfs_heap_root(heap), sizeof(struct worker_table));
}

void worker_prepare(struct shmfs_heap *heap)
{
	struct worker_table *table;

	assert_int_equal(
		shmfs_heap_alloc(heap, sizeof(*table), 64, shmfs_heap_root(heap)), 0);
	table = table_of(heap);
	memset(table, 0, sizeof(*table));
	for (int i = 0; i < 16; i++)
		table->account[i] = WORKER_SUM / 16;
}

static unsigned int any(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

static uint64_t check_of(const struct worker_memory *m)
{
	return (m->size * 31 + m->place) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(struct worker_memory *m, uint64_t size, uint64_t place)
{
	m->size = size;
	m->place = place;
	m->check = check_of(m);
	memset(m->fill, (int)place, size - sizeof(*m));
}

static void alloc(struct shmfs_heap *heap, unsigned int *seed)
{
	uint64_t size =
		sizeof(struct worker_memory) + any(seed, any(seed, 8) ? 200 : 9000);
	unsigned int place = any(seed, WORKER_PLACES);
	shmfs_offset_t *at = &table_of(heap)->place[place];

	if (shmfs_heap_begin(heap) < 0)
		return;
	if (shmfs_heap_alloc(heap, size, (size_t)16 << any(seed, 4), at) == 0)
		fill(shmfs_heap_at(heap, *at, size), size, place);
	shmfs_heap_commit(heap);
}

static void release(struct shmfs_heap *heap, unsigned int *seed)
{
	shmfs_heap_free(heap, &table_of(heap)->place[any(seed, WORKER_PLACES)]);
}

/* Frees one and allocates another in its place, or changes its mind. */
static void replace(struct shmfs_heap *heap, unsigned int *seed)
{
	unsigned int place = any(seed, WORKER_PLACES);
	shmfs_offset_t *at = &table_of(heap)->place[place];
	uint64_t size = sizeof(struct worker_memory) + any(seed, 400);
	int r = shmfs_heap_begin(heap);

	if (r < 0)
		return;
	r = shmfs_heap_free(heap, at);
	if (r == 0)
		r = shmfs_heap_alloc(heap, size, 16, at);
	if (r == 0)
		fill(shmfs_heap_at(heap, *at, size), size, place);
	if (r < 0 || any(seed, 4) == 0)
		shmfs_heap_abort(heap);
	else
		shmfs_heap_commit(heap);
}

static void transfer(struct shmfs_heap *heap, unsigned int *seed)
{
	struct worker_table *t = table_of(heap);
	unsigned int from = any(seed, 16), to = any(seed, 16);

	if (shmfs_heap_begin(heap) < 0)
		return;
	if (shmfs_heap_log(heap, t->account, sizeof(t->account)) == 0) {
		t->account[from]--;
		t->account[to]++;
	}
	shmfs_heap_commit(heap);
}

static void name_of(unsigned int i, char name[16])
{
	snprintf(name, 16, "name-%u", i);
}

static void construct(struct shmfs_heap *heap, unsigned int *seed)
{
	unsigned int i = any(seed, WORKER_NAMES);
	unsigned char data[WORKER_NAMES + 1];
	char name[16];
	void *object;

	name_of(i, name);
	memset(data, (int)i, sizeof(data));
	shmfs_heap_construct(heap, name, i, i + 1, data, &object);
}

static void destroy(struct shmfs_heap *heap, unsigned int *seed)
{
	char name[16];

	name_of(any(seed, WORKER_NAMES), name);
	shmfs_heap_destroy(heap, name);
}

static void trim(struct shmfs_heap *heap, unsigned int *seed)
{
	if (any(seed, 8) == 0)
		shmfs_heap_trim(heap);
	else
		shmfs_heap_grow(heap, UINT64_C(65536) + any(seed, 65536));
}

void worker_step(struct shmfs_heap *heap, unsigned int which, unsigned int *seed)
{
	static void (*const steps[])(struct shmfs_heap *, unsigned int *) = {
		alloc, release, replace, transfer, construct, destroy, trim,
	};

	steps[which % (sizeof(steps) / sizeof(steps[0]))](heap, seed);
}

void worker_run(unsigned int seed)
{
	struct shmfs_heap *heap;
	int r = shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &heap);

	if (r < 0) {
		print_error("no heap: %s\n", strerror(-r));
		return;
	}
	for (;;)
		worker_step(heap, any(&seed, 1000), &seed);
}

/* Returns the blocks that the places lead to. */
static uint64_t verify_places(struct shmfs_heap *heap)
{
	const struct worker_table *t = table_of(heap);
	uint64_t n = 0;

	for (unsigned int i = 0; i < WORKER_PLACES; i++) {
		const struct worker_memory *m;

		if (!t->place[i])
			continue;
		m = shmfs_heap_at(heap, t->place[i], sizeof(*m));
		assert_non_null(m);
		assert_int_equal(m->place, i);
		assert_int_equal(m->check, check_of(m));
		for (uint64_t at = 0; at < m->size - sizeof(*m); at++)
			assert_int_equal(m->fill[at], i);
		n++;
	}
	return n;
}

struct names {
	struct shmfs_heap *heap;
	uint64_t n;
};

static int verify_name(const struct shmfs_heap_name *name, void *data)
{
	const unsigned char *p;
	struct names *names = data;
	void *object;

	assert_int_equal(name->size, name->type + 1);
	assert_int_equal(shmfs_heap_find(names->heap, name->name, name->type, name->size,
					 &object),
			 0);
	p = object;
	for (uint64_t i = 0; i < name->size; i++)
		assert_int_equal(p[i], name->type);
	names->n++;
	return 0;
}

/* The parts of a table for @names: 16 buckets, and as many as there are with each other
 * one. */
static uint64_t parts(uint64_t names)
{
	uint64_t n = 1;

	for (uint64_t buckets = 16; buckets < names; buckets *= 2)
		n++;
	return n;
}

void worker_verify(struct shmfs_heap *heap)
{
	const struct worker_table *t = table_of(heap);
	struct names names = { .heap = heap };
	struct shmfs_heap_info info;
	uint64_t sum = 0, blocks;

	assert_int_equal(shmfs_heap_begin(heap), 0);
	assert_in_order(heap);
	blocks = verify_places(heap);
	assert_int_equal(shmfs_heap_list(heap, verify_name, &names), 0);
	for (int i = 0; i < 16; i++)
		sum += t->account[i];
	assert_int_equal(sum, WORKER_SUM);
	shmfs_heap_info(heap, &info);
	assert_int_equal(info.names, names.n);
	/* Whatever is in use can be reached: nothing is lost. */
	assert_in_range(info.allocations, 1 + blocks + names.n,
			1 + blocks + names.n + parts(WORKER_NAMES));
	assert_int_equal(shmfs_heap_commit(heap), 0);
}
