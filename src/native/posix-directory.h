/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lock of the native directory. Any user can keep it busy for as long as they like,
 * by removing an object of theirs that is busy. The kernel takes it to look for a name
 * that is not there, and to change names.
 */
#include "native/caller.h"

/*
 * An O_PATH descriptor of what is called @name in @dir, or a negative errno. It is found
 * without the lock if it is there; a @caller in haste is told -EAGAIN where it is not
 * sure, and the process itself (NULL) takes it for gone then.
 */
int posix_directory_find(int dir, const struct caller *caller, const char *name);

/*
 * Waits for the lock, which has no effect however long it takes. -EBUSY: @caller has
 * given up meanwhile, so what was to be done must not be.
 */
int posix_directory_await(int dir, const struct caller *caller);
