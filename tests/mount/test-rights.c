/* SPDX-License-Identifier: MIT */
/*
 * A user gets through the mount exactly what the native interface gives that user. So
 * everybody does everything to files of every mode, on the mount and on a plain tmpfs,
 * and both must come to the same: the result, and what is left. The differences that are
 * there by design are listed, with their reasons; any other one is a failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "person.h"
#include "rights/acts.h"
#include "rights/protected.h"
#include "rights/scene.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Those that have no like among them come first. */
static const struct person people[] = {
	{ .name = "root" },
	{ .name = "the owner", .uid = SCENE_OWNER, .gid = 1000 },
	{ .name = "a member", .uid = 1001, .gid = SCENE_GROUP },
	{ .name = "a member by the way",
	  .uid = 1002,
	  .gid = 1002,
	  .group_count = 3,
	  .groups = { 1, SCENE_GROUP, SCENE_NAMED_GROUP } },
	{ .name = "a stranger",
	  .uid = SCENE_NAMED_USER,
	  .gid = 1003,
	  .group_count = 1,
	  .groups = { 2001 } },
	{ .name = "the owner in the group", .uid = SCENE_OWNER, .gid = SCENE_GROUP },
	{ .name = "a stranger in the named group",
	  .uid = 1004,
	  .gid = 1004,
	  .group_count = 1,
	  .groups = { SCENE_NAMED_GROUP } },
};

#define PEOPLE_SOME   5
#define PEOPLE_ALL    COUNT(people)
/* What happens once or not at all in a run is not what is usual. */
#define RARELY        2
#define UNKNOWN_SHOWN 20

/* One person's acts on the files of one scene, on both sides. */
enum side { PLAIN, MOUNT, SIDES };

static const char *const seen_in[SIDES] = { PLAIN_DIR, MOUNT_DIR };
static const char *const lies_in[SIDES] = { PLAIN_DIR, NATIVE_DIR };

struct batch {
	unsigned int number;
	const struct act *acts;
	size_t n;
	int (*results)[SIDES]; /* by act; shared with the person */
};

/* What an act came to. */
struct outcome {
	const struct act *act;
	int result[SIDES];
	struct traces left[SIDES];
	bool by_root;
	bool may_read; /* natively, what was acted on */
};

static struct act acts[ACTS_MAX];
static size_t act_count;
static unsigned int batches, cases, unknown;
static bool is_protected, kernel_checks;

static int act_all(const void *arg)
{
	const struct batch *b = arg;

	umask(022);
	for (size_t a = 0; a < b->n; a++)
		for (int side = 0; side < SIDES; side++) {
			struct place p = scene_place(seen_in[side], b->number, a);

			b->results[a][side] = b->acts[a].run(&b->acts[a], &p);
		}
	return 0;
}

static bool is_act(const struct outcome *o, const char *name)
{
	return strstr(o->act->name, name) == o->act->name;
}

static bool refused_only_here(const struct outcome *o, int error)
{
	return o->result[PLAIN] == 0 && o->result[MOUNT] == error;
}

static bool executes_unreadable(const struct outcome *o)
{
	return is_act(o, "execute") && !o->may_read && refused_only_here(o, -EACCES);
}

static bool links(const struct outcome *o)
{
	return (is_act(o, "link symbolically") || is_act(o, "mkdir") ||
		is_act(o, "make a FIFO")) &&
	       o->result[MOUNT] == -EPERM;
}

static bool keeps_set_id(const struct outcome *o)
{
	const long long plain = o->left[PLAIN].f.mode | o->left[PLAIN].mine.mode;
	const long long here = o->left[MOUNT].f.mode | o->left[MOUNT].mine.mode;

	return (is_act(o, "chmod to set-ID") || is_act(o, "create with set-ID")) &&
	       o->result[MOUNT] == o->result[PLAIN] && plain & 06000 &&
	       here == (plain & ~06000LL);
}

static bool keeps_names(void)
{
	const char *options = getenv("SHMFS_TEST_OPTIONS");

	return options && strstr(options, "coherence=notify");
}

static bool has_two_reasons(const struct outcome *o)
{
	return is_act(o, "open noatime") && o->result[PLAIN] == -EACCES &&
	       o->result[MOUNT] == -EPERM;
}

