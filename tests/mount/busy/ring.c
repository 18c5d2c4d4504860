/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "busy/ring.h"

#define IDLE_MS 10

static _Atomic uint32_t *word(const struct ring *r, uint32_t offset)
{
	return (_Atomic uint32_t *)(void *)(r->pages + offset);
}

static int map(struct ring *r)
{
	const struct io_uring_params *p = &r->params;

	/* Since Linux 5.4 both queues are in one mapping. */
	r->size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	r->pages = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
			IORING_OFF_SQ_RING);
	if (r->pages == MAP_FAILED)
		return -errno;
	r->entries = mmap(NULL, sizeof(*r->entries), PROT_READ | PROT_WRITE, MAP_SHARED,
			  r->fd, IORING_OFF_SQES);
	return r->entries == MAP_FAILED ? -errno : 0;
}

int ring_open(struct ring *r, unsigned int flags)
{
	int error;

	*r = (struct ring){
		.flags = flags,
		.params = { .flags = flags, .sq_thread_idle = IDLE_MS },
	};
	r->fd = (int)syscall(SYS_io_uring_setup, 1, &r->params);
	if (r->fd < 0)
		return -errno;
	error = map(r);
	if (error < 0)
		close(r->fd);
	return error;
}

void ring_close(struct ring *r)
{
	munmap(r->entries, sizeof(*r->entries));
	munmap(r->pages, r->size);
	close(r->fd);
}

static int enter(const struct ring *r, unsigned int submit, unsigned int await,
		 unsigned int flags)
{
	return syscall(SYS_io_uring_enter, r->fd, submit, await, flags, NULL, 0) < 0
		       ? -errno
		       : 0;
}

int ring_submit(struct ring *r, const struct io_uring_sqe *call)
{
	r->entries[0] = *call;
	*word(r, r->params.sq_off.array) = 0;
	atomic_fetch_add(word(r, r->params.sq_off.tail), 1);
	return enter(r, 1, 0,
		     r->flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0);
}

int ring_await(struct ring *r)
{
	const struct io_uring_cqe *ends =
		(const void *)(r->pages + r->params.cq_off.cqes);
	_Atomic uint32_t *head = word(r, r->params.cq_off.head);
	int result;

	while (atomic_load(head) == atomic_load(word(r, r->params.cq_off.tail))) {
		int error = enter(r, 0, 1, IORING_ENTER_GETEVENTS);

		if (error < 0 && error != -EINTR)
			return error;
	}
	result = ends[atomic_load(head) & (r->params.cq_entries - 1)].res;
	atomic_fetch_add(head, 1);
	return result;
}
