/* SPDX-License-Identifier: MIT */
/*
 * A thread that waits for several is counted by the event of each (event.h). What wakes
 * one thread may have chosen this one, and this one returns for the sake of another
 * event. So for each event that has come since, it wakes one more thread when it leaves:
 * too many look, but none sleeps on.
 *
 * A queue is looked at without its lock. If its lock has a dead owner, its numbers may
 * not tell what is in it, so the queue counts as ready: whoever takes the lock then
 * repairs them.
 */
#include <errno.h>

#include <shmfs/wait.h>

#include "lib/heap/heap.h"
#include "lib/sync/event.h"
#include "lib/sync/queue.h"
#include "lib/sync/ring.h"
#include "native/public.h"

_Static_assert(SHMFS_WAIT_MOST == FUTEX_WORDS, "events of a list");

static uint64_t *event_of(const struct shmfs_wait *w)
{
	switch (w->what) {
	case SHMFS_WAIT_SEMAPHORE:
		return &w->object.semaphore->event;
	case SHMFS_WAIT_QUEUE_MESSAGE:
	case SHMFS_WAIT_QUEUE_ROOM:
		return queue_event(w->object.queue, w->what == SHMFS_WAIT_QUEUE_ROOM);
	case SHMFS_WAIT_RING_MESSAGE:
	case SHMFS_WAIT_RING_ROOM:
		return ring_event(w->object.ring, w->what == SHMFS_WAIT_RING_ROOM);
	}
	return NULL;
}

/* @deaths: also whether one has left it in a state that does not tell. */
static bool is_ready(const struct shmfs_wait *w, bool deaths)
{
	switch (w->what) {
	case SHMFS_WAIT_SEMAPHORE:
		return __atomic_load_n(&w->object.semaphore->value, __ATOMIC_SEQ_CST) > 0;
	case SHMFS_WAIT_QUEUE_MESSAGE:
	case SHMFS_WAIT_QUEUE_ROOM:
		return queue_is_ready(w->object.queue,
				      w->what == SHMFS_WAIT_QUEUE_ROOM) ||
		       (deaths && queue_is_orphaned(w->heap, w->object.queue));
	case SHMFS_WAIT_RING_MESSAGE:
	case SHMFS_WAIT_RING_ROOM:
		return ring_is_ready(w->heap, w->object.ring,
				     w->what == SHMFS_WAIT_RING_ROOM);
	}
	return false;
}

static bool look_at_all(struct shmfs_wait *list, size_t n, bool deaths)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		list[i].ready = is_ready(&list[i], deaths);
		any |= list[i].ready;
	}
	return any;
}

static void enter_all(const struct shmfs_wait *list, size_t n, struct event_since *since)
{
	for (size_t i = 0; i < n; i++) {
		since[i].event = event_of(&list[i]);
		since[i].key = event_enter(since[i].event);
	}
}

/* Enters anew where something has happened, and returns whether it has. */
static bool enter_again(struct event_since *since, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!event_has_come(since[i].event, since[i].key))
			continue;
		since[i].key = event_enter(since[i].event);
		any = true;
	}
	return any;
}

static void leave_all(const struct event_since *since, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		event_leave(since[i].event, since[i].key);
		if (event_has_come(since[i].event, since[i].key))
			event_wake(since[i].event, 1);
	}
}

static int check_list(const struct shmfs_wait *list, size_t n)
{
	int r = 0;

	if (n == 0 || n > SHMFS_WAIT_MOST)
		return -EINVAL;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = event_of(&list[i]) ? heap_refusal(list[i].heap) : -EINVAL;
	return r;
}

static int wait_until(struct shmfs_wait *list, size_t n, const struct deadline *until)
{
	struct event_since since[SHMFS_WAIT_MOST];
	long ns = FUTEX_FIRST_NS;
	int r = check_list(list, n), slept = 0;
	bool any;

	if (r < 0)
		return r;
	for (size_t i = 0; i < FUTEX_LOOKS; i += n) {
		if (look_at_all(list, n, false))
			return 0;
		futex_pause();
	}
	enter_all(list, n, since);
	while (!(any = look_at_all(list, n, slept < 0)) && slept != -ETIMEDOUT) {
		if (enter_again(since, n))
			slept = 0;
		else
			slept = event_sleep_any(since, n, &ns, until);
	}
	leave_all(since, n);
	return any ? 0 : slept;
}

_public_ int shmfs_wait_any(struct shmfs_wait *list, size_t n)
{
	return wait_until(list, n, NULL);
}

_public_ int shmfs_wait_any_until(struct shmfs_wait *list, size_t n, int clock,
				  const struct timespec *deadline)
{
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : wait_until(list, n, &until);
}
