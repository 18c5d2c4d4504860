/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/crew.h"
#include "util/clock.h"

/* Between two attempts to wake a thread that is to end. */
#define JOIN_NS 1000000

#define STACK (512 * 1024)

static int wake_signal(void)
{
	return SIGRTMIN + 1;
}

static void on_wake(int number)
{
	(void)number;
}

int crew_init(struct crew *c)
{
	struct sigaction wake = { .sa_handler = on_wake }; /* no SA_RESTART */

	*c = (struct crew){ .n = 0 };
	pthread_mutex_init(&c->lock, NULL);
	sigemptyset(&wake.sa_mask);
	return sigaction(wake_signal(), &wake, NULL) < 0 ? -errno : 0;
}

void crew_done(struct crew *c)
{
	struct worker *w;

	while ((w = c->workers)) {
		c->workers = w->next;
		pthread_cond_destroy(&w->called);
		free(w);
	}
	pthread_mutex_destroy(&c->lock);
}

int crew_start_thread(pthread_t *thread, void *(*run)(void *), void *data)
{
	sigset_t blocked, before;
	pthread_attr_t small;
	int r;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK);
	sigfillset(&blocked);
	sigdelset(&blocked, wake_signal());
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(thread, &small, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&small);
	return -r;
}

int crew_add(struct crew *c, struct loop *l, void *(*run)(void *))
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->crew = c;
	w->loop = l;
	pthread_cond_init(&w->called, NULL);
	r = crew_start_thread(&w->thread, run, w);
	if (r < 0) {
		pthread_cond_destroy(&w->called);
		free(w);
		return r;
	}
	w->next = c->workers;
	c->workers = w;
	c->n++;
	crew_put(w);
	return 0;
}

struct worker *crew_take(struct crew *c)
{
	struct worker *w = c->idle;

	if (w)
		c->idle = w->next_idle;
	return w;
}

void crew_put(struct worker *w)
{
	w->role = ROLE_IDLE;
	w->next_idle = w->crew->idle;
	w->crew->idle = w;
}

void crew_call(struct worker *w, enum role role)
{
	w->role = role;
	pthread_cond_signal(&w->called);
}

void crew_call_all(struct crew *c)
{
	for (struct worker *w = c->workers; w; w = w->next)
		pthread_cond_signal(&w->called);
}

bool crew_is_busy(const struct crew *c)
{
	for (const struct worker *w = c->workers; w; w = w->next)
		if (atomic_load(&w->busy))
			return true;
	return false;
}

void crew_wake(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	for (struct worker *w = c->workers; w; w = w->next)
		if (!w->joined && atomic_load(&w->receiving))
			pthread_kill(w->thread, wake_signal());
	pthread_mutex_unlock(&c->lock);
}

static bool join(struct crew *c, struct worker *w)
{
	struct timespec until = clock_in(CLOCK_REALTIME, JOIN_NS);
	bool ended = pthread_timedjoin_np(w->thread, NULL, &until) == 0;

	pthread_mutex_lock(&c->lock);
	w->joined = ended;
	pthread_mutex_unlock(&c->lock);
	return ended;
}

unsigned int crew_join(struct crew *c, uint64_t patience, void (*stop)(struct loop *l))
{
	uint64_t last = clock_ns() + patience;
	unsigned int held = 0;

	for (struct worker *w = c->workers; w; w = w->next) {
		while (!w->joined && !join(c, w) && clock_ns() < last)
			stop(w->loop);
		held += !w->joined;
	}
	return held;
}
