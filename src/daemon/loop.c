/* SPDX-License-Identifier: MIT */
/*
 * One thread at a time, the leader, reads requests and serves each itself before it reads
 * the next. Nobody else waits in the kernel then: a caller wakes no second thread in
 * vain, the leader's memory is warm, and who looks for the next request for a moment
 * before sleeping (polling.h) is found awake. libfuse's own loop has several threads that
 * sleep side by side and are woken in turn, each on a processor of its own.
 *
 * Others take part in two cases. When a request takes long, the monitor gives the
 * leadership to another thread, so that no request waits for the work of another, as long
 * as there are threads: users share them (slow.h). When requests are there without a
 * pause, helpers read and serve beside the leader for as long as it lasts.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/dispatch.h"
#include "daemon/loop.h"
#include "daemon/slow.h"
#include "daemon/source.h"
#include "util/clock.h"

/* How long a request may keep others waiting: twice this at the most. */
#define MONITOR_NS 2000000

/* Between two attempts to wake a thread that is to end. */
#define JOIN_NS 1000000

/* So many requests without a pause, and a helper is called. */
#define STREAK 64

enum role {
	ROLE_IDLE,
	ROLE_LEADER,
	ROLE_HELPER,
};

struct worker {
	struct loop *loop;
	pthread_t thread;
	pthread_cond_t called;
	enum role role;        /* protected by loop->lock */
	bool slow;             /* what it serves takes long; protected by loop->lock */
	uid_t slow_uid;        /* likewise: whose that counts as */
	atomic_bool receiving; /* it may be woken: no native call is under way */
	struct fuse_buf buf;
	struct worker *next;      /* in loop->workers; protected by loop->lock */
	struct worker *next_idle; /* in loop->idle; protected by loop->lock */
};

struct loop {
	struct fuse_session *session; /* borrowed */
	struct source source;
	bool (*serves)(void *context, const void *header);
	void (*told)(void *context, uint32_t request, uint64_t ns);
	void *context; /* of those two */
	unsigned int max_threads;
	unsigned int max_helpers;
	struct dispatch_loss loss;

	atomic_uint helpers; /* there are */
	atomic_ulong served; /* requests that leaders have begun to serve */
	atomic_ulong busy;   /* the number of the one that the leader serves, or 0 */
	atomic_bool watched; /* by the monitor, which otherwise sleeps */
	struct slow slow;

	/* Those that there are from the start. */
	struct worker *first;
	pthread_t monitor;
	bool monitored;

	pthread_mutex_t lock;
	pthread_cond_t watch;          /* for the monitor: watched, or ended */
	pthread_cond_t end;            /* for loop_run() */
	bool ended;                    /* protected by lock */
	int result;                    /* protected by lock */
	unsigned int threads;          /* protected by lock */
	struct worker *workers, *idle; /* protected by lock */
	struct worker *leader;         /* the last to be called; protected by lock */
};

static int wake_signal(void)
{
	return SIGRTMIN + 1;
}

static void on_wake(int number)
{
	(void)number;
}

/*
 * Threads
 */
static void *work(void *data);

