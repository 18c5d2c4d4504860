/* SPDX-License-Identifier: MIT */
/* Relative pointers lead to the same place wherever memory is mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <shmfs/pointer.h>

#define SIZE 4096

struct node {
	int value;
	SHMFS_POINTER(struct node) next;
};

/* The same memory twice. */
struct twice {
	struct node *here, *there;
};

static int setup(void **state)
{
	static struct twice t;
	int fd = memfd_create("pointer", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, SIZE), 0);
	t.here = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	t.there = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(t.here, MAP_FAILED);
	assert_ptr_not_equal(t.there, MAP_FAILED);
	close(fd);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct twice *t = *state;

	munmap(t->here, SIZE);
	munmap(t->there, SIZE);
	return 0;
}

static void test_zeros_lead_nowhere(void **state)
{
	const struct twice *t = *state;

	assert_null(SHMFS_POINTER_GET(&t->here->next));
	SHMFS_POINTER_SET(&t->here->next, &t->here[1]);
	assert_non_null(SHMFS_POINTER_GET(&t->there->next));
	SHMFS_POINTER_SET(&t->here->next, NULL);
	assert_null(SHMFS_POINTER_GET(&t->there->next));
	assert_int_equal(t->there->next.distance, 0);
}

/* Also backwards, and to its own beginning. */
static void test_leads_to_the_same_place(void **state)
{
	const struct twice *t = *state;

	for (int to = 0; to < 3; to++) {
		SHMFS_POINTER_SET(&t->here[1].next, &t->here[to]);
		assert_ptr_equal(SHMFS_POINTER_GET(&t->here[1].next), &t->here[to]);
		assert_ptr_equal(SHMFS_POINTER_GET(&t->there[1].next), &t->there[to]);
	}
}

static void test_leads_to_itself(void **state)
{
	const struct twice *t = *state;
	shmfs_pointer_t *here = (shmfs_pointer_t *)t->here;
	shmfs_pointer_t *there = (shmfs_pointer_t *)t->there;

	shmfs_pointer_set(here, here);
	assert_ptr_equal(shmfs_pointer_get(here), here);
	assert_ptr_equal(shmfs_pointer_get(there), there);
}

static void test_knows_its_type(void **state)
{
	const struct twice *t = *state;

	t->here[2].value = 42;
	SHMFS_POINTER_SET(&t->here->next, &t->here[2]);
	assert_int_equal(SHMFS_POINTER_GET(&t->there->next)->value, 42);
	assert_int_equal(sizeof(t->here->next), sizeof(shmfs_pointer_t));
}

#define pointer_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pointer_test(test_zeros_lead_nowhere),
		pointer_test(test_leads_to_the_same_place),
		pointer_test(test_leads_to_itself),
		pointer_test(test_knows_its_type),
	};

	return cmocka_run_group_tests_name("pointer", tests, NULL, NULL) != 0;
}
