/* SPDX-License-Identifier: MIT */
/*
 * Who writes may end between any two instructions, but what was written stays: so it is
 * the compiler alone that must keep the order.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "native/sysv-notes.h"

int sysv_notes_new(struct sysv_notes **ret)
{
	void *region = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (region == MAP_FAILED)
		return -ENOMEM;
	*ret = region;
	return 0;
}

struct sysv_notes *sysv_notes_free(struct sysv_notes *n)
{
	if (n)
		munmap(n, sizeof(*n));
	return NULL;
}

void sysv_note_set_serial(struct sysv_note *n, uint64_t serial)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)&n->serial = serial;
	atomic_signal_fence(memory_order_seq_cst);
}

void sysv_note_set_made(struct sysv_note *n)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile bool *)&n->has_id = true;
	atomic_signal_fence(memory_order_seq_cst);
}

void sysv_note_set_shut(struct sysv_note *n, bool shut)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile bool *)&n->shut = shut;
	atomic_signal_fence(memory_order_seq_cst);
}
