/* SPDX-License-Identifier: MIT */
/*
 * A wait ends when it has what it waits for, or when the request is interrupted, or with
 * the session: then a signal with an empty handler makes the system call return EINTR. A
 * signal that comes just before the call would be lost, so it is sent until the waiter
 * has seen it. That may take long where the waiter waits for an object that a user keeps
 * busy, so a thread of its own does it, and not who tells of the interrupt.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include "daemon/waiter.h"
#include "fs/quota.h"
#include "util/clock.h"

#define WAITERS_MAX  4096
#define WAITER_STACK (64 * 1024)

/* How long they may take to end. */
#define STOP_SECONDS 1

struct waiter {
	fuse_req_t req;
	uid_t uid; /* whose it counts as */
	struct wait *wait;
	pthread_t thread;
	atomic_bool interrupted;
	atomic_bool left;           /* the system call, for good */
	struct waiter *prev, *next; /* in all.list; protected by all.lock */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t
		told; /* signalled when one is interrupted, and when it is closed */
	pthread_cond_t gone; /* signalled when the list becomes empty */
	struct waiter *list; /* protected by lock */
	bool closed;         /* nobody may wait any more; protected by lock */
	bool opened;         /* there is the thread that signals */
	pthread_t signaller;
	struct quota quota; /* those in the list */
} all = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.told = PTHREAD_COND_INITIALIZER,
	.gone = PTHREAD_COND_INITIALIZER,
};

static int wake_signal(void)
{
	return SIGRTMIN;
}

static void on_wake(int number)
{
	(void)number;
}

int waiter_init(void)
{
	struct sigaction action = { .sa_handler = on_wake }; /* no SA_RESTART */

	sigemptyset(&action.sa_mask);
	all.closed = false;
	quota_init(&all.quota, WAITERS_MAX, true);
	return sigaction(wake_signal(), &action, NULL) < 0 ? -errno : 0;
}

/* Between two signals to a waiter that has not seen the first: ever longer. */
#define MOMENT_NS     200000L
#define MOMENT_NS_MAX 50000000L

/* Called with the lock held. Returns whether any is to be signalled again. */
static bool signal_interrupted(void)
{
	struct waiter *w;
	bool any = false;

	DL_FOREACH(all.list, w)
	{
		if (!atomic_load(&w->interrupted) || atomic_load(&w->left))
			continue;
		pthread_kill(w->thread, wake_signal());
		any = true;
	}
	return any;
}

static void *signal_waiters(void *data)
{
	long moment = MOMENT_NS;

	(void)data;
	pthread_mutex_lock(&all.lock);
	while (!all.closed || all.list) {
		struct timespec until = clock_in(CLOCK_REALTIME, moment);

		if (!signal_interrupted()) {
			pthread_cond_wait(&all.told, &all.lock);
			moment = MOMENT_NS;
		} else if (pthread_cond_timedwait(&all.told, &all.lock, &until) == 0) {
			moment = MOMENT_NS;
		} else if (moment < MOMENT_NS_MAX) {
			moment *= 2;
		}
	}
	pthread_mutex_unlock(&all.lock);
	return NULL;
}

/* Called by libfuse, never after the waiter has taken its callback back, and on its own
 * thread if the interrupt was there first. */
static void interrupt(fuse_req_t req, void *data)
{
	struct waiter *w = data;

	(void)req;
	pthread_mutex_lock(&all.lock);
	atomic_store(&w->interrupted, true);
	pthread_cond_signal(&all.told);
	pthread_mutex_unlock(&all.lock);
}

static void *run(void *data)
{
	struct waiter *w = data;
	int r;

	/* Who starts the thread holds the lock until all of @w is set. */
	pthread_mutex_lock(&all.lock);
	pthread_mutex_unlock(&all.lock);
	fuse_req_interrupt_func(w->req, interrupt, w);
	do
		r = atomic_load(&w->interrupted) ? -EINTR : w->wait->ops->wait(w->wait);
	while (r == -EINTR && !atomic_load(&w->interrupted));
	atomic_store(&w->left, true);
	fuse_req_interrupt_func(w->req, NULL, NULL);
	w->wait->ops->answer(w->wait, w->req, r);
	pthread_mutex_lock(&all.lock);
	DL_DELETE(all.list, w);
	quota_give(&all.quota, w->uid);
	free(w);
	if (!all.list)
		pthread_cond_broadcast(&all.gone);
	pthread_mutex_unlock(&all.lock);
	return NULL;
}

static int start_thread(pthread_t *thread, int detached, void *(*body)(void *),
			void *data)
{
	pthread_attr_t attributes;
	sigset_t blocked, before;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, detached);
	pthread_attr_setstacksize(&attributes, WAITER_STACK);
	/* Signals to the process are for its main thread. */
	sigfillset(&blocked);
	sigdelset(&blocked, wake_signal());
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(thread, &attributes, body, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

/* Called with all.lock held, so that the thread does not end before it is in the list. */
static int add(struct waiter *w)
{
	if (all.closed || quota_take(&all.quota, w->uid) < 0)
		return -EAGAIN;
	if (start_thread(&w->thread, PTHREAD_CREATE_DETACHED, run, w) < 0) {
		quota_give(&all.quota, w->uid);
		return -EAGAIN;
	}
	DL_APPEND(all.list, w);
	return 0;
}

void waiter_start(fuse_req_t req, struct wait *wait)
{
	struct waiter *w = calloc(1, sizeof(*w));
	int r = -EAGAIN;

	if (w) {
		w->req = req;
		w->uid = fuse_req_ctx(req)->uid;
		w->wait = wait;
		pthread_mutex_lock(&all.lock);
		r = add(w);
		pthread_mutex_unlock(&all.lock);
	}
	if (r == 0)
		return;
	free(w);
	wait->ops->answer(wait, req, wait->ops->no_room);
}

int waiter_open(void)
{
	int r = start_thread(&all.signaller, PTHREAD_CREATE_JOINABLE, signal_waiters,
			     NULL);

	all.opened = r == 0;
	return r;
}

bool waiter_stop_all(void)
{
	struct timespec until;
	struct waiter *w;
	bool left;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_SECONDS;
	pthread_mutex_lock(&all.lock);
	all.closed = true;
	DL_FOREACH(all.list, w)
	atomic_store(&w->interrupted, true);
	pthread_cond_signal(&all.told);
	while (all.list &&
	       pthread_cond_timedwait(&all.gone, &all.lock, &until) != ETIMEDOUT)
		;
	left = all.list;
	pthread_cond_signal(&all.told);
	pthread_mutex_unlock(&all.lock);
	if (all.opened && !left)
		pthread_join(all.signaller, NULL);
	return !left;
}
