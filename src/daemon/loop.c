/* SPDX-License-Identifier: MIT */
/*
 * One thread at a time, the leader, reads requests and serves each itself before it reads
 * the next. Nobody else waits in the kernel then: a caller wakes no second thread in
 * vain, the leader's memory is warm, and who looks for the next request for a moment
 * before sleeping (polling.h) is found awake. libfuse's own loop has several threads that
 * sleep side by side and are woken in turn, each on a processor of its own.
 *
 * Others take part in two cases. When a request takes long, the monitor gives the
 * leadership to another thread, so that no request waits for the work of another: users
 * share the threads (slow.h). When requests are there without a pause, helpers read and
 * serve beside the leader for as long as it lasts; a helper whose request takes long is
 * none any more, and another may help.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/crew.h"
#include "daemon/demand.h"
#include "daemon/dispatch.h"
#include "daemon/later.h"
#include "daemon/loop.h"
#include "daemon/probe.h"
#include "daemon/slow.h"
#include "daemon/source.h"
#include "util/clock.h"

/* How long a request may keep others waiting: twice this at the most. */
#define MONITOR_NS 2000000

/* How often it looks when there is nothing but what takes long. */
#define OLD_NS (50L * 1000 * 1000)

/* No look of the monitor counts for more: the whole process may have been stopped. */
#define LOOK_NS_MAX (UINT64_C(100) * 1000 * 1000)

/* How long threads may take to end. */
#define JOIN_PATIENCE (UINT64_C(2) * 1000 * 1000 * 1000)

/* So many requests without a pause, and a helper is called. */
#define STREAK 64

struct loop {
	struct fuse_session *session; /* borrowed */
	struct source source;
	bool (*serves)(void *context, const void *header);
	void (*told)(void *context, uint32_t request, uint64_t ns);
	void *context; /* of those two */
	unsigned int max_helpers;
	struct dispatch_loss loss;

	atomic_uint helpers; /* there are */
	atomic_ulong served; /* requests that were begun */
	atomic_bool watched; /* by the monitor, which otherwise sleeps */
	struct slow slow;
	struct probe probe;
	pthread_t monitor;
	bool monitored;

	struct crew crew;     /* whose lock protects what follows, too */
	pthread_cond_t watch; /* for the monitor: watched, or ended */
	pthread_cond_t end;   /* for loop_run() */
	bool ended;           /* protected by the lock */
	int result;           /* likewise */
	struct later later;   /* likewise */
	unsigned int held;    /* threads that did not end when they were told to */
};

/* Called with the lock held. */
static void end(struct loop *l, int result)
{
	if (!l->ended)
		l->result = result;
	l->ended = true;
	slow_stop(&l->slow);
	pthread_cond_signal(&l->watch);
	pthread_cond_signal(&l->end);
	crew_call_all(&l->crew);
}

/*
 * Serving
 */
static void wake_monitor(struct loop *l)
{
	pthread_mutex_lock(&l->crew.lock);
	atomic_store(&l->watched, true);
	pthread_cond_signal(&l->watch);
	pthread_mutex_unlock(&l->crew.lock);
}

static bool is_served(const struct loop *l, const struct fuse_buf *buf)
{
	return !l->serves || buf->flags & FUSE_BUF_IS_FD ||
	       l->serves(l->context, buf->mem);
}

static void process(struct worker *w, const struct fuse_buf *buf)
{
	struct loop *l = w->loop;
	uint64_t begin = clock_ns();

	if (!is_served(l, buf))
		return;
	dispatch(l->session, buf, &l->loss);
	if (l->told)
		l->told(l->context, w->serving.demand.opcode, clock_ns() - begin);
}

/* The monitor looks after @w from here on. */
static unsigned long begin(struct worker *w)
{
	struct loop *l = w->loop;
	unsigned long number = atomic_fetch_add(&l->served, 1) + 1;

	atomic_store(&w->busy, number);
	if (!atomic_load(&l->watched))
		wake_monitor(l);
	return number;
}

/*
 * Called with the lock held. What was left for when the request is answered takes long.
 * One thread with nothing else to do does it for all: more would be missed, and the
 * leader would.
 */
static void do_afterwards(struct worker *w)
{
	struct serving *s = &w->serving;
	struct loop *l = w->loop;
	struct worker *other;

	if (!s->after)
		return;
	if (later_add(&l->later, s->after, s->after_context)) {
		other = l->later.done ? NULL : crew_take(w->crew);
		l->later.done |= other != NULL;
		if (other)
			crew_call(other, ROLE_LATER);
	} else {
		pthread_mutex_unlock(&w->crew->lock);
		s->after(s->after_context);
		pthread_mutex_lock(&w->crew->lock);
	}
	s->after = NULL;
}

