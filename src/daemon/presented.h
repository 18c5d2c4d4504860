/* SPDX-License-Identifier: MIT */
#pragma once
/* The file systems that a mount presents: of one kind, or one of each. */
#include "daemon/limits.h"
#include "daemon/options.h"
#include "fs/tree.h"

/*
 * Adds them to @ret, as @o wants them and within @l, which they share. @backing is
 * borrowed. Prints what is wrong and returns a negative errno; what has been added by
 * then stays.
 */
int presented_make(const struct options *o, const struct limits *l,
		   const struct fs_backing *backing, struct tree *ret);

/* What is presented, in words. */
const char *presented_subject(const struct options *o);