static bool shares_without_backing(const struct outcome *o)
{
	return !mount_passthrough() && o->act->share == MAP_SHARED &&
	       (is_act(o, "map") || is_act(o, "mprotect")) && o->result[MOUNT] == -ENODEV;
}

/* Natively a mapping is an access, whether or not it is used. */
static bool maps_unused(const struct outcome *o)
{
	struct traces left = o->left[MOUNT];

	left.f.atime = o->left[PLAIN].f.atime;
	return !mount_passthrough() && is_act(o, "map private") &&
	       o->result[MOUNT] == o->result[PLAIN] &&
	       memcmp(&left, &o->left[PLAIN], sizeof(left)) == 0;
}

static bool leaves_whiteout(const struct outcome *o)
{
	return is_act(o, "rename leaving a whiteout") && o->result[MOUNT] == -EINVAL;
}

/* The kernel checks it, which knows of no sticky bit here. */
static bool is_not_protected(const struct outcome *o)
{
	return is_protected && !kernel_checks && o->act->needs & ACT_CREATES &&
	       o->result[PLAIN] == -EACCES && o->result[MOUNT] == 0;
}

/* Of a file that was looked up a moment ago it may not have the owner yet. */
static bool is_rarely_not_protected(const struct outcome *o)
{
	static unsigned int n;

	return is_protected && kernel_checks && keeps_names() && o->by_root &&
	       o->act->needs & ACT_CREATES && o->result[PLAIN] == -EACCES &&
	       o->result[MOUNT] == 0 && ++n <= RARELY;
}

static const struct {
	const char *word; /* of its row in "DIFFERENCES TO /dev/shm ITSELF", shmfs(1) */
	const char *what;
	const char *why;
	bool (*is_this)(const struct outcome *o);
} differences[] = {
	{ "execute", "executing a program that one may not read: EACCES",
	  "the kernel would let the process be traced", executes_unreadable },
	{ "kinds", "symbolic links, directories, FIFOs: EPERM", "there are objects only",
	  links },
	{ "kinds", "leaving a whiteout: EINVAL", "it would be a device",
	  leaves_whiteout },
	{ "protected", "fs.protected_regular: without effect on what is there already",
	  "the kernel does not tell of O_CREAT, and checks only with default_permissions",
	  is_not_protected },
	{ "protected", "fs.protected_regular: not in force for root's opening",
	  "rarely, with coherence=notify, just after the first lookup",
	  is_rarely_not_protected },
	{ "mode-bits", "set-ID bits: left out", "they grant nothing on the mount",
	  keeps_set_id },
	{ "noatime", "O_NOATIME where the file cannot be opened either: EPERM",
	  "the kernel looks at the owner first", has_two_reasons },
	{ "shared-map", "shared mappings in direct mode: ENODEV",
	  "they would not be shared", shares_without_backing },
	{ "atime", "mapping in direct mode: sets no time of access",
	  "only the daemon's reading does", maps_unused },
};

static unsigned int times[COUNT(differences)];

static void count_difference(const struct scene *s, const struct person *who,
			     const struct outcome *o)
{
	for (size_t i = 0; i < COUNT(differences); i++)
		if (differences[i].is_this(o)) {
			times[i]++;
			return;
		}
	if (unknown++ >= UNKNOWN_SHOWN)
		return;
	print_error("%s, of mode %o%s in a directory of mode %o of user %u, by %s: %s, "
		    "natively %s%s\n",
		    o->act->name, s->mode, s->acl ? " with a list" : "", s->dir_mode,
		    s->dir_owner, who->name, strerror(-o->result[MOUNT]),
		    strerror(-o->result[PLAIN]),
		    o->result[MOUNT] == o->result[PLAIN] ? "; and left another file"
							 : "");
}

