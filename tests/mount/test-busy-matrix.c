/* SPDX-License-Identifier: MIT */
/*
 * Any user can hold a lock of the kernel for as long as he likes, and then ask the daemon
 * for what waits for it. Whatever he holds and asks for, others are served meanwhile,
 * root can end the mount or the daemon, and once he is killed all is as before.
 *
 * Each way to hold a lock meets all requests at once, and each request that may wait for
 * what is held by itself. Whatever others do then succeeds in time (bystander.h), with
 * two exceptions:
 *
 * Where the native directory is held, what natively waits for it, such as a creation, may
 * be EBUSY.
 *
 * Whoever writes to a file of the mount from memory that never comes holds the lock of
 * that file in the kernel, without a request. Whoever removes the file then holds the
 * mount's directory, until the writer is killed. So does whoever lists the directory into
 * such memory, once somebody would change it. Names that are known by then work.
 * Others would wait, and are not asked for here. With coherence=notify, neither are names
 * that changed natively a moment ago, since the daemon cannot tell the kernel of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy/connection.h"
#include "busy/crowd.h"
#include "busy/team.h"
#include "command.h"
#include "files.h"
#include "mount.h"
#include "segments.h"
#include "threads.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "weigh.h"

#define TOGETHER   3  /* threads for each request where all are sent */
#define ALONE      40 /* where it is one: more than his share of those of the daemon */
#define QUEUE      4  /* likewise, where they wait for each other for a while */
#define READY_NS   UINT64_C(30000000000)
#define SETTLED_NS UINT64_C(30000000)

/* What is mounted, by the options of this run. */
static struct {
	const char *name;
	struct place places[PLACES_MAX];
	size_t n;
	bool told;          /* the kernel knows names until it is told */
	const char *direct; /* a file to be made whose pages the daemon reads; or NULL */
} mode;

/* Of this run. */
static struct {
	unsigned int cases, failures;
} figures;

static bool has_option(const char *option)
{
	const char *options = getenv("SHMFS_TEST_OPTIONS");

	return options && strstr(options, option);
}

static void choose_mode(void)
{
	const struct place objects = { "objects", MOUNT_DIR, NATIVE_DIR };
	const struct place segments = { "segments", MOUNT_DIR, NULL };

	mode.name = !mount_passthrough()             ? "direct"
		    : has_option("coherence=notify") ? "notify"
						     : "default";
	mode.told = has_option("coherence=notify");
	mode.places[mode.n++] = objects;
	if (!mount_passthrough())
		mode.direct = MOUNT_DIR "/own";
	if (has_option("kind=all")) {
		mode.name = "all";
		mode.places[0].dir = MOUNT_DIR "/posix";
		mode.places[mode.n++] = segments;
		mode.places[1].dir = MOUNT_DIR "/sysv";
		mode.direct = MOUNT_DIR "/sysv/0x00000042";
	}
	if (has_option("kind=sysv")) {
		mode.name = "sysv";
		mode.places[0] = segments;
		mode.direct = MOUNT_DIR "/0x00000042";
	}
}

/*
 * Waits for @condition, no longer than @limit. False, with a word about it, where it does
 * not come. soon() is for what others wait for, ready() for what this test needs.
 */