static int start_thread(pthread_t *thread, void *(*run)(void *), void *data)
{
	sigset_t blocked, before;
	int r;

	sigfillset(&blocked);
	sigdelset(&blocked, wake_signal());
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(thread, NULL, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* Called with the lock held. */
static int add_worker(struct loop *l, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = l;
	pthread_cond_init(&w->called, NULL);
	r = start_thread(&w->thread, work, w);
	if (r < 0) {
		pthread_cond_destroy(&w->called);
		free(w);
		return r;
	}
	w->next = l->workers;
	l->workers = w;
	l->threads++;
	*ret = w;
	return 0;
}

/* Called with the lock held. A worker without a role, or NULL where no more can be had.
 */
static struct worker *take_idle(struct loop *l)
{
	struct worker *w = l->idle;

	if (w)
		l->idle = w->next_idle;
	else if (l->threads >= l->max_threads || add_worker(l, &w) < 0)
		return NULL;
	return w;
}

/* Called with the lock held. */
static void call(struct worker *w, enum role role)
{
	w->role = role;
	if (role == ROLE_LEADER)
		w->loop->leader = w;
	pthread_cond_signal(&w->called);
}

/* Called with the lock held. The last one that stopped working is the warmest. */
static void put_idle(struct worker *w)
{
	w->role = ROLE_IDLE;
	w->next_idle = w->loop->idle;
	w->loop->idle = w;
}

/* Called with the lock held. */
static void end(struct loop *l, int result)
{
	if (!l->ended)
		l->result = result;
	l->ended = true;
	slow_stop(&l->slow);
	pthread_cond_signal(&l->watch);
	pthread_cond_signal(&l->end);
	for (struct worker *w = l->workers; w; w = w->next)
		pthread_cond_signal(&w->called);
}

/*
 * Serving
 */
static void wake_monitor(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	atomic_store(&l->watched, true);
	pthread_cond_signal(&l->watch);
	pthread_mutex_unlock(&l->lock);
}

/* What is asked for; it need not be in memory. */
static uint32_t request_of(const struct fuse_buf *buf)
{
	const struct fuse_in_header *header = buf->mem;

	return buf->flags & FUSE_BUF_IS_FD ? 0 : header->opcode;
}

static bool is_served(const struct loop *l, const struct fuse_buf *buf)
{
	return !l->serves || buf->flags & FUSE_BUF_IS_FD ||
	       l->serves(l->context, buf->mem);
}

static void process(struct loop *l, const struct fuse_buf *buf)
{
	uint32_t request = request_of(buf);
	uint64_t begin = clock_ns();

	if (!is_served(l, buf))
		return;
	dispatch(l->session, buf, &l->loss);
	if (l->told)
		l->told(l->context, request, clock_ns() - begin);
}

/* Serves the request of @w as leader. Returns whether it still is when that is done. */
static bool serve(struct worker *w)
{
	struct loop *l = w->loop;
	unsigned long number = atomic_fetch_add(&l->served, 1) + 1;

	atomic_store(&l->busy, number);
	if (!atomic_load(&l->watched))
		wake_monitor(l);
	process(l, &w->buf);
	return atomic_compare_exchange_strong(&l->busy, &number, 0);
}

static void call_helper(struct loop *l)
{
	struct worker *helper;

	l->source.streak = 0;
	if (atomic_load(&l->helpers) >= l->max_helpers)
		return;
	pthread_mutex_lock(&l->lock);
	helper = l->ended ? NULL : take_idle(l);
	if (helper) {
		atomic_fetch_add(&l->helpers, 1);
		call(helper, ROLE_HELPER);
	}
	pthread_mutex_unlock(&l->lock);
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
	pthread_mutex_lock(&l->lock);
	end(l, r);
	pthread_mutex_unlock(&l->lock);
}

static void help(struct worker *w)
{
	struct loop *l = w->loop;

	while (!atomic_load(&l->source.sleeping) &&
	       source_receive(&l->source, &w->buf, &w->receiving) > 0)
		process(l, &w->buf);
	atomic_fetch_sub(&l->helpers, 1);
}

/* What @uid asked for is done. Serves what was put off until then. */
static void serve_put_off(struct loop *l, uid_t uid)
{
	struct slow_request *r;

	while ((r = slow_end(&l->slow, uid))) {
		const struct fuse_buf buf = { .size = r->size, .mem = r->bytes };

		process(l, &buf);
		uid = r->uid;
		free(r);
	}
}

/* Called with the lock held, which it gives up meanwhile. */
static void end_slow(struct worker *w)
{
	if (!w->slow)
		return;
	w->slow = false;
	pthread_mutex_unlock(&w->loop->lock);
	serve_put_off(w->loop, w->slow_uid);
	pthread_mutex_lock(&w->loop->lock);
}

static void *work(void *data)
{
	struct worker *w = data;
	struct loop *l = w->loop;

	pthread_mutex_lock(&l->lock);
	while (!l->ended) {
		enum role role = w->role;

		if (role == ROLE_IDLE) {
			pthread_cond_wait(&w->called, &l->lock);
			continue;
		}
		pthread_mutex_unlock(&l->lock);
		if (role == ROLE_LEADER)
			lead(w);
		else
			help(w);
		pthread_mutex_lock(&l->lock);
		end_slow(w);
		put_idle(w);
	}
	pthread_mutex_unlock(&l->lock);
	free(w->buf.mem);
	return NULL;
}

/*
 * The monitor
 */

/* Called with the lock held. Somebody else leads while request @number goes on. */
static void replace_leader(struct loop *l, unsigned long number)
{
	struct worker *w = take_idle(l);
	struct worker *held = l->leader;

	if (!w)
		return;
	if (!atomic_compare_exchange_strong(&l->busy, &number, 0)) {
		put_idle(w);
		return;
	}
	held->slow = slow_begin(&l->slow, &held->buf, &held->slow_uid);
	call(w, ROLE_LEADER);
}

/* Called with the lock held. Returns when more than @served requests have begun. */
static void rest(struct loop *l, unsigned long served)
{
	atomic_store(&l->watched, false);
	/* Who begins to serve from here on sees that nobody watches. */
	if (served == atomic_load(&l->served) && !atomic_load(&l->busy))
		while (!l->ended && !atomic_load(&l->watched))
			pthread_cond_wait(&l->watch, &l->lock);
	atomic_store(&l->watched, true);
}

/* Called with the lock held. */
static void tick(struct loop *l)
{
	struct timespec until = clock_in(CLOCK_MONOTONIC, MONITOR_NS);

	while (!l->ended && pthread_cond_timedwait(&l->watch, &l->lock, &until) == 0)
		;
}

/* Wakes up for as long as requests come, and rests with them. */
static void *monitor(void *data)
{
	struct loop *l = data;
	unsigned long served = 0, busy = 0;

	pthread_mutex_lock(&l->lock);
	while (!l->ended) {
		if (!busy && served == atomic_load(&l->served))
			rest(l, served);
		served = atomic_load(&l->served);
		busy = atomic_load(&l->busy);
		tick(l);
		if (busy && busy == atomic_load(&l->busy))
			replace_leader(l, busy);
	}
	pthread_mutex_unlock(&l->lock);
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

/* Helpers are not watched: should all be held up, many others must be left. */
static unsigned int helpers_for(unsigned int threads)
{
	unsigned int n = processors() - 1;

	return n < threads / 4 ? n : threads / 4;
}

/* One is left to lead. */
static unsigned int threads_for_slow(unsigned int threads, unsigned int helpers)
{
	return threads > helpers + 1 ? threads - helpers - 1 : 1;
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

/* What serving takes is there before anybody is told that we do. */
static int start(struct loop *l)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = add_worker(l, &l->first);
	if (r == 0)
		r = start_thread(&l->monitor, monitor, l);
	l->monitored = r == 0;
	pthread_mutex_unlock(&l->lock);
	return r;
}

/* The loop has ended, so there will be no more workers. */
static void join_workers(struct loop *l)
{
	struct worker *w;

	for (w = l->workers; w; w = w->next) {
		struct timespec until = clock_in(CLOCK_REALTIME, JOIN_NS);

		/* A helper may be asleep. */
		while (pthread_timedjoin_np(w->thread, NULL, &until) != 0) {
			loop_stop(l);
			until = clock_in(CLOCK_REALTIME, JOIN_NS);
		}
	}
	pthread_mutex_lock(&l->lock);
	while ((w = l->workers)) {
		l->workers = w->next;
		pthread_cond_destroy(&w->called);
		free(w);
	}
	pthread_mutex_unlock(&l->lock);
}

int loop_new(struct fuse_session *session, const struct loop_config *config,
	     struct loop **ret)
{
	struct sigaction wake = { .sa_handler = on_wake }; /* no SA_RESTART */
	_cleanup_(cleanup_loop) struct loop *l = NULL;
	int r;

	sigemptyset(&wake.sa_mask);
	if (sigaction(wake_signal(), &wake, NULL) < 0)
		return -errno;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->session = session;
	l->serves = config->serves;
	l->told = config->served;
	l->context = config->context;
	l->loss = config->loss;
	l->max_threads = config->threads;
	l->max_helpers = helpers_for(config->threads);
	slow_init(&l->slow, fuse_session_fd(session),
		  threads_for_slow(config->threads, l->max_helpers), &l->loss);
	source_init(&l->source, session, &l->slow, config->poll_ns);
	pthread_mutex_init(&l->lock, NULL);
	init_conditions(l);
	r = start(l);
	if (r == 0)
		*ret = take_ptr(l);
	return r;
}

/* Ends the threads that have not ended yet. */
static void join(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	end(l, 0);
	pthread_mutex_unlock(&l->lock);
	if (l->monitored)
		pthread_join(l->monitor, NULL);
	l->monitored = false;
	join_workers(l);
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	join(l);
	slow_done(&l->slow);
	pthread_cond_destroy(&l->end);
	pthread_cond_destroy(&l->watch);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

int loop_run(struct loop *l)
{
	int r;

	source_start(&l->source);
	pthread_mutex_lock(&l->lock);
	call(l->first, ROLE_LEADER);
	while (!l->ended)
		pthread_cond_wait(&l->end, &l->lock);
	r = l->result;
	pthread_mutex_unlock(&l->lock);
	join(l);
	return r;
}

void loop_stop(struct loop *l)
{
	source_stop(&l->source);
	pthread_mutex_lock(&l->lock);
	for (struct worker *w = l->workers; w; w = w->next)
		if (atomic_load(&w->receiving))
			pthread_kill(w->thread, wake_signal());
	pthread_mutex_unlock(&l->lock);
}