/* Serves the request of @w in its role. Returns whether it still has that when it is
 * done. */
static bool serve(struct worker *w)
{
	struct loop *l = w->loop;
	struct serving *s = &w->serving;
	enum slow_verdict verdict;
	unsigned long number;

	s->demand = demand_of(&w->buf);
	verdict = slow_admit(&l->slow, &s->demand, &w->buf);
	if (verdict == SLOW_TAKEN)
		return true;
	s->hasty = verdict == SLOW_HURRY;
	number = begin(w);
	process(w, &w->buf);
	if (s->hasty) {
		s->hasty = false;
		if (s->would_wait && !slow_put_off(&l->slow, &s->demand, &w->buf))
			process(w, &w->buf);
		s->would_wait = false;
	}
	if (!atomic_compare_exchange_strong(&w->busy, &number, 0))
		return false;
	if (s->after) {
		pthread_mutex_lock(&l->crew.lock);
		do_afterwards(w);
		pthread_mutex_unlock(&l->crew.lock);
	}
	return true;
}

static void call_helper(struct loop *l)
{
	struct worker *helper;

	l->source.streak = 0;
	if (atomic_load(&l->helpers) >= l->max_helpers)
		return;
	pthread_mutex_lock(&l->crew.lock);
	helper = l->ended ? NULL : crew_take(&l->crew);
	if (helper) {
		atomic_fetch_add(&l->helpers, 1);
		crew_call(helper, ROLE_HELPER);
	}
	pthread_mutex_unlock(&l->crew.lock);
}

static void lead(struct worker *w)
{
	struct loop *l = w->loop;
	int r;

	for (;;) {
		r = source_await(&l->source, &w->buf, &w->receiving);
		if (r <= 0)
			break;
		if (l->source.streak >= STREAK)
			call_helper(l);
		if (!serve(w))
			return;
	}
	pthread_mutex_lock(&l->crew.lock);
	end(l, r);
	pthread_mutex_unlock(&l->crew.lock);
}

static void help(struct worker *w)
{
	struct loop *l = w->loop;

	while (!atomic_load(&l->source.sleeping) &&
	       source_receive(&l->source, &w->buf, &w->receiving) > 0)
		if (!serve(w))
			return;
	atomic_fetch_sub(&l->helpers, 1);
}

/*
 * Called with the lock held, which it gives up meanwhile. What @w served took long and is
 * done: serves what was put off until then.
 */
static void end_slow(struct worker *w)
{
	struct loop *l = w->loop;
	struct serving *s = &w->serving;
	struct slow_request *r;

	while (w->slow) {
		do_afterwards(w);
		r = slow_end(&l->slow, &s->demand, atomic_load(&s->given_up));
		w->slow = r;
		atomic_store(&s->given_up, false);
		if (r) {
			const struct fuse_buf buf = { .size = r->size, .mem = r->bytes };

			s->demand = r->demand;
			w->age = r->age;
			pthread_mutex_unlock(&l->crew.lock);
			process(w, &buf);
			free(r);
			pthread_mutex_lock(&l->crew.lock);
		}
	}
}

static void *work(void *data)
{
	struct worker *w = data;
	struct loop *l = w->loop;

	demand_serve_with(&w->serving);
	pthread_mutex_lock(&l->crew.lock);
	while (!l->ended) {
		enum role role = w->role;

		if (role == ROLE_IDLE) {
			pthread_cond_wait(&w->called, &l->crew.lock);
			continue;
		}
		pthread_mutex_unlock(&l->crew.lock);
		if (role == ROLE_LEADER)
			lead(w);
		else if (role == ROLE_HELPER)
			help(w);
		pthread_mutex_lock(&l->crew.lock);
		end_slow(w);
		/* There may have been no thread for it. */
		if (role == ROLE_LATER || !l->later.done)
			later_do(&l->later, &l->crew.lock);
		crew_put(w);
	}
	pthread_mutex_unlock(&l->crew.lock);
	free(w->buf.mem);
	return NULL;
}

/*
 * The monitor
 */

/* About what libfuse allocates for the requests of a thread. */
#define BUFFER_SIZE ((1 << 20) + 4096)

/*
 * Called with the lock held. Takes a worker to lead, or returns NULL where there is none.
 * A worker that has not received yet allocates its buffer first: without memory all
 * requests would wait for it, and the leader that has a buffer can refuse them.
 */
