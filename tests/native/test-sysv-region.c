/* SPDX-License-Identifier: MIT */
/* Regions of System V segments: attachments that end when and where they have to. */
#include "attachment-fixture.h"

static void test_shared(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 5000);
	struct shmfs_region *rw = must_map(sysv, SHMFS_READ_WRITE);
	struct shmfs_region *ro = must_map(sysv, SHMFS_READ_ONLY);
	char *native = shmat(shmfs_sysv_id(sysv), NULL, 0);

	(void)state;
	assert_int_equal(sysv_nattch(sysv), 3);
	assert_int_equal(bytes_of(rw)[4999], 0);
	strcpy(bytes_of(rw), "hello");
	assert_string_equal(bytes_of(ro), "hello");
	assert_string_equal(native, "hello");
	strcpy(native + 4000, "hello yourself");
	assert_string_equal(bytes_of(rw) + 4000, "hello yourself");
	assert_int_equal(shmdt(native), 0);
	/* Neither the handle nor the key is needed any more. */
	sysv_drop(sysv);
	assert_int_equal(sysv_count(), 1);
	strcpy(bytes_of(rw), "still");
	assert_string_equal(bytes_of(ro), "still");
	assert_null(shmfs_region_unmap(rw));
	assert_string_equal(bytes_of(ro), "still");
	assert_null(shmfs_region_unmap(ro));
	assert_int_equal(sysv_count(), 0);
}

static int store(void *data)
{
	*(volatile char *)data = 'x';
	return 0;
}

static void test_protection(void **state)
{
	static struct shmfs_sysv *sysv;
	static struct shmfs_region *rw, *ro;

	(void)state;
	sysv = sysv_create(KEY, 100);
	rw = must_map(sysv, SHMFS_READ_WRITE);
	ro = must_map(sysv, SHMFS_READ_ONLY);
	assert_int_equal(fixture_child(store, bytes_of(ro)), -SIGSEGV);
	assert_int_equal(bytes_of(ro)[0], 0);
	assert_int_equal(fixture_child(store, bytes_of(rw)), 0);
	assert_int_equal(bytes_of(ro)[0], 'x');
	shmfs_region_unmap(rw);
	shmfs_region_unmap(ro);
	sysv_drop(sysv);
}

static void test_refusals(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 100);
	char *odd = (char *)(page * 1000000 + 1);

	(void)state;
	refused(-EINVAL, sysv, SHMFS_COPY_ON_WRITE, NULL, 0);
	refused(-EINVAL, sysv, SHMFS_READ_PRIVATE, NULL, 0);
	refused(-EINVAL, sysv, (enum shmfs_mode)4, NULL, 0);
	refused(-EINVAL, sysv, SHMFS_READ_WRITE, NULL, 2);
	refused(-EINVAL, sysv, SHMFS_READ_WRITE, NULL, SHMFS_REGION_FIXED);
	refused(-EINVAL, sysv, SHMFS_READ_WRITE, odd, SHMFS_REGION_FIXED);
	assert_int_equal(sysv_nattch(sysv), 0);
	assert_int_equal(sysv_stat(shmfs_sysv_id(sysv)).shm_atime, 0);
	assert_int_equal(shmfs_sysv_remove(shmfs_sysv_id(sysv)), 0);
	refused(-EINVAL, sysv, SHMFS_READ_WRITE, NULL, 0);
	refused(-EINVAL, sysv, SHMFS_READ_ONLY, odd - 1, SHMFS_REGION_FIXED);
	refused(-EINVAL, sysv, SHMFS_READ_ONLY, odd - 1, 0);
	shmfs_sysv_close(sysv);
}

/* An identifier that was used again is another segment, which the handle is not of. */
static void test_used_again(void **state)
{
	static const char path[] = "/proc/sys/kernel/shm_next_id";
	struct shmfs_sysv *old = sysv_create(KEY, 2 * page), *new;
	char before[64], id[64];

	(void)state;
	assert_int_equal(shmfs_sysv_remove(shmfs_sysv_id(old)), 0);
	snprintf(id, sizeof(id), "%d", shmfs_sysv_id(old));
	if (!sysv_tune(path, id, before)) {
		shmfs_sysv_close(old);
		print_message("%s cannot be written\n", path);
		skip();
	}
	new = sysv_create(KEY, page);
	assert_int_equal(shmfs_sysv_id(new), shmfs_sysv_id(old));
	refused(-EIDRM, old, SHMFS_READ_WRITE, NULL, 0);
	assert_int_equal(sysv_nattch(new), 0);
	shmfs_sysv_close(old);
	sysv_drop(new);
}

