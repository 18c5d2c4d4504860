/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who may ask for anything at all: of a mount that is for one user and root, the kernel
 * lets everybody in with allow_other, which allow_root is to it as well.
 */
#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether @owner's mount for one user is to serve the request that begins at @header, a
 * struct fuse_in_header: it is his or root's, or by what he has opened and handed over,
 * or of the kernel's own keeping.
 */
bool admission_to_one(const void *header, uid_t owner);