#define within(limit, condition)                                                \
	__extension__({                                                         \
		uint64_t begin_ = clock_ns();                                   \
		uint64_t end_ = begin_ + (limit);                               \
		bool is_ = false;                                               \
		while (!(is_ = (condition)) && clock_ns() < end_)               \
			usleep(2000);                                           \
		if (!is_)                                                       \
			print_error("    FAILS: not within %.0f s: %s\n",       \
				    (double)(end_ - begin_) / 1e9, #condition); \
		is_;                                                            \
	})
#define soon(condition)  within(crowd_limit(), condition)
#define ready(condition) within(READY_NS, condition)

/* The bystanders while it is held, and afterwards. */
static struct crowd meanwhile, after;

/*
 * Cases
 */
static bool sends(const struct attack *a, bool (*is)(const struct request *))
{
	bool found = false;

	for (unsigned int i = 0; i < a->n; i++)
		found = found || is(&a->first[i]);
	return found;
}

static bool changes_names(const struct request *r)
{
	return r->names;
}

static bool waits_for_both(const struct request *r)
{
	return r->both;
}

static bool goes_in_pairs(const struct request *r)
{
	return r->pairs;
}

/*
 * The kernel itself holds the mount's directory for a request that waits for a file of
 * the mount: one that is held there, or one that many requests share.
 */
static unsigned int what_to_skip(const struct attack *a)
{
	bool held = a->hold->file || (a->hold->objects > 0 && a->n > 1);
	bool for_good = a->hold->mount_directory || (held && sends(a, waits_for_both));
	bool for_long = for_good || sends(a, goes_in_pairs);
	unsigned int skip = 0;

	for (enum act act = 0; act < ACTS; act++)
		if ((for_good && act_asks_directory(act)) ||
		    (for_long && mode.told && act_needs_telling(act)))
			skip |= 1u << act;
	return skip;
}

static void each_object(const struct attack *a,
			void (*act)(const struct place *, unsigned int))
{
	for (unsigned int i = 0; i < attack_objects(a); i++)
		act(a->place, i);
}

static void make_object(const struct place *p, unsigned int i)
{
	place_make(p, 'h', i, attacker.uid);
}

/* With all names that it may have been given. */
static void remove_object(const struct place *p, unsigned int i)
{
	for (const char *whose = "hnkrl"; *whose; whose++)
		place_remove(p, *whose, i);
}

static void make_all(const struct attack *a)
{
	each_object(a, make_object);
	place_make(a->place, 'd', 0, attacker.uid);
}

static void remove_all(const struct attack *a)
{
	each_object(a, remove_object);
	for (unsigned int i = 0; i < 10; i++)
		place_remove(a->place, 'd', i);
	if (!mode.direct)
		return;
	unlink(NATIVE_DIR "/own");
	shmctl(shmget(0x42, 0, 0), IPC_RMID, NULL);
}

/*
 * As many threads of the daemon wait in the kernel as will: that is known of one after
 * the other.
 */
static bool daemon_is_full(void)
{
	static unsigned int waiting;
	static uint64_t since;
	unsigned int now = threads_in_state(mount_pid(), 'D');

	if (now != waiting)
		since = clock_ns();
	waiting = now;
	if (clock_ns() - since < SETTLED_NS)
		return false;
	if (!team_is_still())
		since = clock_ns();
	return clock_ns() - since >= SETTLED_NS;
}

/* Whether the attack is under way. */
static bool attack_begins(void)
{
	if (!ready(team_is_prepared()))
		return false;
	team_hold();
	if (!ready(team_holds() || team_error()))
		return false;
	/* The machine has no userfaultfd(2), not even for root. */
	if (team_error() == ENOSYS || team_error() == EPERM)
		skip();
	if (team_error()) {
		print_error("    FAILS: to hold it: %s\n", strerror(team_error()));
		return false;
	}
	team_send();
	if (!ready(daemon_is_full()))
		return false;
	team_spring();
	return soon(team_has_sprung());
}

/* No request is left, and no thread of the daemon waits in the kernel for an object. */
static bool is_idle(unsigned int fds)
{
	return connection_waiting() == 0 && threads_in_state(mount_pid(), 'D') == 0 &&
	       daemon_fds() <= fds;
}

static bool attack_ends(void)
{
	team_kill();
	return soon(team_is_gone());
}

static bool everything_works(void)
{
	bool right;

	crowd_begin(&after, mode.places, mode.n, 0);
	right = ready(crowd_is_ready(&after)) && crowd_acts(&after, "afterwards", false);
	if (right)
		crowd_free(&after);
	return right;
}

/* False where nothing more can be tried on this mount. */
static bool try(const struct attack *a, const char *what)
{
	unsigned int fds = daemon_fds(), failures = figures.failures;
	uint64_t begin = clock_ns();
	bool right, recovered;

	figures.cases++;
	make_all(a);
	crowd_begin(&meanwhile, mode.places, mode.n, what_to_skip(a));
	team_begin(a);
	right = ready(crowd_is_ready(&meanwhile)) && attack_begins();
	if (crowd_is_ready(&meanwhile))
		right = crowd_acts(&meanwhile, "meanwhile",
				   a->hold->directory || sends(a, changes_names)) &&
			right;
	recovered = attack_ends() && everything_works();
	if (recovered) {
		crowd_free(&meanwhile);
		recovered = soon(is_idle(fds));
		remove_all(a);
	}
	figures.failures += !(right && recovered);
	if (figures.failures > failures)
		print_error("  %s: %s held by %s, %s: FAILED (%.1f s)\n", mode.name,
			    a->place->name, a->hold->name, what,
			    (double)(clock_ns() - begin) / 1e9);
	return recovered;
}

/* How many there are before the first one that is so: they are in that order. */
static unsigned int requests_before(bool (*is)(const struct request *))
{
	unsigned int n = 0;

	while (n < requests_count && !is(&requests[n]))
		n++;
	return n;
}

static struct attack attack_of(const struct hold *hold)
{
	return (struct attack){
		.place = &mode.places[0],
		.hold = hold,
		.first = requests,
		.n = requests_before(goes_in_pairs),
		.threads = TOGETHER,
		.direct = mode.direct,
	};
}

static bool try_together(const struct hold *hold)
{
	struct attack a = attack_of(hold);
	bool goes_on = true;

	if (!hold->variant) {
		a.n = requests_before(changes_names);
		goes_on = try(&a, "all requests that change no names");
	}
	a.n = requests_before(goes_in_pairs);
	return goes_on && try(&a, "all requests");
}

/* Whether a request of this sort may wait for what is held. */
static bool may_wait(const struct hold *hold, const struct request *r)
{
	if (r->variant || (hold->objects > 0 && r->pairs))
		return false;
	if (hold->variant || hold->unopened || hold->file || hold->mount_directory)
		return false;
	return hold->directory ? r->directory : hold->objects > 0 ? r->both : true;
}

static void try_alone(const struct hold *hold)
{
	struct attack a = attack_of(hold);
	bool goes_on = true;

	a.n = 1;
	a.threads = hold->objects > 0 ? QUEUE : ALONE;
	for (unsigned int i = 0; i < requests_count && goes_on; i++) {
		a.first = &requests[i];
		if (may_wait(hold, a.first))
			goes_on = try(&a, a.first->name);
	}
}

static void start(void)
{
	mount_start(NULL);
	connection_find();
}

/*
 * Root's ends, while it is held
 */
static bool keeper_has_ended(int *status)
{
	return waitpid(mount_keeper(), status, WNOHANG) == mount_keeper();
}

static bool is_there(void)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	return entry != NULL;
}

