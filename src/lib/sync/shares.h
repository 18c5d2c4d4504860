/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How many threads of each process take part in something. The count of a process lies in
 * the cell of its slot (lib/heap/slot.h), with the generation of its owner. So a count
 * changes by one instruction, and once its process is dead anyone can tell, and forget
 * it, also where another process has the slot by then.
 *
 * A cell has 32 bits: the generation, and the count in the lower 14. Cells lie in 64
 * groups of 64 bytes, and slots that follow each other belong to different groups: two
 * processes seldom write to the same cache line. A bit for each group tells whether
 * somebody may be counted there, so that nobody looks through 1024 cells.
 */
#include "lib/heap/heap.h"

struct shares {
	uint64_t *groups;
	uint32_t *cell; /* FORMAT_SLOTS of them */
};

#define SHARES_GROUPS     64u
#define SHARES_GROUP_SIZE (FORMAT_SLOTS / SHARES_GROUPS)

#define SHARES_COUNT_BITS 14
#define SHARES_COUNT      ((1u << SHARES_COUNT_BITS) - 1)

static inline uint32_t shares_load(const uint32_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_SEQ_CST);
}

static inline bool shares_swap(uint32_t *cell, uint32_t *expected, uint32_t value)
{
	return __atomic_compare_exchange_n(cell, expected, value, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static inline void shares_note(struct shares s, uint64_t groups)
{
	if ((__atomic_load_n(s.groups, __ATOMIC_SEQ_CST) & groups) != groups)
		__atomic_fetch_or(s.groups, groups, __ATOMIC_SEQ_CST);
}

static inline uint32_t shares_own_group(const struct shmfs_heap *h)
{
	return (h->owner & FORMAT_OWNER_SLOT) % SHARES_GROUPS;
}

static inline uint32_t *shares_own_cell(const struct shmfs_heap *h, struct shares s)
{
	uint32_t slot = h->owner & FORMAT_OWNER_SLOT;

	return &s.cell[shares_own_group(h) * SHARES_GROUP_SIZE + slot / SHARES_GROUPS];
}

/* What the caller's cell is where nobody is counted. */
static inline uint32_t shares_own_none(const struct shmfs_heap *h)
{
	return h->owner >> 12 << SHARES_COUNT_BITS;
}

/* Counts the caller: 0, or -EAGAIN where its process is counted 16383 times. */
static inline int shares_add(const struct shmfs_heap *h, struct shares s)
{
	uint32_t none = shares_own_none(h), *cell = shares_own_cell(h, s);
	uint32_t now = shares_load(cell), then;

	do {
		/* A count of another generation is that of a dead process. */
		then = (now & ~SHARES_COUNT) == none ? now + 1 : none + 1;
		if (then - none > SHARES_COUNT)
			return -EAGAIN;
	} while (!shares_swap(cell, &now, then));
	shares_note(s, UINT64_C(1) << shares_own_group(h));
	return 0;
}

/* Counts the caller no longer. False: its process was not counted. */
static inline bool shares_drop(const struct shmfs_heap *h, struct shares s)
{
	uint32_t none = shares_own_none(h), *cell = shares_own_cell(h, s);
	uint32_t now = shares_load(cell);

	do {
		if ((now & ~SHARES_COUNT) != none || now == none)
			return false;
	} while (!shares_swap(cell, &now, now - 1));
	return true;
}

/* Those who are dead are counted no longer. */
void shares_forget_dead(struct shmfs_heap *h, struct shares s);

/*
 * Whether somebody is counted, dead or alive. Threads may add and drop meanwhile; but
 * only one thread at a time may ask, the owner of some word. Its heir calls
 * shares_recover() first.
 */
bool shares_any(struct shares s);
void shares_recover(struct shares s);

/* How many are counted. No thread may add or drop meanwhile. */
uint64_t shares_sum(struct shares s);
/* Nobody is counted from here on; likewise. */
void shares_clear(struct shares s);