static struct worker *take_leader(struct loop *l)
{
	struct worker *w = crew_take(&l->crew);
	void *volatile memory;

	if (!w || w->buf.mem)
		return w;
	memory = malloc(BUFFER_SIZE);
	if (memory) {
		free(memory);
		return w;
	}
	crew_put(w);
	return NULL;
}

/*
 * Called with the lock held. Request @number of @w takes long: somebody else has its role
 * while it goes on. Without anybody to lead the leader stays.
 */
static void find_slow(struct loop *l, struct worker *w, unsigned long number)
{
	bool leads = w->role == ROLE_LEADER;
	struct worker *other = leads ? take_leader(l) : NULL;

	if (leads && !other)
		return;
	if (!atomic_compare_exchange_strong(&w->busy, &number, 0)) {
		if (other)
			crew_put(other);
		return;
	}
	w->slow = true;
	w->age = 0;
	slow_begin(&l->slow, &w->serving.demand);
	if (leads)
		crew_call(other, ROLE_LEADER);
	else
		atomic_fetch_sub(&l->helpers, 1);
}

/* Called with the lock held. */
static void give_up(struct loop *l, struct worker *w)
{
	atomic_store(&w->serving.given_up, true);
	slow_give_up(&l->slow, &w->serving.demand);
}

/*
 * Called with the lock held. @w has had @ns more. Returns whether it waits for a file and
 * has done so for long.
 */
static bool look_after(struct loop *l, struct worker *w, uint64_t ns)
{
	unsigned long number = atomic_load(&w->busy);

	if (number && number == w->seen)
		find_slow(l, w, number);
	w->seen = number;
	if (!w->slow || atomic_load(&w->serving.given_up))
		return false;
	w->age += ns;
	if (w->age < SLOW_DIRECTORY_NS)
		return false;
	if (w->serving.demand.class == DEMAND_DIRECTORY)
		give_up(l, w);
	return w->serving.demand.class == DEMAND_FILE;
}

/* Called with the lock held. Whether anything gets old that may have to be given up. */
static bool has_old(const struct loop *l)
{
	for (const struct worker *w = l->crew.workers; w; w = w->next)
		if (w->slow && w->serving.demand.class != DEMAND_NOTHING &&
		    !atomic_load(&w->serving.given_up))
			return true;
	return false;
}

/*
 * Called with the lock held. Requests wait for files, and @ns more have passed. While one
 * does the kernel may have locked its file, and for who removes that file it then holds
 * the directory, without asking us. So where it is held they are given up.
 */
static void look_at_directories(struct loop *l, uint64_t ns)
{
	if (probe_ask(&l->probe, ns) < SLOW_DIRECTORY_NS)
		return;
	for (struct worker *w = l->crew.workers; w; w = w->next)
		if (w->slow && w->serving.demand.class == DEMAND_FILE &&
		    w->age >= SLOW_DIRECTORY_NS && !atomic_load(&w->serving.given_up))
			give_up(l, w);
	slow_refuse_files(&l->slow);
}

/* Called with the lock held. Returns when more than @served requests have begun. */
static void rest(struct loop *l, unsigned long served)
{
	atomic_store(&l->watched, false);
	/* Who begins to serve from here on sees that nobody watches. */
	if (served == atomic_load(&l->served) && !crew_is_busy(&l->crew))
		while (!l->ended && !atomic_load(&l->watched))
			pthread_cond_wait(&l->watch, &l->crew.lock);
	atomic_store(&l->watched, true);
}

/* Called with the lock held. Returns after @ns, and before if nothing is @active that
 * becomes so. */
static void tick(struct loop *l, long ns, bool active)
{
	struct timespec until = clock_in(CLOCK_MONOTONIC, ns);

	atomic_store(&l->watched, active);
	/* Who begins to serve from here on sees that nobody watches. */
	active = active || crew_is_busy(&l->crew);
	while (!l->ended && (active || !atomic_load(&l->watched)) &&
	       pthread_cond_timedwait(&l->watch, &l->crew.lock, &until) == 0)
		;
	atomic_store(&l->watched, true);
}

