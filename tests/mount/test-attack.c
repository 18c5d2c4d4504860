/* SPDX-License-Identifier: MIT */
/*
 * The objects' directory is everybody's, so between any two steps of a request a name may
 * come to mean something else. Attackers natively see to it that it does, all the time,
 * while a victim uses the name through the mount: nothing must be done then that the
 * victim could not have done natively, and nothing at all with the daemon's own power.
 */
#include <stdlib.h>
#include <sys/mount.h>

#include "attack/arena.h"
#include "attack/canary.h"
#include "attack/objects.h"
#include "attack/victim.h"
#include "mount.h"
#include "rights/protected.h"

static const struct person root = { .name = "root" };
static const struct person victim = { .name = "the victim",
				      .uid = VICTIM_UID,
				      .gid = VICTIM_UID };
static const struct person attacker = { .name = "the attacker",
					.uid = ATTACKER_UID,
					.gid = ATTACKER_UID };

/* With devices that work in the objects' directory, as in a careless container. */
static void start(const char *options)
{
	person_needs_root();
	must(mount(NULL, NATIVE_DIR, NULL, MS_REMOUNT | MS_BIND, NULL));
	canaries_plant(VICTIM_UID);
	mount_start(options);
}

static void attack(const char *what, struct victim v, enum plants plants)
{
	struct victim bystander = { .uid = 0, .reads_only = true };
	const struct role roles[] = {
		{ &attacker, attack_round, NULL },
		{ &root, plant_round, &plants },
		{ v.uid == 0 ? &root : &victim, victim_round, &v },
		/* What root has open, others must not get at. */
		{ &root, victim_round, &bystander },
	};

	arena_run(what, roles, 4);
	canaries_check();
}

static void test_user(void **state)
{
	const struct victim v = { .uid = VICTIM_UID };

	(void)state;
	start(NULL);
	attack("a user", v, PLANT_NO_OBJECTS | PLANT_SECRETS | PLANT_FOR_GOOD);
}

/* Root may do anything, but only to objects. */
static void test_root(void **state)
{
	const struct victim v = { .uid = 0 };

	(void)state;
	start(NULL);
	attack("root", v, PLANT_NO_OBJECTS);
}

/*
 * The kernel checks whose a file is that it has just looked up before it has taken in the
 * answer, and takes it for root's, if it is told of a change of the same file in between.
 */
static bool is_kernel_sure(void)
{
	const char *options = getenv("SHMFS_TEST_OPTIONS");

	return !options || !strstr(options, "notify");
}

static void attack_protected(const char *what, uid_t uid)
{
	const struct victim v = {
		.uid = uid,
		.creates_only = true,
		.is_protected = true,
	};
	int r;

	if (!is_kernel_sure()) {
		print_message("skipped: not promised with coherence=notify\n");
		skip();
	}
	r = protection_set(PROTECTED_REGULAR, 1);
	if (r < 0) {
		print_message("skipped: fs.protected_regular: %s\n", strerror(-r));
		skip();
	}
	start("default_permissions");
	attack(what, v, PLANT_NO_OBJECTS | PLANT_OPEN | PLANT_FOR_GOOD);
	assert_int_equal(protection_set(PROTECTED_REGULAR, -1), 0);
}

static void test_protected_user(void **state)
{
	(void)state;
	attack_protected("a protected user", VICTIM_UID);
}

/* It holds for root, too. */
static void test_protected_root(void **state)
{
	(void)state;
	attack_protected("protected root", 0);
}

/* Also where it failed. */
static int unprotect(void **state)
{
	(void)protection_set(PROTECTED_REGULAR, -1);
	return mount_teardown(state);
}

#define protected_test(function) \
	cmocka_unit_test_setup_teardown(function, mount_setup_dirs, unprotect)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_user),
		mount_test_unmounted(test_root),
		protected_test(test_protected_user),
		protected_test(test_protected_root),
	};

	return cmocka_run_group_tests_name("attack", tests, NULL, NULL);
}

int main(void)
{
	protection_keep();
	return mount_main(30 + 4 * arena_seconds(), run);
}
