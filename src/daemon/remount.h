/* SPDX-License-Identifier: MIT */
#pragma once
/* A mount that is there gets other flags. */
#include "daemon/options.h"

/*
 * Makes the mount on the mount point of @o, which another process serves, ro or rw, exec
 * or noexec, as @o says; what it says nothing of stays, and so do all other options.
 * Prints what is wrong. Returns 0 or a negative errno.
 */
int remount(const struct options *o);
