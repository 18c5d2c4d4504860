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

static unsigned int any(struct worker *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

static uint64_t any_size(struct worker *w)
{
	return sizeof(struct worker_memory) + any(w, any(w, 8) ? 200 : 9000);
}

/* What a worker finds broken ends it, which whoever kills it notices. */
static void must(bool holds, const char *what)
{
	if (holds)
		return;
	print_error("a worker found %s\n", what);
	_exit(1);
}

static uint64_t check_of(const struct worker_memory *m)
{
	return (m->size * 31 + m->place) * UINT64_C(0x9e3779b97f4a7c15);
}

static void tell(struct worker_memory *m, uint64_t size, uint64_t place)
{
	m->size = size;
	m->place = place;
	m->check = check_of(m);
}

static void fill(struct worker_memory *m, uint64_t size, uint64_t place)
{
	tell(m, size, place);
	memset(m->fill, (int)place, (size_t)(size - sizeof(*m)));
}

static void allocate(struct worker *w, unsigned int place)
{
	shmfs_offset_t *at = &table_of(w->heap)->place[place];
	uint64_t size = any_size(w);

	if (shmfs_heap_begin(w->heap) < 0)
		return;
	if (shmfs_heap_alloc(w->heap, size, (size_t)16 << any(w, 4), at) == 0)
		fill(shmfs_heap_at(w->heap, *at, size), size, place);
	shmfs_heap_commit(w->heap);
}

static void alloc(struct worker *w)
{
	allocate(w, any(w, WORKER_PLACES));
}

static void release(struct worker *w)
{
	shmfs_heap_free(w->heap, &table_of(w->heap)->place[any(w, WORKER_PLACES)]);
}

/* Ends a transaction of which everything went well, or else @r: or changes its mind. */
static void end(struct worker *w, int r)
{
	if (r < 0 || any(w, 4) == 0)
		shmfs_heap_abort(w->heap);
	else
		shmfs_heap_commit(w->heap);
}

/* Frees one and allocates another in its place. */
static void replace(struct worker *w)
{
	unsigned int place = any(w, WORKER_PLACES);
	shmfs_offset_t *at = &table_of(w->heap)->place[place];
	uint64_t size = sizeof(struct worker_memory) + any(w, 400);
	int r = shmfs_heap_begin(w->heap);

	if (r < 0)
		return;
	r = shmfs_heap_free(w->heap, at);
	if (r == 0)
		r = shmfs_heap_alloc(w->heap, size, 16, at);
	if (r == 0)
		fill(shmfs_heap_at(w->heap, *at, size), size, place);
	end(w, r);
}

static void enlarge_at(struct worker *w, unsigned int place)
{
	shmfs_offset_t *at = &table_of(w->heap)->place[place];
	struct worker_memory *m;
	int r = shmfs_heap_begin(w->heap);

	if (r < 0)
		return;
	m = shmfs_heap_at(w->heap, *at, sizeof(*m));
	r = m ? shmfs_heap_log(w->heap, m, sizeof(*m)) : -ENOENT;
	if (r == 0) {
		uint64_t size = m->size + any(w, 200);

		r = shmfs_heap_resize(w->heap, *at, size);
		/* What is added belonged to nobody. */
		if (r == 0)
			fill(m, size, place);
	}
	end(w, r);
}

static void enlarge(struct worker *w)
{
	enlarge_at(w, any(w, WORKER_PLACES));
}

/*
 * Memory becomes smaller outside of transactions only, and nobody else may free it
 * meanwhile. So this is done to the worker's own. It never says that it has more than
 * there is.
 */
static void reduce(struct worker *w)
{
	unsigned int place = WORKER_PLACES + w->who;
	shmfs_offset_t *at = &table_of(w->heap)->place[place];
	struct worker_memory *m = shmfs_heap_at(w->heap, *at, sizeof(*m));
	uint64_t size = any_size(w);

	if (!m) {
		allocate(w, place);
	} else if (size >= m->size) {
		enlarge_at(w, place);
	} else if (shmfs_heap_begin(w->heap) == 0) {
		if (shmfs_heap_log(w->heap, m, sizeof(*m)) == 0)
			tell(m, size, place);
		shmfs_heap_commit(w->heap);
		if (any(w, 4))
			shmfs_heap_resize(w->heap, *at, m->size);
		else
			shmfs_heap_free(w->heap, at);
	}
}

static void transfer(struct worker *w)
{
	struct worker_table *t = table_of(w->heap);
	unsigned int from = any(w, 16), to = any(w, 16);

	if (shmfs_heap_begin(w->heap) < 0)
		return;
	if (shmfs_heap_log(w->heap, t->account, sizeof(t->account)) == 0) {
		t->account[from]--;
		t->account[to]++;
	}
	shmfs_heap_commit(w->heap);
}

static void name_of(unsigned int i, char name[16])
{
	snprintf(name, 16, "name-%u", i);
}

static void construct(struct worker *w)
{
	unsigned int i = any(w, WORKER_NAMES);
	unsigned char data[WORKER_NAMES + 1];
	char name[16];
	void *object;

	name_of(i, name);
	memset(data, (int)i, sizeof(data));
	shmfs_heap_construct(w->heap, name, i, i + 1, data, &object);
}

static void destroy(struct worker *w)
{
	char name[16];

	name_of(any(w, WORKER_NAMES), name);
	shmfs_heap_destroy(w->heap, name);
}

static bool is_filled(const unsigned char *object, uint64_t type)
{
	for (uint64_t i = 0; i <= type; i++)
		if (object[i] != type)
			return false;
	return true;
}

/* Without the lock, whether there is a name; and with it, what has the name. */
static void find(struct worker *w)
{
	unsigned int i = any(w, WORKER_NAMES);
	char name[16];
	void *object;
	int r;

	name_of(i, name);
	r = shmfs_heap_find(w->heap, name, i, i + 1, &object);
	must(r == 0 || r == -ENOENT, "a name that is something else");
	if (shmfs_heap_begin(w->heap) < 0)
		return;
	r = shmfs_heap_find(w->heap, name, i, i + 1, &object);
	must(r == -ENOENT || (r == 0 && is_filled(object, i)), "half an object");
	shmfs_heap_commit(w->heap);
}

static void trim(struct worker *w)
{
	if (any(w, 8) == 0)
		shmfs_heap_trim(w->heap);
	else
		shmfs_heap_grow(w->heap, UINT64_C(65536) + any(w, 65536));
}

void worker_step(struct worker *w, unsigned int which)
{
	static void (*const steps[WORKER_STEPS])(struct worker *) = {
		alloc,    release,   replace, enlarge, reduce,
		transfer, construct, destroy, find,    trim,
	};

	steps[which % WORKER_STEPS](w);
}

void worker_run(unsigned int who, unsigned int seed)
{
	struct worker w = { .who = who, .seed = seed };
	int r = shmfs_heap_open(HEAP, SHMFS_OPEN_ONLY, NULL, &w.heap);

	if (r < 0) {
		print_error("no heap: %s\n", strerror(-r));
		return;
	}
	for (;;)
		worker_step(&w, any(&w, 1000));
}

/* Returns the blocks that the places lead to. */
static uint64_t verify_places(struct shmfs_heap *heap)
{
	const struct worker_table *t = table_of(heap);
	uint64_t n = 0, room;

	for (unsigned int i = 0; i < WORKER_PLACES + WORKER_MOST; i++) {
		const struct worker_memory *m;

		if (!t->place[i])
			continue;
		m = shmfs_heap_at(heap, t->place[i], sizeof(*m));
		assert_non_null(m);
		assert_int_equal(m->place, i);
		assert_int_equal(m->check, check_of(m));
		assert_int_equal(shmfs_heap_size_of(heap, t->place[i], &room), 0);
		assert_true(m->size <= room);
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
	struct names *names = data;
	void *object;

	names->n++;
	if (strncmp(name->name, "name-", 5) != 0)
		return 0;
	assert_int_equal(name->size, name->type + 1);
	assert_int_equal(shmfs_heap_find(names->heap, name->name, name->type, name->size,
					 &object),
			 0);
	assert_true(is_filled(object, name->type));
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