/* One directory after the other: where both sides' names are one, they would be none. */
static void compare(const struct scene *s, const struct person *who,
		    const struct batch *b, bool may_read)
{
	for (size_t a = 0; a < b->n; a++) {
		struct outcome o = {
			.act = &b->acts[a],
			.by_root = who->uid == 0,
			.may_read = may_read,
		};

		for (int side = 0; side < SIDES; side++) {
			struct place p = scene_place(lies_in[side], b->number, a);

			o.result[side] = b->results[a][side];
			o.left[side] = scene_clear(&p);
		}
		cases++;
		if (o.result[PLAIN] != o.result[MOUNT] ||
		    memcmp(&o.left[PLAIN], &o.left[MOUNT], sizeof(o.left[0])) != 0)
			count_difference(s, who, &o);
	}
}

/* A change of the directory may show a moment later; of the files nothing is known yet.
 */
static bool shows(const struct scene *s)
{
	struct stat st = file_stat(SCRATCH_DIR, "shm");

	return st.st_uid == s->dir_owner && (st.st_mode & 07777) == s->dir_mode;
}

static void arrange(const struct scene *s, const struct batch *b)
{
	for (int side = 0; side < SIDES; side++) {
		for (size_t a = 0; a < b->n; a++) {
			struct place p = scene_place(lies_in[side], b->number, a);

			scene_arrange(s, &b->acts[a], &p);
		}
		scene_directory(s, lies_in[side]);
	}
	await_that(shows(s));
}