/* Wakes up for as long as requests come or get old, and rests with them. */
static void *monitor(void *data)
{
	struct loop *l = data;
	unsigned long served = 0;
	uint64_t before, ns;
	bool active = false, old = false, waits;

	pthread_mutex_lock(&l->crew.lock);
	while (!l->ended) {
		active = active || served != atomic_load(&l->served);
		if (!active && !old)
			rest(l, served);
		served = atomic_load(&l->served);
		before = clock_ns();
		tick(l, active || !old ? MONITOR_NS : OLD_NS, active || !old);
		ns = clock_ns() - before;
		ns = ns < LOOK_NS_MAX ? ns : LOOK_NS_MAX;
		waits = false;
		for (struct worker *w = l->crew.workers; w; w = w->next)
			waits |= look_after(l, w, ns);
		old = slow_age(&l->slow, ns, &waits) || has_old(l);
		if (waits)
			look_at_directories(l, ns);
		active = crew_is_busy(&l->crew);
	}
	pthread_mutex_unlock(&l->crew.lock);
	return NULL;
}

/*
 * Life
 */
static unsigned int processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned int)n;
}

/* Until they are seen to take long they all may be held up, and others must be left. */
static unsigned int helpers_for(unsigned int threads)
{
	unsigned int n = processors() - 1;

	return n < threads / 4 ? n : threads / 4;
}

/*
 * One is left to lead, and those to help. As many may come to wait for a directory in the
 * same moment, whoever has his share.
 */
static unsigned int threads_for_slow(unsigned int threads, unsigned int helpers)
{
	unsigned int others = 2 * (helpers + 1);

	return threads > others ? threads - others : 1;
}

static void init_conditions(struct loop *l)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&l->watch, &attributes);
	pthread_cond_init(&l->end, NULL);
	pthread_condattr_destroy(&attributes);
}

/*
 * What serving takes is there before anybody is told that we do. With fewer threads than
 * @threads less can be held up at once, but two take turns to lead.
 */
static int start(struct loop *l, unsigned int threads, void (*look)(void *context))
{
	int r = 0;

	pthread_mutex_lock(&l->crew.lock);
	while (r == 0 && l->crew.n < threads)
		r = crew_add(&l->crew, l, work);
	pthread_mutex_unlock(&l->crew.lock);
	if (l->crew.n < 2 && r < 0)
		return r;
	r = probe_start(&l->probe, look, l->context);
	if (r < 0)
		return r;
	l->max_helpers = helpers_for(l->crew.n);
	slow_init(&l->slow, fuse_session_fd(l->session),
		  threads_for_slow(l->crew.n, l->max_helpers), &l->loss);
	r = crew_start_thread(&l->monitor, monitor, l);
	l->monitored = r == 0;
	return r;
}

int loop_new(struct fuse_session *session, const struct loop_config *config,
	     struct loop **ret)
{
	_cleanup_(cleanup_loop) struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	r = crew_init(&l->crew);
	l->session = session;
	l->serves = config->serves;
	l->told = config->served;
	l->context = config->context;
	l->loss = config->loss;
	source_init(&l->source, session, config->poll_ns);
	init_conditions(l);
	if (r == 0)
		r = start(l, config->threads, config->look);
	if (r == 0)
		*ret = take_ptr(l);
	return r;
}

/* Ends the threads that have not ended yet. */
static void join(struct loop *l)
{
	pthread_mutex_lock(&l->crew.lock);
	end(l, 0);
	pthread_mutex_unlock(&l->crew.lock);
	if (l->monitored)
		pthread_join(l->monitor, NULL);
	l->monitored = false;
	l->held = crew_join(&l->crew, JOIN_PATIENCE, loop_stop);
	l->held += !probe_stop(&l->probe);
	if (l->held > 0)
		return;
	/* What it is about is taken down after this. */
	pthread_mutex_lock(&l->crew.lock);
	later_do(&l->later, &l->crew.lock);
	pthread_mutex_unlock(&l->crew.lock);
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	join(l);
	assert(l->held == 0);
	slow_done(&l->slow);
	pthread_cond_destroy(&l->end);
	pthread_cond_destroy(&l->watch);
	crew_done(&l->crew);
	free(l);
	return NULL;
}

int loop_run(struct loop *l)
{
	int r;

	source_start(&l->source);
	pthread_mutex_lock(&l->crew.lock);
	crew_call(crew_take(&l->crew), ROLE_LEADER);
	while (!l->ended)
		pthread_cond_wait(&l->end, &l->crew.lock);
	r = l->result;
	pthread_mutex_unlock(&l->crew.lock);
	join(l);
	return r;
}

void loop_stop(struct loop *l)
{
	source_stop(&l->source);
	crew_wake(&l->crew);
}

unsigned int loop_held(const struct loop *l)
{
	return l->held;
}
