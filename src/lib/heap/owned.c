/* SPDX-License-Identifier: MIT */
/*
 * A process id in shared memory could be that of a namesake in another container, so the
 * owner is a slot (slot.h). A waiter that has waited for long asks the kernel whether the
 * slot's process is alive. If it is dead, the first to replace the dead owner in the word
 * has it.
 *
 * A waiter asks after a time without a wake-up. So a wake-up that went to a process which
 * was killed before it ran costs that time, and not for ever.
 */
#include <errno.h>

#include "lib/heap/owned.h"
#include "lib/heap/slot.h"

#define PAUSES 25 /* between two looks */

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/*
 * Looks at the word before sleeping, because owners often have it for a microsecond only.
 * It looks seldom, because each look takes the cache line from the owner, who needs it.
 */
static bool look(struct shmfs_heap *h, uint32_t *word)
{
	for (int i = 0; i < FUTEX_LOOKS; i += PAUSES) {
		uint32_t now = load(word);

		if (!now && owned_take_free(h, word))
			return true;
		if (now & FORMAT_WAITERS)
			return false;
		for (int j = 0; j < PAUSES; j++)
			futex_pause();
	}
	return false;
}

static bool inherit(struct shmfs_heap *h, uint32_t *word, uint32_t now, uint32_t mark)
{
	return !slot_is_alive(h, now & FORMAT_OWNER) &&
	       owned_swap(word, &now, h->owner | mark | FORMAT_WAITERS);
}

/*
 * The word says from here on that somebody waits, since others may have gone to sleep
 * before.
 */
static int wait_for(struct shmfs_heap *h, uint32_t *word, uint32_t mark,
		    const struct deadline *until)
{
	long ns = FUTEX_FIRST_NS;
	uint32_t asked = 0, now;
	int r;

	for (;;) {
		now = load(word);
		if (now == OWNED_LOST && mark)
			return -ENOTRECOVERABLE;
		if (!now) {
			if (owned_swap(word, &now, h->owner | FORMAT_WAITERS))
				return OWNED_FREE;
			continue;
		}
		if (!(now & FORMAT_WAITERS) &&
		    !owned_swap(word, &now, now | FORMAT_WAITERS))
			continue;
		now |= FORMAT_WAITERS;
		r = futex_sleep(word, now, ns, until);
		if (r == 0)
			continue;
		if (inherit(h, word, now, mark))
			return OWNED_INHERITED;
		if (r == -ETIMEDOUT)
			return r;
		ns = asked == now ? futex_longer(ns) : FUTEX_FIRST_NS;
		asked = now;
	}
}

int owned_take(struct shmfs_heap *h, uint32_t *word, uint32_t mark,
	       const struct deadline *until)
{
	return look(h, word) ? OWNED_FREE : wait_for(h, word, mark, until);
}

int owned_try(struct shmfs_heap *h, uint32_t *word, uint32_t mark)
{
	uint32_t now = 0;

	if (owned_swap(word, &now, h->owner))
		return OWNED_FREE;
	if (now == OWNED_LOST && mark)
		return -ENOTRECOVERABLE;
	return inherit(h, word, now, mark) ? OWNED_INHERITED : -EBUSY;
}

bool owned_is_orphaned(struct shmfs_heap *h, uint32_t *word)
{
	uint32_t now = load(word);

	return now == OWNED_LOST || (now && !slot_is_alive(h, now & FORMAT_OWNER));
}
