/* SPDX-License-Identifier: MIT */
/*
 * The lock of a slot is one of an open file description. Two things follow. Each
 * attachment opens the file anew, since a description that it shared would keep its slot
 * after its death, as would a mapping of the description in a child (attachments.c). And
 * the kernel finds no conflict with the description that asks, so one's own slot looks
 * free: one's own owner is never asked about.
 *
 * A child that fork(2) makes shares the description of its parent's attachment. Before it
 * can do anything else it gets one of its own, and a slot, and closes the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/heap/slot.h"

static struct format_slot *slot_at(const struct shmfs_heap *h, uint32_t i)
{
	return (struct format_slot *)heap_at(h, FORMAT_HEADER) + i;
}

static int lock_byte(const struct shmfs_heap *h, int command, short type, uint32_t i)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(FORMAT_HEADER + i * sizeof(struct format_slot)),
		.l_len = 1,
	};

	if (fcntl(h->fd, command, &lock) < 0)
		return -errno;
	return command == F_OFD_GETLK ? lock.l_type != F_UNLCK : 0;
}

/* Others compare it with an owner that they have seen. */
static uint32_t generation_of(const struct format_slot *slot)
{
	return __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);
}

/* The lock is ours: nobody else writes to the slot. */
static void occupy(struct shmfs_heap *h, uint32_t i)
{
	struct format_slot *slot = slot_at(h, i);
	uint32_t generation = (slot->generation + 1) % (FORMAT_OWNER_GENERATION >> 12);

	/* 0 is no owner's, so that no owner is 0. */
	generation = generation ? generation : 1;
	__atomic_store_n(&slot->generation, generation, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->attached, 1, __ATOMIC_RELEASE);
	h->owner = generation << 12 | i;
}

int slot_take(struct shmfs_heap *h)
{
	uint32_t first =
		__atomic_fetch_add(&heap_header(h)->next_slot, 1, __ATOMIC_RELAXED);
	int r;

	for (uint32_t i = 0; i < FORMAT_SLOTS; i++) {
		uint32_t at = (first + i) % FORMAT_SLOTS;

		r = lock_byte(h, F_OFD_SETLK, F_WRLCK, at);
		if (r == 0)
			occupy(h, at);
		if (r != -EAGAIN && r != -EACCES)
			return r;
	}
	return -EAGAIN;
}

void slot_give(struct shmfs_heap *h)
{
	uint32_t i = h->owner & FORMAT_OWNER_SLOT;

	if (!h->owner)
		return;
	__atomic_store_n(&slot_at(h, i)->attached, 0, __ATOMIC_RELEASE);
	lock_byte(h, F_OFD_SETLK, F_UNLCK, i);
	h->owner = 0;
}

bool slot_is_alive(struct shmfs_heap *h, uint32_t owner)
{
	uint32_t i = owner & FORMAT_OWNER_SLOT;

	if (owner == h->owner)
		return true;
	if (i >= FORMAT_SLOTS || generation_of(slot_at(h, i)) != owner >> 12)
		return false;
	/*
	 * Whoever may read the file can have a read lock, which means nothing. Where the
	 * kernel does not say, nobody is taken for dead.
	 */
	return lock_byte(h, F_OFD_GETLK, F_RDLCK, i) != 0;
}

unsigned int slot_count(struct shmfs_heap *h)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < FORMAT_SLOTS; i++)
		if (__atomic_load_n(&slot_at(h, i)->attached, __ATOMIC_ACQUIRE))
			n += slot_is_alive(h, generation_of(slot_at(h, i)) << 12 | i);
	return n;
}