static bool ends_well(void)
{
	_cleanup_free_ char *log = NULL;
	int status = -1;

	if (!soon(keeper_has_ended(&status)))
		return false;
	mount_forget();
	log = mount_log();
	if (status != 0)
		print_error("    FAILS: the end is %#x:\n%s", (unsigned int)status, log);
	return status == 0 && soon(!is_there());
}

static int umount_plain(const void *arg)
{
	(void)arg;
	return umount2(MOUNT_DIR, 0) < 0 ? -errno : 0;
}

static int umount_lazily(const void *arg)
{
	(void)arg;
	return umount2(MOUNT_DIR, MNT_DETACH) < 0 ? -errno : 0;
}

static bool has_ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

/* What a process of root's does in time: 0, the errno by which it fails; ETIME. */
static int do_soon(int (*act)(const void *), const void *arg)
{
	pid_t pid = person_start(NULL, act, arg);
	int status = 0;

	if (!soon(has_ended(pid, &status)))
		return ETIME;
	return WEXITSTATUS(status);
}

/* Open files are in the way of the first one, as natively, and not of the second. */
static bool end_by_umount(void)
{
	int r = do_soon(umount_plain, NULL);

	if (r == EBUSY)
		r = do_soon(umount_lazily, NULL);
	if (r != 0)
		print_error("    FAILS: umount: %s\n", strerror(r));
	return r == 0 && soon(!is_there()) && attack_ends() && ends_well();
}

static bool end_by_order(void)
{
	must(kill(mount_keeper(), SIGTERM));
	return ends_well() && attack_ends();
}

static bool is_replaced(pid_t pid)
{
	pid_t now = mount_pid();

	return now > 0 && now != pid;
}

static bool end_by_death(void)
{
	pid_t pid = mount_pid();
	bool right;

	must(kill(pid, SIGKILL));
	right = soon(is_replaced(pid)) &&
		crowd_acts(&meanwhile, "with another daemon", true);
	if (!attack_ends() || !right || !everything_works())
		return false;
	crowd_free(&meanwhile);
	mount_stop();
	return true;
}

