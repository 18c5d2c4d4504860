/* SPDX-License-Identifier: MIT */
/*
 * Processes do at random all that can be done to a heap and to what lies in it, and are
 * killed at random instants: each of them process 1 of a namespace of its own, as in
 * containers, and then all in one. Often it is who changes the heap or has the mutex, and
 * its heir shortly afterwards, so that those die, too, who repair what a dead one left.
 * After each death the heap is whole, nothing that was published is lost, and every
 * survivor goes on within the time that the library promises.
 *
 * SHMFS_KILLS sets how many are killed.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include <shmfs/semaphore.h>

#include "heap/worker.h"
#include "lib/heap/heap.h"
#include "patience.h"
#include "sync/cells.h"
#include "sync/fixture.h"
#include "sync/message.h"

#define WORKERS  4
#define CAPACITY 7
#define PERMITS  8

/* Within so long survivors go on; an emulator has to translate first what they do. */
#define PROMISED_NS (UINT64_C(100000000) * (fixture_emulated() ? 10 : 1))

/* So long a worker waits for what nobody promises to it. */
#define WAIT_NS 300000

/* So long the test waits for somebody to be killed at a bad moment: an heir comes after 5
 * ms. */
#define SOON_NS 8000000
#define NAP_NS  100000

/* Of survivors, after a death. */
struct delay {
	uint64_t ns;
	uint64_t own_ns; /* without what the machine had to do otherwise */
};

struct shared {
	struct cells cells;
	struct shmfs_condition turned;
	struct shmfs_condition given;
	struct shmfs_semaphore permits;
	/* Protected by the mutex of the cells. */
	uint64_t turn;
	uint64_t gifts;
	uint64_t taken; /* of the gifts */
};

/* What is done once or not at all, so that the sums must be right. */
enum { POST, TAKE, SEND, RECEIVE, COUNTED };

/*
 * What a worker tells, which outlives it: in memory of the test, and not in what is being
 * tested. Begun without being done is what the worker died over.
 */
struct record {
	uint32_t owner; /* of its attachment */
	uint32_t lives;
	uint64_t operations;
	uint64_t number; /* of its last message */
	uint64_t begun[COUNTED];
	uint64_t done[COUNTED];
};

/* A worker, or the test itself, which has the last record. */
struct user {
	struct worker worker;
	struct shared *shared;
	struct shmfs_queue *queue;
	struct record *record;
	uint64_t last[WORKERS]; /* number that it has from each sender */
};

static struct record *records;
static pid_t worker[WORKERS];
static bool dead[WORKERS];

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 500;
}

