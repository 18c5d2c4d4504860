/* SPDX-License-Identifier: MIT */
/*
 * Keys and identifiers of segments are everybody's to use again. Attackers natively do,
 * all the time, with other owners and modes, while a victim uses them through the mount:
 * nothing must be done then that the victim could not have done natively.
 */
#include <stdlib.h>

#include "attack/arena.h"
#include "attack/objects.h"
#include "attack/segment-victim.h"
#include "attack/segments.h"
#include "mount.h"

static const struct person root = { .name = "root" };
static const struct person victim = { .name = "the victim",
				      .uid = VICTIM_UID,
				      .gid = VICTIM_UID };
static const struct person attacker = { .name = "the attacker",
					.uid = ATTACKER_UID,
					.gid = ATTACKER_UID };

static void attack(const char *what, struct segment_victim v)
{
	struct segment_victim bystander = { .uid = 0, .opens_only = true };
	const struct role roles[] = {
		{ &root, segments_round, &v.uid },
		{ &attacker, segments_own_round, NULL },
		{ v.uid == 0 ? &root : &victim, segment_victim_round, &v },
		/* What root has open, others must not get at. */
		{ &root, segment_victim_round, &bystander },
	};

	person_needs_root();
	mount_start("kind=sysv");
	arena_run(what, roles, 4);
	segments_clear();
}

static void test_user(void **state)
{
	(void)state;
	attack("a user", (struct segment_victim){ .uid = VICTIM_UID });
}

/* Whose every act is allowed, but must be done to what was meant. */
static void test_root(void **state)
{
	(void)state;
	attack("root", (struct segment_victim){ .uid = 0, .opens_only = true });
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_user),
		mount_test_unmounted(test_root),
	};

	return cmocka_run_group_tests_name("attack-sysv", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(30 + 2 * arena_seconds(), run);
}
