/* SPDX-License-Identifier: MIT */
#pragma once
/* The thin adapter: FUSE requests in, calls of src/fs, one reply out for each. */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "fs/tree.h"

/* What a session's requests work on: the userdata of the session. */
struct ops_context {
	struct tree tree;
	bool initialized;      /* the first request has come; set by it */
	bool passthrough;      /* ask the kernel for it */
	unsigned int max_read; /* bytes, as mounted; 0: no limit */
	bool keeps;            /* the kernel keeps names and attributes, as src/fs says */
	/* Set before requests come: for how many seconds names that it may keep, and with
	 * @keeps whether the attributes that come with them, too. */
	double name_timeout;
	bool keeps_entry_attr;
};

extern const struct fuse_lowlevel_ops ops;