static void test_hint(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 2 * page);
	struct shmfs_region *there = must_map(sysv, SHMFS_READ_WRITE), *region;
	char *address = bytes_of(there);

	(void)state;
	/* Taken: elsewhere, and what is there stays. */
	strcpy(address, "unharmed");
	region = map_at(sysv, address, 0);
	assert_non_null(bytes_of(region));
	assert_ptr_not_equal(bytes_of(region), address);
	assert_string_equal(address, "unharmed");
	shmfs_region_unmap(region);
	shmfs_region_unmap(there);
	/* Free: there, or at least on that page. */
	region = map_at(sysv, address, 0);
	assert_ptr_equal(bytes_of(region), address);
	shmfs_region_unmap(region);
	region = map_at(sysv, address + 100, 0);
	assert_ptr_equal(bytes_of(region), address);
	shmfs_region_unmap(region);
	/* Impossible: a hint is only a hint. */
	region = map_at(sysv, (char *)1, 0);
	assert_non_null(bytes_of(region));
	shmfs_region_unmap(region);
	assert_int_equal(sysv_nattch(sysv), 0);
	sysv_drop(sysv);
}

static void test_fixed(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 3 * page);
	struct shmfs_region *there = must_map(sysv, SHMFS_READ_WRITE), *region;
	char *address = bytes_of(there);

	(void)state;
	strcpy(address, "unharmed");
	strcpy(address + 2 * page, "unharmed too");
	refused(-EEXIST, sysv, SHMFS_READ_WRITE, address, SHMFS_REGION_FIXED);
	/* One page of it is enough. */
	refused(-EEXIST, sysv, SHMFS_READ_WRITE, address + 2 * page, SHMFS_REGION_FIXED);
	refused(-EEXIST, sysv, SHMFS_READ_WRITE, address - 2 * page, SHMFS_REGION_FIXED);
	assert_string_equal(address, "unharmed");
	assert_string_equal(address + 2 * page, "unharmed too");
	assert_int_equal(sysv_nattch(sysv), 1);
	shmfs_region_unmap(there);
	region = map_at(sysv, address, SHMFS_REGION_FIXED);
	assert_ptr_equal(bytes_of(region), address);
	assert_string_equal(address, "unharmed");
	shmfs_region_unmap(region);
	sysv_drop(sysv);
}

/* Where no process has addresses. */
static void test_fixed_nowhere(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, page);
	char *beyond = (char *)(UINTPTR_MAX - UINTPTR_MAX % page - 16 * page);

	(void)state;
	/* Valgrind says of all that it does not give that it is taken. */
	refused(fixture_valgrind() ? -EEXIST : -ENOMEM, sysv, SHMFS_READ_WRITE, beyond,
		SHMFS_REGION_FIXED);
	shmfs_region_unmap(map_at(sysv, beyond, 0));
	sysv_drop(sysv);
}

/* A segment of 4 pages and a bit, which its region has been shrunk of to [begin, end). */
struct shrunk {
	struct shmfs_sysv *sysv;
	struct shmfs_region *region;
	char *origin;
};

static struct shrunk shrink(size_t front, size_t back)
{
	struct shrunk s = { .sysv = sysv_create(KEY, 4 * page + 10) };

	s.region = must_map(s.sysv, SHMFS_READ_WRITE);
	s.origin = bytes_of(s.region);
	if (front > 0)
		assert_int_equal(shmfs_region_shrink_front(s.region, front), 0);
	if (back > 0)
		assert_int_equal(shmfs_region_shrink_back(s.region, back), 0);
	return s;
}

static void detached(struct shrunk *s)
{
	size_t i;

	assert_int_equal(sysv_nattch(s->sysv), 0);
	for (i = 0; i < 5; i++)
		assert_false(is_mapped(s->origin + i * page));
	sysv_drop(s->sysv);
}

