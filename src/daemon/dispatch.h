/* SPDX-License-Identifier: MIT */
#pragma once
/* From the buffer that a request was read into to the op_* that serves it. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <sys/types.h>

/* What op create gets in place of a name for an object that is to have none: TMPFILE. */
#define DISPATCH_NO_NAME "/"

/* Who is told that a request of @thread has failed before anything was done about it. */
struct dispatch_loss {
	void (*tell)(void *context, pid_t thread); /* NULL: nobody */
	void *context;
};

/* Serves the request in @buf, as fuse_session_process_buf() does; also without memory. */
void dispatch(struct fuse_session *session, const struct fuse_buf *buf,
	      const struct dispatch_loss *loss);

/* What must arrive has: said by each op_* for that. */
void dispatch_arrived(void);