static void add(uint64_t *count, uint64_t n)
{
	__atomic_add_fetch(count, n, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static unsigned int any(struct user *u, unsigned int n)
{
	return (unsigned int)rand_r(&u->worker.seed) % n;
}

static struct timespec soon(void)
{
	return clock_in(CLOCK_MONOTONIC, WAIT_NS);
}

static void begin(struct user *u, int what)
{
	add(&u->record->begun[what], 1);
}

/* What was begun came to @r. That there was nothing to be had is no error. */
static int settle(struct user *u, int what, int r)
{
	if (r == 0)
		add(&u->record->done[what], 1);
	else
		add(&u->record->begun[what], UINT64_MAX);
	return r == -EAGAIN || r == -EBUSY || r == -ETIMEDOUT ? 0 : r;
}

static int do_memory(struct user *u)
{
	worker_step(&u->worker, any(u, WORKER_STEPS));
	return 0;
}

static int do_change(struct user *u)
{
	return cells_change(u->worker.heap, &u->shared->cells);
}

static int do_turn(struct user *u)
{
	int r = cells_lock(u->worker.heap, &u->shared->cells);

	if (r < 0)
		return r;
	u->shared->turn++;
	r = shmfs_condition_broadcast(u->worker.heap, &u->shared->turned);
	return r < 0 ? r : cells_unlock(u->worker.heap, &u->shared->cells);
}

/* Waits without a limit: somebody survives, and turns. */
static int do_await_turn(struct user *u)
{
	struct shared *s = u->shared;
	int r = cells_lock(u->worker.heap, &s->cells);
	uint64_t turn = s->turn;

	while (r == 0 && s->turn == turn)
		r = cells_wait(u->worker.heap, &s->cells, &s->turned);
	return r < 0 ? r : cells_unlock(u->worker.heap, &s->cells);
}

static int do_give(struct user *u)
{
	int r = cells_lock(u->worker.heap, &u->shared->cells);

	if (r < 0)
		return r;
	u->shared->gifts++;
	r = shmfs_condition_signal(u->worker.heap, &u->shared->given);
	return r < 0 ? r : cells_unlock(u->worker.heap, &u->shared->cells);
}

static int do_take(struct user *u)
{
	const struct timespec late = soon();
	struct shared *s = u->shared;
	int r = cells_lock(u->worker.heap, &s->cells);

	while (r == 0 && s->taken == s->gifts)
		r = cells_look(u->worker.heap, &s->cells,
			       shmfs_condition_wait_until(u->worker.heap, &s->given,
							  &s->cells.mutex,
							  CLOCK_MONOTONIC, &late));
	if (r < 0 && r != -ETIMEDOUT)
		return r;
	if (s->taken > s->gifts)
		return -EBADMSG;
	if (r == 0)
		s->taken++;
	return cells_unlock(u->worker.heap, &s->cells);
}

static int do_post(struct user *u)
{
	if (shmfs_semaphore_value(&u->shared->permits) >= PERMITS)
		return 0;
	begin(u, POST);
	return settle(u, POST, shmfs_semaphore_post(u->worker.heap, &u->shared->permits));
}

/* Waits without a limit: somebody survives, and posts. */
static int do_await_permit(struct user *u)
{
	begin(u, TAKE);
	return settle(u, TAKE, shmfs_semaphore_wait(u->worker.heap, &u->shared->permits));
}

static int do_try_permit(struct user *u)
{
	begin(u, TAKE);
	return settle(u, TAKE,
		      shmfs_semaphore_try_wait(u->worker.heap, &u->shared->permits));
}

static int do_send(struct user *u)
{
	const struct timespec late = soon();
	struct message m = message_make(u->worker.who, u->record->number + 1);

	u->record->number++;
	begin(u, SEND);
	return settle(u, SEND,
		      shmfs_queue_send_until(u->worker.heap, u->queue, &m, sizeof(m),
					     u->worker.who, CLOCK_MONOTONIC, &late));
}

static int check_message(struct user *u, const struct message *m)
{
	if (m->sender >= WORKERS || !message_is_whole(m) ||
	    m->number <= u->last[m->sender] ||
	    m->number > load(&records[m->sender].number))
		return -EBADMSG;
	u->last[m->sender] = m->number;
	return 0;
}

static int do_receive(struct user *u)
{
	const struct timespec late = soon();
	struct message m;
	int r;

	begin(u, RECEIVE);
	r = shmfs_queue_receive_until(u->worker.heap, u->queue, &m, sizeof(m), NULL, NULL,
				      CLOCK_MONOTONIC, &late);
	if (r == 0 && check_message(u, &m) < 0)
		return -EBADMSG;
	return settle(u, RECEIVE, r);
}

/* Most often what keeps a processor busy: who sleeps leaves nothing half done. */
static const struct {
	int (*fn)(struct user *u);
	unsigned int weight;
} operations[] = {
	{ do_memory, 60 },    { do_change, 40 },    { do_turn, 5 },
	{ do_await_turn, 1 }, { do_give, 5 },       { do_take, 4 },
	{ do_post, 5 },       { do_try_permit, 3 }, { do_await_permit, 1 },
	{ do_send, 4 },       { do_receive, 4 },
};

#define WEIGHTS 132

static int do_anything(struct user *u)
{
	unsigned int at = any(u, WEIGHTS);
	size_t i = 0;

	while (at >= operations[i].weight)
		at -= operations[i++].weight;
	return operations[i].fn(u);
}

static struct user user_of(struct shmfs_heap *heap, unsigned int who)
{
	struct user u = {
		.worker = { heap, who, who + 31 * records[who].lives },
		.shared = fixture_object(heap, sizeof(*u.shared)),
		.record = &records[who],
	};

	records[who].lives++;
	__atomic_store_n(&records[who].owner, heap->owner, __ATOMIC_RELAXED);
	assert_int_equal(shmfs_queue_open(heap, "queue", SHMFS_OPEN_ONLY, NULL, &u.queue),
			 0);
	return u;
}

static int work(struct shmfs_heap *heap, void *who)
{
	struct user u = user_of(heap, *(unsigned int *)who);

	/* The alarm stays set: a test that failed just now may have ended unnoticed, and
	 * no worker that is killed lives so long. */
	for (;;) {
		int r = do_anything(&u);

		if (r < 0) {
			print_error("a worker ends: %s\n", strerror(-r));
			return 1;
		}
		add(&u.record->operations, 1);
	}
}

static void start(unsigned int who, bool containers)
{
	records[who].owner = 0; /* until it has attached */
	worker[who] = fixture_start(work, &who, containers);
	dead[who] = false;
}

/* How long a process takes to begin is no matter of the heap. */
static void await_attached(void)
{
	for (int i = 0; i < WORKERS; i++)
		while (!__atomic_load_n(&records[i].owner, __ATOMIC_RELAXED))
			fixture_nap(NAP_NS);
}

/* Who is the living owner of @word, or -1. */
static int holder_of(const uint32_t *word)
{
	uint32_t owner = __atomic_load_n(word, __ATOMIC_RELAXED) & FORMAT_OWNER;

	for (int i = 0; owner && i < WORKERS; i++)
		if (!dead[i] && records[i].owner == owner)
			return i;
	return -1;
}

/* Anyone; or the next who has the lock of the heap, or the mutex, if it comes soon. */
static int choose(struct user *me)
{
	const uint32_t *word = any(me, 2) ? &heap_header(me->worker.heap)->lock
					  : &me->shared->cells.mutex.word;
	uint64_t end = clock_ns() + SOON_NS;
	int who = -1;

	if (any(me, 3))
		while (who < 0 && clock_ns() < end)
			who = holder_of(word);
	while (who < 0 || dead[who])
		who = (int)any(me, WORKERS);
	return who;
}

/* Kills one, or one and shortly afterwards others, which may just be its heirs. */
static unsigned int kill_some(struct user *me)
{
	unsigned int n = any(me, 2) ? 1 : 2 + any(me, WORKERS - 2);

	for (unsigned int i = 0; i < n; i++) {
		int who = choose(me);

		fixture_kill(worker[who]);
		dead[who] = true;
	}
	return n;
}

/* What those who wait without a limit wait for. */
static void help(struct user *me)
{
	assert_int_equal(do_turn(me), 0);
	for (int i = 0; i < WORKERS && !shmfs_semaphore_value(&me->shared->permits); i++)
		assert_int_equal(do_post(me), 0);
}

/*
 * What has become of the workers since a death. On a machine that is busy with other
 * things they wait for a processor, too, and so does the test.
 */
struct watch {
	uint64_t since_ns;
	uint64_t late_ns; /* so much longer than it should have the test slept */
	uint64_t operations[WORKERS];
	uint64_t waited_ns[WORKERS];
	bool went_on[WORKERS];
};

static void watch_begin(struct watch *w)
{
	*w = (struct watch){ .since_ns = clock_ns() };
	for (int i = 0; i < WORKERS; i++) {
		w->operations[i] = load(&records[i].operations);
		w->waited_ns[i] = dead[i] ? 0 : patience_waited_ns(worker[i]);
		w->went_on[i] = dead[i];
	}
}

/*
 * How long worker @who has not gone on, apart from when it waited for a processor, or
 * that of the others for which it may have waited.
 */
static uint64_t watch_delay(const struct watch *w, int who)
{
	uint64_t delay = clock_ns() - w->since_ns, own = 0, others = w->late_ns, ns;

	for (int i = 0; i < WORKERS; i++) {
		if (dead[i])
			continue;
		ns = patience_waited_ns(worker[i]) - w->waited_ns[i];
		if (i == who)
			own = ns;
		else if (ns > others)
			others = ns;
	}
	return delay > own + others ? delay - own - others : 0;
}

static bool watch_all(struct watch *w, struct delay *longest)
{
	bool all = true;

	for (int i = 0; i < WORKERS; i++) {
		uint64_t ns = clock_ns() - w->since_ns, own_ns;

		if (w->went_on[i])
			continue;
		w->went_on[i] = load(&records[i].operations) != w->operations[i];
		all = all && w->went_on[i];
		own_ns = watch_delay(w, i);
		if (own_ns > PROMISED_NS)
			fail_msg("worker %d does not go on", i);
		longest->ns = ns > longest->ns ? ns : longest->ns;
		longest->own_ns = own_ns > longest->own_ns ? own_ns : longest->own_ns;
	}
	return all;
}

/* Every survivor ends what it does at the moment, or what it does next. */
static void await_survivors(struct user *me, struct delay *longest)
{
	struct watch watch;
	uint64_t before;

	watch_begin(&watch);
	for (help(me); !watch_all(&watch, longest); help(me)) {
		before = clock_ns();
		fixture_nap(NAP_NS);
		watch.late_ns += clock_ns() - before - NAP_NS;
	}
}

static uint64_t begun(int what)
{
	uint64_t n = 0;

	for (int i = 0; i <= WORKERS; i++)
		n += records[i].begun[what];
	return n;
}

static uint64_t done(int what)
{
	uint64_t n = 0;

	for (int i = 0; i <= WORKERS; i++)
		n += records[i].done[what];
	return n;
}

/* Nobody works. Permits and messages are those that there must be. */
static void verify_sums(struct user *me)
{
	uint64_t permits = shmfs_semaphore_value(&me->shared->permits);
	struct shmfs_queue_info info;

	assert_true(permits + begun(TAKE) >= done(POST));
	assert_true(permits + done(TAKE) <= begun(POST));
	/* Whoever receives one makes the queue anew if a dead one left it half changed.
	 */
	memset(me->last, 0, sizeof(me->last));
	for (info.messages = 1; info.messages > 0; shmfs_queue_info(me->queue, &info))
		assert_int_equal(do_receive(me), 0);
	assert_true(begun(RECEIVE) >= done(SEND));
	assert_true(done(RECEIVE) <= begun(SEND));
}

static void kill_all(void)
{
	for (int i = 0; i < WORKERS; i++)
		fixture_kill(worker[i]);
}

static void start_all(bool containers)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		start(i, containers);
}

static void report(struct user *me, unsigned int killed, const struct delay *longest)
{
	const struct cells *cells = &me->shared->cells;
	struct shmfs_heap_info info;
	uint64_t n = 0;

	for (int i = 0; i < WORKERS; i++)
		n += records[i].operations;
	shmfs_heap_info(me->worker.heap, &info);
	print_message("%u kills within %" PRIu64 " operations; %" PRIu64
		      " changes of the heap undone; %" PRIu64
		      " repairs behind the mutex, %" PRIu64
		      " broken off by a kill; longest delay of a survivor %.1f ms,"
		      " %.1f ms without waiting for a processor\n",
		      killed, n, info.deaths, cells->repairs, cells->broken_off,
		      (double)longest->ns / 1e6, (double)longest->own_ns / 1e6);
	if (killed >= 100)
		assert_true(info.deaths > 0 && cells->repairs > 0);
	assert_int_equal(info.attachments, 1);
}

static struct user prepare(void)
{
	const struct shmfs_queue_options options = { CAPACITY, sizeof(struct message) };
	struct shmfs_heap *heap = fixture_heap(0, UINT64_C(1) << 20);
	struct shared *shared = fixture_object(heap, sizeof(*shared));
	struct shmfs_queue *queue;

	records = mmap(NULL, (WORKERS + 1) * sizeof(*records), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(records != MAP_FAILED);
	worker_prepare(heap);
	shared->cells.pause.tv_nsec = 1000000;
	assert_int_equal(
		shmfs_queue_open(heap, "queue", SHMFS_CREATE_ONLY, &options, &queue), 0);
	return user_of(heap, WORKERS);
}

static void finish(struct user *me)
{
	munmap(records, (WORKERS + 1) * sizeof(*records));
	fixture_heap_end(me->worker.heap);
}

static void kill_at_random(unsigned int n, bool containers)
{
	struct delay longest = { 0 };
	struct user me = prepare();
	unsigned int killed = 0;

	start_all(containers);
	for (unsigned int i = 1; killed < n; i++) {
		alarm(FIXTURE_SECONDS);
		await_attached();
		fixture_nap(any(&me, 10000000));
		killed += kill_some(&me);
		await_survivors(&me, &longest);
		worker_verify(me.worker.heap);
		for (unsigned int who = 0; who < WORKERS; who++)
			if (dead[who])
				start(who, containers);
		if (i % 64)
			continue;
		kill_all();
		killed += WORKERS;
		worker_verify(me.worker.heap);
		verify_sums(&me);
		start_all(containers);
	}
	kill_all();
	worker_verify(me.worker.heap);
	verify_sums(&me);
	report(&me, killed + WORKERS, &longest);
	finish(&me);
}

static void test_in_containers(void **state)
{
	(void)state;
	kill_at_random(kills() / 2, true);
}

static void test_in_one_namespace(void **state)
{
	(void)state;
	kill_at_random(kills() - kills() / 2, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_in_containers),
		fixture_test(test_in_one_namespace),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("all-kill", tests, NULL, NULL) != 0;
}
