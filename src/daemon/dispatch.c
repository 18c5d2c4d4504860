/* SPDX-License-Identifier: MIT */
/*
 * libfuse answers ENOMEM to what it has no memory to take in. Who asks for something can
 * ask again. But nobody waits for an answer to what tells that something is over: a node
 * or a file would be kept for good, and with it its locks, or a wait for one would go on
 * after its end. So such a request is handed in until it has arrived.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "daemon/dispatch.h"
#include "daemon/wire.h"

/* How long to wait for memory. */
#define MOMENT_NS 1000000

static _Thread_local bool arrived;

void dispatch_arrived(void)
{
	arrived = true;
}

static bool must_arrive(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_INTERRUPT:
		return true;
	default:
		return false;
	}
}

/*
 * Whether libfuse had no memory for it, by errno: an answer to what the kernel does not
 * wait for is ENOENT then. That is what an INTERRUPT gets that comes too late, as well.
 */
static bool was_lost(uint32_t opcode)
{
	return !arrived &&
	       (errno == ENOMEM || (errno == ENOENT && opcode != FUSE_INTERRUPT));
}

static void hand_in(struct fuse_session *session, const struct fuse_buf *buf)
{
	arrived = false;
	errno = 0;
	fuse_session_process_buf(session, buf);
}

/*
 * libfuse knows TMPFILE since 3.17 only. But for its number it is a CREATE, in the
 * request as in the answer, whose name is one that no file can have.
 */
static void translate(struct fuse_in_header *in)
{
	if (in->opcode == WIRE_TMPFILE)
		in->opcode = FUSE_CREATE;
}

void dispatch(struct fuse_session *session, const struct fuse_buf *buf,
	      const struct dispatch_loss *loss)
{
	const struct timespec moment = { .tv_nsec = MOMENT_NS };
	struct fuse_in_header *in = buf->mem;
	pid_t thread = (pid_t)in->pid;
	uint32_t opcode;

	translate(in);
	opcode = in->opcode;
	hand_in(session, buf);
	/* That nothing was done is not sure then, nor does it matter. */
	if (errno == ENOMEM && loss->tell && !must_arrive(opcode))
		loss->tell(loss->context, thread);
	while (must_arrive(opcode) && was_lost(opcode)) {
		nanosleep(&moment, NULL);
		hand_in(session, buf);
	}
}
