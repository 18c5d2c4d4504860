/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A ring of io_uring(7), for one call at a time, without a library. What is asked of it a
 * thread of the kernel does in the name of the process.
 */
#include <linux/io_uring.h>
#include <stddef.h>

struct ring {
	int fd;
	unsigned int flags; /* IORING_SETUP_ */
	char *pages;        /* of both queues */
	size_t size;
	struct io_uring_sqe *entries;
	struct io_uring_params params; /* where in the pages they are */
};

/* With IORING_SETUP_SQPOLL a thread that is the ring's own looks for what is asked.
 * Returns 0 or a negative errno: EPERM or ENOSYS where there are none. */
int ring_open(struct ring *r, unsigned int flags);
void ring_close(struct ring *r);
/* Hands @call in: 0, or a negative errno. */
int ring_submit(struct ring *r, const struct io_uring_sqe *call);
/* Awaits its end, and returns what the system call would, or a negative errno. */
int ring_await(struct ring *r);
