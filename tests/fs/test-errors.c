/* SPDX-License-Identifier: MIT */
/*
 * Each native call of a whole scenario fails in turn, with each errno: the request that
 * made it says so, nothing leaks, and the same request succeeds the next time.
 */
#include "fs/internal.h"
#include "scenario.h"

/* The step in which the failure came is the one that tells of it. */
static void check(struct story *s, const struct step *step, int r, int error)
{
	const struct fake *f = &s->room->fake;
	bool forgiven = f->failed && step->forgives >> f->failed_op & 1;
	int want = f->failed ? error : 0;

	if (r != want && !(forgiven && r == 0))
		fail_msg("%s: %d instead of %d (operation %d)", step->name, r, want,
			 (int)f->failed_op);
	if (r == 0)
		return;
	fake_fail(&s->room->fake, FAKE_ANY, 0, 0);
	r = step->run(s);
	if (r != 0)
		fail_msg("%s after error %d of operation %d: %d", step->name, error,
			 (int)f->failed_op, r);
}

/* Returns whether there was a call @nth to fail. */
static bool run(unsigned int nth, int error, bool keeps)
{
	static struct room room;
	bool failed = false;
	struct story s;

	room_enter_with(&room, keeps);
	story_begin(&s, &room);
	fake_fail(&room.fake, FAKE_ANY, nth, error);
	for (const struct step *step = steps; step->name; step++) {
		int r = step->run(&s);

		failed = failed || room.fake.failed;
		check(&s, step, r, error);
		room.fake.failed = false;
	}
	assert_int_equal(room.fs->files.used, 0);
	assert_int_equal(room.fs->dirs.used, 0);
	assert_int_equal(room.fs->open.taken, 0);
	room_leave(&room);
	return failed;
}

static void test_each_call_fails(void **state)
{
	/* -ENOSPC is not among them: a creation is tried again after it. */
	static const int errors[] = { -ENOMEM, -EIO, -EDQUOT, -EACCES, -EINTR };
	unsigned int n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		n = 1;
		while (run(n, errors[i], i % 2))
			n++;
	}
	/* The scenario is what it is taken for. */
	assert_true(n >= 60 && n <= 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_fails),
	};

	return cmocka_run_group_tests_name("errors", tests, NULL, NULL) != 0;
}
