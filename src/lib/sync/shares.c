/* SPDX-License-Identifier: MIT */
/*
 * A thread counts itself first, then sets the bit of its group, unless that is set. What
 * it does next depends on another word, as with a lock that is closed to it. Whoever
 * closes that word looks for those who came before by the bits, and takes the bit of an
 * empty group off. A thread may have counted itself in that moment and relied on the bit.
 * So the group is looked through once more after that, and the bit is set again where
 * somebody is counted by then. One who dies before that leaves a bit too few, which its
 * heir makes up for.
 *
 * All of it is sequentially consistent: either a thread sees the other word closed, or
 * its count is seen.
 */
#include "lib/heap/slot.h"
#include "lib/sync/shares.h"

/* The owner that is counted in cell @i of a group. */
static uint32_t owner_in(uint32_t group, uint32_t i, uint32_t cell)
{
	return cell >> SHARES_COUNT_BITS << 12 | (i * SHARES_GROUPS + group);
}

static uint32_t sum_of_group(struct shares s, uint32_t group)
{
	const uint32_t *cell = &s.cell[group * SHARES_GROUP_SIZE];
	uint32_t sum = 0;

	for (uint32_t i = 0; i < SHARES_GROUP_SIZE; i++)
		sum += shares_load(&cell[i]) & SHARES_COUNT;
	return sum;
}

/* The first group of @bits, which is taken off. */
static uint32_t next_group(uint64_t *bits)
{
	uint32_t group = (uint32_t)__builtin_ctzll(*bits);

	*bits &= *bits - 1;
	return group;
}

bool shares_any(struct shares s)
{
	uint64_t bits = __atomic_load_n(s.groups, __ATOMIC_SEQ_CST);

	while (bits) {
		uint32_t group = next_group(&bits);

		if (sum_of_group(s, group))
			return true;
		__atomic_fetch_and(s.groups, ~(UINT64_C(1) << group), __ATOMIC_SEQ_CST);
		if (sum_of_group(s, group)) {
			shares_note(s, UINT64_C(1) << group);
			return true;
		}
	}
	return false;
}

void shares_recover(struct shares s)
{
	shares_note(s, UINT64_MAX);
}

static void forget_dead_of_group(struct shmfs_heap *h, struct shares s, uint32_t group)
{
	for (uint32_t i = 0; i < SHARES_GROUP_SIZE; i++) {
		uint32_t *cell = &s.cell[group * SHARES_GROUP_SIZE + i],
			 now = shares_load(cell);

		if (now & SHARES_COUNT && !slot_is_alive(h, owner_in(group, i, now)))
			shares_swap(cell, &now, 0);
	}
}

void shares_forget_dead(struct shmfs_heap *h, struct shares s)
{
	uint64_t bits = __atomic_load_n(s.groups, __ATOMIC_SEQ_CST);

	while (bits)
		forget_dead_of_group(h, s, next_group(&bits));
}

uint64_t shares_sum(struct shares s)
{
	uint64_t bits = __atomic_load_n(s.groups, __ATOMIC_SEQ_CST), sum = 0;

	while (bits)
		sum += sum_of_group(s, next_group(&bits));
	return sum;
}

void shares_clear(struct shares s)
{
	uint64_t bits = __atomic_load_n(s.groups, __ATOMIC_SEQ_CST);

	while (bits) {
		uint32_t *cell = &s.cell[next_group(&bits) * SHARES_GROUP_SIZE];

		for (uint32_t i = 0; i < SHARES_GROUP_SIZE; i++)
			__atomic_store_n(&cell[i], 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(s.groups, 0, __ATOMIC_RELEASE);
}
