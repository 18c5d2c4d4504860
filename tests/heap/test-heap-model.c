/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a heap and on a model of it in private memory. The contents of
 * every block and of every named object are told by its place in the model, so that two
 * that overlap, or one that moves, are found.
 */
#include <errno.h>

#include "heap/fixture.h"

#define PLACES 512
#define NAMES  PLACES
#define STEPS  40000

struct place {
	uint64_t size; /* 0: none */
	unsigned char fill;
};

struct model {
	struct shmfs_heap *heap;
	shmfs_offset_t *places; /* in the heap */
	struct place place[PLACES];
	struct place name[NAMES];
	uint64_t names;
	bool in_transaction;
	struct model *before; /* as it was when the transaction began */
	unsigned int seed;
};

static unsigned int any(struct model *m, unsigned int n)
{
	return (unsigned int)rand_r(&m->seed) % n;
}

static uint64_t any_size(struct model *m)
{
	return any(m, 8) ? 1 + any(m, 600) : 1 + any(m, 40000);
}

static bool is_filled(const unsigned char *p, const struct place *place)
{
	for (uint64_t i = 0; i < place->size; i++)
		if (p[i] != place->fill)
			return false;
	return true;
}

/* Whether the transaction has no room left for what was asked. */
static bool is_too_much(const struct model *m, int r)
{
	return r == -E2BIG && m->in_transaction;
}

static void do_alloc(struct model *m, unsigned int i)
{
	struct place *p = &m->place[i];
	size_t align = (size_t)1 << any(m, 13);
	uint64_t size = any_size(m), room;
	unsigned char *memory;
	int r = shmfs_heap_alloc(m->heap, size, align, &m->places[i]);

	if (is_too_much(m, r))
		return;
	if (p->size) {
		assert_int_equal(r, -EEXIST);
		return;
	}
	if (r == -ENOSPC) {
		assert_int_equal(m->places[i], 0);
		return;
	}
	assert_int_equal(r, 0);
	memory = shmfs_heap_at(m->heap, m->places[i], size);
	assert_non_null(memory);
	assert_int_equal((uintptr_t)memory % align, 0);
	assert_int_equal(shmfs_heap_size_of(m->heap, m->places[i], &room), 0);
	assert_true(room >= size);
	assert_int_equal(shmfs_heap_offset(m->heap, memory), m->places[i]);
	*p = (struct place){ size, (unsigned char)any(m, 256) };
	memset(memory, p->fill, (size_t)size);
}

static void check_place(struct model *m, unsigned int i)
{
	const struct place *p = &m->place[i];

	assert_int_equal(m->places[i] != 0, p->size != 0);
	if (p->size)
		assert_true(is_filled(shmfs_heap_at(m->heap, m->places[i], p->size), p));
}

static void do_free(struct model *m, unsigned int i)
{
	int r;

	check_place(m, i);
	r = shmfs_heap_free(m->heap, &m->places[i]);
	if (is_too_much(m, r))
		return;
	assert_int_equal(r, 0);
	m->place[i].size = 0;
}

static void do_resize(struct model *m, unsigned int i)
{
	struct place *p = &m->place[i];
	uint64_t size = any_size(m);
	unsigned char *memory;
	int r;

	/* The contents that grow are not in the log. */
	if (!p->size || m->in_transaction)
		return;
	r = shmfs_heap_resize(m->heap, m->places[i], size);
	if (r == -ENOSPC)
		return;
	assert_int_equal(r, 0);
	memory = shmfs_heap_at(m->heap, m->places[i], size);
	for (uint64_t at = 0; at < size && at < p->size; at++)
		assert_int_equal(memory[at], p->fill);
	p->size = size;
	memset(memory, p->fill, (size_t)size);
}

static char *name_of(unsigned int i)
{
	static char name[32];

	snprintf(name, sizeof(name), "name-%u", i);
	return name;
}

static void do_construct(struct model *m, unsigned int i)
{
	struct place new = { 1 + any(m, 300), (unsigned char)any(m, 256) };
	unsigned char data[300];
	void *object;
	int r;

	memset(data, new.fill, sizeof(data));
	r = shmfs_heap_construct(m->heap, name_of(i), i, new.size, data, &object);
	if (is_too_much(m, r))
		return;
	if (m->name[i].size) {
		assert_int_equal(r, -EEXIST);
		return;
	}
	if (r == -ENOSPC)
		return;
	assert_int_equal(r, 0);
	m->name[i] = new;
	m->names++;
}