static void test_shrink(void **state)
{
	static const size_t halves[][2] = {
		{ 0, 0 }, { 0, 1 }, { 1, 0 }, { 2, 0 }, { 0, 2 }, { 3, 0 },
		{ 0, 3 }, { 2, 2 }, { 3, 3 }, { 4, 4 }, { 6, 1 }, { 1, 7 },
	};
	size_t i, front, back;
	struct shrunk s;

	(void)state;
	for (i = 0; i < sizeof(halves) / sizeof(*halves); i++) {
		front = halves[i][0] * page / 2;
		back = halves[i][1] * page / 2;
		s = shrink(front, back);
		assert_ptr_equal(bytes_of(s.region), s.origin + front);
		assert_int_equal(shmfs_region_size(s.region),
				 4 * page + 10 - front - back);
		assert_int_equal(is_mapped(s.origin), front < page);
		assert_int_equal(is_mapped(s.origin + 4 * page), back < 10);
		bytes_of(s.region)[shmfs_region_size(s.region) - 1] = 'x';
		assert_int_equal(sysv_nattch(s.sysv), 1);
		shmfs_region_unmap(s.region);
		detached(&s);
	}
}

static void test_shrink_to_nothing(void **state)
{
	struct shrunk s;

	(void)state;
	s = shrink(4 * page + 10, 0);
	detached(&s);
	assert_null(shmfs_region_address(s.region));
	shmfs_region_unmap(s.region);
	s = shrink(0, 4 * page + 10);
	detached(&s);
	shmfs_region_unmap(s.region);
	s = shrink(2 * page, 2 * page + 10);
	detached(&s);
	assert_int_equal(shmfs_region_shrink_back(s.region, 0), -EINVAL);
	assert_int_equal(shmfs_region_flush(s.region, 0, 0, SHMFS_FLUSH_SYNC), -EINVAL);
	assert_int_equal(shmfs_region_advise(s.region, SHMFS_ADVICE_NORMAL), -EINVAL);
	shmfs_region_unmap(s.region);
}

/* What was given back is others' to attach to, and stays when the rest goes. */
static void test_shrunk_forgets(void **state)
{
	struct shmfs_sysv *other = sysv_create(KEY + 1, page);
	struct shrunk s = shrink(page, page + 10);
	struct shmfs_region *front, *back;

	(void)state;
	front = map_at(other, s.origin, SHMFS_REGION_FIXED);
	back = map_at(other, s.origin + 3 * page, SHMFS_REGION_FIXED);
	assert_int_equal(sysv_nattch(other), 2);
	shmfs_region_unmap(s.region);
	assert_int_equal(sysv_nattch(s.sysv), 0);
	assert_int_equal(sysv_nattch(other), 2);
	strcpy(bytes_of(front), "here");
	assert_string_equal(bytes_of(back), "here");
	shmfs_region_unmap(front);
	shmfs_region_unmap(back);
	sysv_drop(other);
	detached(&s);
}

/* Also the same segment again, as a whole, right where its front was. */
static void test_shrunk_and_attached_again(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, page);
	struct shmfs_region *first = must_map(sysv, SHMFS_READ_WRITE), *second;
	char *address = bytes_of(first);

	(void)state;
	assert_int_equal(shmfs_region_shrink_front(first, page), 0);
	second = map_at(sysv, address, SHMFS_REGION_FIXED);
	shmfs_region_unmap(first);
	assert_int_equal(sysv_nattch(sysv), 1);
	strcpy(address, "here");
	shmfs_region_unmap(second);
	assert_int_equal(sysv_nattch(sysv), 0);
	sysv_drop(sysv);
}

