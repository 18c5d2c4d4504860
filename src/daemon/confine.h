/* SPDX-License-Identifier: MIT */
#pragma once
/* Which system calls the process can make. */
#include "native/kind.h"

/*
 * Leaves to all threads of the process, and to those that they will start, only the
 * system calls that serving and unmounting objects of @kind takes: others fail with
 * ENOSYS, and those that only somebody else's code would make end the process. There is
 * no way back. To be called with privileges given up. Where the kernel cannot do this
 * (or where shmfs was built without libseccomp) nothing happens. Returns 0 or a negative
 * errno.
 */
int confine_process(const struct kind_ops *kind);
