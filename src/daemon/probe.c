/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "daemon/crew.h"
#include "daemon/notify.h"
#include "daemon/probe.h"
#include "util/clock.h"

#define STOP_NS (500L * 1000 * 1000)

static void *run(void *data)
{
	struct probe *p = data;

	/* It waits for what the notifier waits for, and the keeper knows that by name. */
	prctl(PR_SET_NAME, NOTIFY_THREAD);
	pthread_mutex_lock(&p->lock);
	while (!p->stopped) {
		if (!p->looks) {
			pthread_cond_wait(&p->asked, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		p->look(p->context);
		pthread_mutex_lock(&p->lock);
		p->looks = false;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int probe_start(struct probe *p, void (*look)(void *context), void *context)
{
	int r;

	*p = (struct probe){ .look = look, .context = context };
	if (!look)
		return 0;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->asked, NULL);
	r = crew_start_thread(&p->thread, run, p);
	p->started = r == 0;
	return r;
}

bool probe_stop(struct probe *p)
{
	struct timespec until = clock_in(CLOCK_REALTIME, STOP_NS);

	if (!p->started)
		return true;
	pthread_mutex_lock(&p->lock);
	p->stopped = true;
	pthread_cond_signal(&p->asked);
	pthread_mutex_unlock(&p->lock);
	if (pthread_timedjoin_np(p->thread, NULL, &until) != 0)
		return false;
	p->started = false;
	pthread_cond_destroy(&p->asked);
	pthread_mutex_destroy(&p->lock);
	return true;
}

uint64_t probe_ask(struct probe *p, uint64_t ns)
{
	uint64_t age;

	if (!p->started)
		return 0;
	pthread_mutex_lock(&p->lock);
	p->age = p->looks ? p->age + ns : 0;
	p->looks = true;
	pthread_cond_signal(&p->asked);
	age = p->age;
	pthread_mutex_unlock(&p->lock);
	return age;
}