static void test_use(void **state)
{
	struct shmfs_sysv *sysv = sysv_create(KEY, 3 * page);
	struct shmfs_region *rw = must_map(sysv, SHMFS_READ_WRITE);
	struct shmfs_region *ro = must_map(sysv, SHMFS_READ_ONLY);
	int advice;

	(void)state;
	strcpy(bytes_of(rw) + 100, "kept");
	for (advice = SHMFS_ADVICE_NORMAL; advice <= SHMFS_ADVICE_DONTNEED; advice++) {
		assert_int_equal(shmfs_region_advise(rw, (enum shmfs_advice)advice), 0);
		assert_int_equal(shmfs_region_advise(ro, (enum shmfs_advice)advice), 0);
	}
	assert_string_equal(bytes_of(rw) + 100, "kept");
	assert_string_equal(bytes_of(ro) + 100, "kept");
	assert_int_equal(shmfs_region_flush(rw, 0, 0, SHMFS_FLUSH_SYNC), 0);
	assert_int_equal(shmfs_region_flush(rw, 100, 1, SHMFS_FLUSH_ASYNC), 0);
	assert_int_equal(shmfs_region_flush(rw, 0, 3 * page + 1, SHMFS_FLUSH_SYNC),
			 -EINVAL);
	assert_int_equal(shmfs_region_page_size(rw), page);
	shmfs_region_unmap(rw);
	shmfs_region_unmap(ro);
	sysv_drop(sysv);
}

struct forked {
	struct shmfs_sysv *sysv;
	struct shmfs_region *region;
};

static int in_child(void *data)
{
	struct forked *f = data;

	assert_int_equal(sysv_nattch(f->sysv), 2);
	strcpy(bytes_of(f->region), "from the child");
	assert_int_equal(shmfs_region_shrink_front(f->region, page), 0);
	assert_int_equal(sysv_nattch(f->sysv), 2);
	shmfs_region_unmap(f->region);
	assert_int_equal(sysv_nattch(f->sysv), 1);
	return 0;
}

static int leave_mapped(void *data)
{
	struct forked *f = data;

	bytes_of(f->region)[0]++;
	return sysv_nattch(f->sysv);
}

/* The child has the region too, and what it does with it is its own affair. */
static void test_fork(void **state)
{
	static struct forked f;

	(void)state;
	f.sysv = sysv_create(KEY, 2 * page);
	f.region = must_map(f.sysv, SHMFS_READ_WRITE);
	assert_int_equal(fixture_child(in_child, &f), 0);
	assert_string_equal(bytes_of(f.region), "from the child");
	assert_int_equal(fixture_child(leave_mapped, &f), 2);
	assert_int_equal(bytes_of(f.region)[0], 'g');
	assert_int_equal(sysv_nattch(f.sysv), 1);
	shmfs_region_unmap(f.region);
	assert_int_equal(sysv_nattch(f.sysv), 0);
	sysv_drop(f.sysv);
}

/* kernel.shm_rmid_forced: what nobody has attached goes. To look for a place is no end.
 */
static void test_forced(void **state)
{
	static const char path[] = "/proc/sys/kernel/shm_rmid_forced";
	struct shmfs_sysv *sysv = sysv_create(KEY, page);
	struct shmfs_region *taken, *region;
	char before[64];

	(void)state;
	if (!sysv_tune(path, "1", before)) {
		sysv_drop(sysv);
		print_message("%s cannot be written\n", path);
		skip();
	}
	assert_int_equal(shmfs_region_map_anonymous(page, NULL, 0, &taken), 0);
	refused(-EEXIST, sysv, SHMFS_READ_WRITE, bytes_of(taken), SHMFS_REGION_FIXED);
	assert_int_equal(sysv_nattch(sysv), 0);
	region = map_at(sysv, bytes_of(taken), 0);
	shmfs_region_unmap(taken);
	assert_int_equal(sysv_count(), 1);
	shmfs_region_unmap(region);
	assert_int_equal(sysv_count(), 0);
	shmfs_sysv_close(sysv);
	sysv_untune(path, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sysv_test(test_shared),
		sysv_test(test_protection),
		sysv_test(test_refusals),
		sysv_test(test_used_again),
		sysv_test(test_hint),
		sysv_test(test_fixed),
		sysv_test(test_fixed_nowhere),
		sysv_test(test_shrink),
		sysv_test(test_shrink_to_nothing),
		sysv_test(test_shrunk_forgets),
		sysv_test(test_shrunk_and_attached_again),
		sysv_test(test_use),
		sysv_test(test_fork),
		sysv_test(test_forced),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	sandbox_enter();
	return cmocka_run_group_tests_name("sysv-region", tests, NULL, NULL) != 0;
}
