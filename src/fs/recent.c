/* SPDX-License-Identifier: MIT */
/*
 * One place per low bits of the node number, the newest wins. The timer runs only while
 * there is something to let go of: an idle file system wakes nobody.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "fs/recent.h"
#include "util/clock.h"
#include "util/hash.h"

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

int recent_init(struct recent *r)
{
	*r = (struct recent){ .timer = -1, .places = RECENT_MAX };
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (r->timer < 0)
		return -errno;
	pthread_mutex_init(&r->lock, NULL);
	return 0;
}

void recent_done(struct recent *r)
{
	if (r->timer < 0)
		return;
	for (int i = 0; i < RECENT_MAX; i++)
		native_file_unref(r->entries[i].handle);
	r->timer = close_fd(r->timer);
	pthread_mutex_destroy(&r->lock);
}

/* Called with the lock held. A timer that cannot be set leaves the handles to their
 * successors. */
static void arm(struct recent *r, uint64_t ms)
{
	struct itimerspec in = { .it_value = { .tv_nsec = (long)ms * 1000000 } };

	r->armed = timerfd_settime(r->timer, 0, &in, NULL) == 0;
}

void recent_put(struct recent *r, uint64_t number, const char *name,
		const struct object_id *id, struct native_file *handle)
{
	struct recent_entry *e = &r->entries[number % r->places];
	struct recent_entry new = {
		.number = number,
		.since = now_ms(),
		.name_hash = hash_string(name),
		.id = *id,
		.handle = native_file_ref(handle),
	};
	struct native_file *old;

	pthread_mutex_lock(&r->lock);
	old = e->handle;
	*e = new;
	if (!r->armed)
		arm(r, RECENT_LIFETIME_MS);
	pthread_mutex_unlock(&r->lock);
	native_file_unref(old);
}

struct native_file *recent_get(struct recent *r, uint64_t number)
{
	struct recent_entry *e = &r->entries[number % r->places];
	struct native_file *handle = NULL;

	pthread_mutex_lock(&r->lock);
	if (e->handle && e->number == number)
		handle = native_file_ref(e->handle);
	pthread_mutex_unlock(&r->lock);
	return handle;
}

struct native_file *recent_find(struct recent *r, const char *name,
				struct object_id *ret_id)
{
	struct native_file *handle = NULL;
	uint32_t hash = hash_string(name);

	pthread_mutex_lock(&r->lock);
	for (unsigned int i = 0; i < r->places && !handle; i++) {
		struct recent_entry *e = &r->entries[i];

		if (!e->handle || e->name_hash != hash)
			continue;
		handle = native_file_ref(e->handle);
		*ret_id = e->id;
	}
	pthread_mutex_unlock(&r->lock);
	return handle;
}

void recent_drop(struct recent *r, const char *name)
{
	struct native_file *dropped[RECENT_MAX];
	uint32_t hash = name ? hash_string(name) : 0;
	int n = 0;

	pthread_mutex_lock(&r->lock);
	for (int i = 0; i < RECENT_MAX; i++)
		if (r->entries[i].handle && (!name || r->entries[i].name_hash == hash))
			dropped[n++] = take_ptr(r->entries[i].handle);
	pthread_mutex_unlock(&r->lock);
	while (n > 0)
		native_file_unref(dropped[--n]);
}

void recent_expire(struct recent *r)
{
	struct native_file *expired[RECENT_MAX];
	uint64_t now = now_ms();
	uint64_t ticks;
	bool left = false;
	int n = 0;

	if (read(r->timer, &ticks, sizeof(ticks)) < 0)
		return;
	pthread_mutex_lock(&r->lock);
	for (int i = 0; i < RECENT_MAX; i++) {
		if (!r->entries[i].handle)
			continue;
		if (r->entries[i].since + RECENT_LIFETIME_MS > now)
			left = true;
		else
			expired[n++] = take_ptr(r->entries[i].handle);
	}
	r->armed = false;
	if (left)
		arm(r, RECENT_LIFETIME_MS);
	pthread_mutex_unlock(&r->lock);
	while (n > 0)
		native_file_unref(expired[--n]);
}