static void act_and_compare(const struct scene *s, const struct person *who,
			    const struct act *which, size_t n)
{
	size_t size = n * sizeof(int[SIDES]);
	void *results = must(mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	const struct batch b = {
		.number = batches++,
		.acts = which,
		.n = n,
		.results = results,
	};

	arrange(s, &b);
	is_protected = protection_get(PROTECTED_REGULAR) > 0;
	assert_int_equal(person_do(who, act_all, &b), 0);
	is_protected |= protection_get(PROTECTED_REGULAR) > 0;
	/* The first act is to open for reading. */
	compare(s, who, &b, b.results[0][PLAIN] == 0);
	munmap(results, size);
}

static void compare_all(const struct scene *s, size_t n)
{
	for (size_t p = 0; p < n; p++)
		act_and_compare(s, &people[p], acts, act_count);
}

/* Each test answers for what it has met itself. */
static void expect_none_unknown(void)
{
	unsigned int n = unknown;

	unknown = 0;
	assert_int_equal(n, 0);
}

/* All rights of each class, where the other classes have none, and where they have all.
 */
static void test_modes_of_files(void **state)
{
	struct scene s = { .dir_mode = 01777 };

	(void)state;
	person_needs_root();
	for (int others = 0; others <= 0777; others += 0777)
		for (int shift = 0; shift < 9; shift += 3)
			for (mode_t rights = 0; rights < 8; rights++) {
				mode_t same = others ? 7 : 0;

				s.mode = (mode_t)others & ~((mode_t)7 << shift);
				s.mode |= rights << shift;
				/* These all classes have in common. */
				if (rights != same || shift == 0)
					compare_all(&s, PEOPLE_SOME);
			}
	expect_none_unknown();
}

static void test_lists(void **state)
{
	static const struct scene_acl lists[] = {
		{ 7, 0, 7 }, { 4, 2, 7 }, { 0, 6, 7 }, { 1, 4, 7 },
		{ 6, 6, 4 }, { 7, 7, 2 }, { 6, 6, 0 }, { 2, 5, 6 },
	};
	static const mode_t modes[] = { 0600, 0606, 0660 };
	struct scene s = { .dir_mode = 01777 };

	(void)state;
	person_needs_root();
	for (size_t l = 0; l < COUNT(lists); l++) {
		s.mode = modes[l % COUNT(modes)];
		s.acl = &lists[l];
		compare_all(&s, PEOPLE_ALL);
	}
	expect_none_unknown();
}

static void test_directories(void **state)
{
	static const struct scene scenes[] = {
		{ .mode = 0666, .dir_mode = 0777 },
		{ .mode = 0666, .dir_mode = 0755 },
		{ .mode = 0666, .dir_mode = 0711 },
		{ .mode = 0666, .dir_mode = 0733 },
		{ .mode = 0666, .dir_mode = 0700 },
		{ .mode = 0666, .dir_mode = 0770 },
		{ .mode = 0666, .dir_mode = 0707 },
		{ .mode = 0600, .dir_mode = 01777, .dir_owner = SCENE_NAMED_USER },
		{ .mode = 0600, .dir_mode = 03775, .dir_owner = SCENE_NAMED_USER },
	};

	(void)state;
	person_needs_root();
	for (size_t i = 0; i < COUNT(scenes); i++)
		compare_all(&scenes[i], PEOPLE_ALL);
	expect_none_unknown();
}

/* The acts of which @need is said. */
static size_t acts_that(unsigned int need, struct act which[ACTS_MAX])
{
	size_t n = 0;

	for (size_t a = 0; a < act_count; a++)
		if (acts[a].needs & need)
			acts_add(which, &n, &acts[a], 1);
	return n;
}

static void compare_protected(unsigned int need)
{
	static const mode_t modes[] = { 0666, 0600 };
	static const struct scene dirs[] = {
		{ .dir_mode = 01777 },
		{ .dir_mode = 01777, .dir_owner = SCENE_NAMED_USER },
		{ .dir_mode = 01775 },
		{ .dir_mode = 03775, .dir_owner = SCENE_OWNER },
		{ .dir_mode = 0777 },
	};
	struct act which[ACTS_MAX];
	size_t n = acts_that(need, which);

	for (size_t i = 0; i < COUNT(dirs) * COUNT(modes); i++) {
		struct scene s = dirs[i % COUNT(dirs)];

		s.mode = modes[i / COUNT(dirs)];
		for (size_t p = 0; p < PEOPLE_SOME; p++)
			act_and_compare(&s, &people[p], which, n);
	}
}

static void compare_protections(enum protection which, int most, unsigned int need)
{
	person_needs_root();
	for (int value = 0; value <= most; value++) {
		int r = protection_set(which, value);

		if (r < 0) {
			print_message("protections stay: %s\n", strerror(-r));
			return;
		}
		compare_protected(need);
	}
	assert_int_equal(protection_set(which, -1), 0);
	expect_none_unknown();
}

static void test_protected_regular(void **state)
{
	(void)state;
	kernel_checks = false;
	compare_protections(PROTECTED_REGULAR, 2, ACT_CREATES);
}

static void test_protected_regular_by_the_kernel(void **state)
{
	(void)state;
	kernel_checks = true;
	mount_start("default_permissions");
	compare_protections(PROTECTED_REGULAR, 2, ACT_CREATES);
	kernel_checks = false;
}

static void test_protected_links(void **state)
{
	(void)state;
	compare_protections(PROTECTED_HARDLINKS, 1, ACT_LINKS);
}

static void test_protected_links_by_the_kernel(void **state)
{
	(void)state;
	mount_start("default_permissions");
	compare_protections(PROTECTED_HARDLINKS, 1, ACT_LINKS);
}

/* Also where it failed. */
static int unprotect(void **state)
{
	for (int i = 0; i < PROTECTIONS; i++)
		(void)protection_set((enum protection)i, -1);
	return mount_teardown(state);
}

static void report(void)
{
	printf("rights: %u cases compared, %zu acts by %zu people\n", cases, act_count,
	       COUNT(people));
	for (size_t i = 0; i < COUNT(differences); i++)
		if (times[i])
			printf("rights: %u times %s: %s (%s)\n", times[i],
			       differences[i].word, differences[i].what,
			       differences[i].why);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(test_modes_of_files),
		mount_test(test_lists),
		mount_test(test_directories),
		cmocka_unit_test_setup_teardown(test_protected_regular, mount_setup,
						unprotect),
		cmocka_unit_test_setup_teardown(test_protected_regular_by_the_kernel,
						mount_setup_dirs, unprotect),
		cmocka_unit_test_setup_teardown(test_protected_links, mount_setup,
						unprotect),
		cmocka_unit_test_setup_teardown(test_protected_links_by_the_kernel,
						mount_setup_dirs, unprotect),
	};
	int failed;

	acts_of_opening(acts, &act_count);
	acts_on_names(acts, &act_count);
	acts_on_attributes(acts, &act_count);
	acts_on_memory(acts, &act_count);
	failed = cmocka_run_group_tests_name("rights", tests, NULL, NULL);
	report();
	return failed;
}

int main(void)
{
	protection_keep();
	return mount_main(120, run);
}