static const struct end {
	const char *name;
	bool others; /* there are bystanders: the mount goes on */
	bool (*of)(void);
} ends[] = {
	{ "umount", false, end_by_umount },
	{ "SIGTERM", false, end_by_order },
	{ "SIGKILL", true, end_by_death },
};

#define ENDS (sizeof(ends) / sizeof(ends[0]))

/* What is left natively is anybody's again. */
static int use_natively(const void *arg)
{
	struct path path = place_native(&mode.places[0], 'h', 0);
	int fd;

	(void)arg;
	if (unlink(path.text) < 0 && errno != ENOENT)
		return -errno;
	fd = open(NATIVE_DIR "/new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd) < 0)
		return -errno;
	return unlink(NATIVE_DIR "/new") < 0 ? -errno : 0;
}

/* One test: requests, or an end. */
struct part {
	const struct hold *hold;
	const struct end *end; /* NULL: none */
	char name[64];
};

static void test_requests(void **state)
{
	const struct part *part = *state;
	unsigned int failures = figures.failures;

	person_needs_root();
	start();
	if (try_together(part->hold))
		try_alone(part->hold);
	assert_int_equal(figures.failures, failures);
}

/*
 * A daemon that is killed while a thread of it waits for an object is a zombie until that
 * is let go. Its memory is there as long, and with it the segments that it had attached.
 */
static unsigned int what_the_dead_keep(void)
{
	return mode.n > 1 ? 1u << ACT_REMOVED : 0;
}

static void test_end(void **state)
{
	const struct part *part = *state;
	struct attack a = attack_of(part->hold);

	person_needs_root();
	start();
	figures.cases++;
	figures.failures++;
	make_all(&a);
	if (part->end->others)
		crowd_begin(&meanwhile, mode.places, mode.n,
			    what_to_skip(&a) | what_the_dead_keep());
	team_begin(&a);
	assert_true(ready(crowd_is_ready(&meanwhile)));
	assert_true(attack_begins());
	assert_true(part->end->of());
	if (a.place->native)
		assert_int_equal(do_soon(use_natively, NULL), 0);
	figures.failures--;
}

static int setup(void **state)
{
	void *part = *state;

	segments_setup_dirs(state);
	*state = part;
	return 0;
}

/* Whatever has failed, nobody is left who waits for the mount. */
static int teardown(void **state)
{
	team_kill();
	if (!soon(team_is_gone()))
		connection_abort();
	crowd_free(&meanwhile);
	crowd_free(&after);
	return mount_teardown(state);
}

static bool applies(const struct hold *hold)
{
	if (hold->needs & HOLD_NATIVE && !mode.places[0].native)
		return false;
	if (hold->needs & HOLD_DEFAULT && strcmp(mode.name, "default") != 0)
		return false;
	return !(hold->needs & HOLD_DIRECT) || mode.direct;
}

static int run(void)
{
	static struct part parts[(1 + ENDS) * HOLDS_MAX];
	struct CMUnitTest tests[(1 + ENDS) * HOLDS_MAX];
	size_t n = 0;
	int r;

	choose_mode();
	for (size_t i = 0; i < holds_count * (1 + ENDS); i++) {
		struct part *part = &parts[n];

		part->hold = &holds[i / (1 + ENDS)];
		part->end = i % (1 + ENDS) ? &ends[i % (1 + ENDS) - 1] : NULL;
		if (!applies(part->hold) || (part->end && part->hold->variant))
			continue;
		snprintf(part->name, sizeof(part->name), "%s/%s", part->hold->name,
			 part->end ? part->end->name : "requests");
		tests[n++] = (struct CMUnitTest){
			.name = part->name,
			.test_func = part->end ? test_end : test_requests,
			.setup_func = setup,
			.teardown_func = teardown,
			.initial_state = part,
		};
	}
	r = _cmocka_run_group_tests("busy-matrix", tests, n, NULL, NULL);
	print_message("busy-matrix %s: %u cases, %u failed; ", mode.name, figures.cases,
		      figures.failures);
	crowd_tell();
	return r;
}

int main(int argc, char **argv)
{
	/* Such as "write/requests", with * for anything. */
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return mount_main(300, run);
}