static void check_name(struct model *m, unsigned int i)
{
	const struct place *p = &m->name[i];
	void *object;
	int r = shmfs_heap_find(m->heap, name_of(i), i, p->size, &object);

	assert_int_equal(r, p->size ? 0 : -ENOENT);
	if (!p->size)
		return;
	assert_true(is_filled(object, p));
	assert_int_equal(shmfs_heap_find(m->heap, name_of(i), i + 1, 0, &object),
			 -EPROTOTYPE);
	assert_int_equal(shmfs_heap_find(m->heap, name_of(i), i, p->size + 1, &object),
			 -EMSGSIZE);
}

static void do_destroy(struct model *m, unsigned int i)
{
	int r;

	check_name(m, i);
	r = shmfs_heap_destroy(m->heap, name_of(i));
	if (is_too_much(m, r))
		return;
	assert_int_equal(r, m->name[i].size ? 0 : -ENOENT);
	m->names -= m->name[i].size != 0;
	m->name[i].size = 0;
}

static void do_begin(struct model *m)
{
	if (m->in_transaction)
		return;
	assert_int_equal(shmfs_heap_begin(m->heap), 0);
	*m->before = *m;
	m->in_transaction = true;
}

static void do_end(struct model *m)
{
	unsigned int seed = m->seed;

	if (!m->in_transaction)
		return;
	if (any(m, 2)) {
		assert_int_equal(shmfs_heap_commit(m->heap), 0);
		m->in_transaction = false;
	} else {
		assert_int_equal(shmfs_heap_abort(m->heap), 0);
		*m = *m->before;
		m->seed = seed + 1;
	}
}

static int count_name(const struct shmfs_heap_name *name, void *data)
{
	struct model *m = data;
	unsigned int i = (unsigned int)name->type;

	assert_string_equal(name->name, name_of(i));
	assert_int_equal(name->size, m->name[i].size);
	m->names--;
	return 0;
}

static void check_all(struct model *m)
{
	uint64_t names = m->names;

	assert_in_order(m->heap);
	for (unsigned int i = 0; i < PLACES; i++)
		check_place(m, i);
	for (unsigned int i = 0; i < NAMES; i++)
		check_name(m, i);
	assert_int_equal(shmfs_heap_list(m->heap, count_name, m), 0);
	assert_int_equal(m->names, 0);
	m->names = names;
}

static void step(struct model *m)
{
	static void (*const operations[])(struct model *, unsigned int) = {
		do_alloc, do_alloc,  do_alloc,     do_alloc,     do_free,
		do_free,  do_resize, do_construct, do_construct, do_destroy,
	};
	unsigned int which = any(m, 12);

	if (which < 10)
		operations[which](m, any(m, PLACES));
	else if (which == 10)
		do_begin(m);
	else
		do_end(m);
}

static void run(uint64_t limit, unsigned int seed)
{
	struct model before, m = {
		.heap = fixture_heap(0, limit),
		.before = &before,
		.seed = seed,
	};
	uint64_t size = PLACES * sizeof(shmfs_offset_t);

	assert_int_equal(shmfs_heap_alloc(m.heap, size, 64, shmfs_heap_root(m.heap)), 0);
	m.places = shmfs_heap_at(m.heap, *shmfs_heap_root(m.heap), size);
	memset(m.places, 0, (size_t)size);
	for (int i = 0; i < STEPS; i++) {
		step(&m);
		if (i % 1000 == 0)
			check_all(&m);
		if (i % 5000 == 4999 && !m.in_transaction)
			assert_int_equal(shmfs_heap_trim(m.heap), 0);
	}
	m.seed &= ~1u;
	while (m.in_transaction)
		do_end(&m);
	check_all(&m);
	for (unsigned int i = 0; i < PLACES; i++)
		do_free(&m, i);
	for (unsigned int i = 0; i < NAMES; i++)
		do_destroy(&m, i);
	fixture_heap_end(m.heap);
}

static void test_growing(void **state)
{
	(void)state;
	run(UINT64_C(64) << 20, 1);
}

/* Most of the time there is no memory. */
static void test_full(void **state)
{
	(void)state;
	run(UINT64_C(1) << 20, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_growing),
		fixture_test(test_full),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("heap-model", tests, NULL, NULL) != 0;
}
