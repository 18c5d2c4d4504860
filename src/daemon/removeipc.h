/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * logind's RemoveIPC=: at the end of a user's last session all objects and segments of
 * this user are removed. Whoever stores something through a mount should know.
 */
#include <stdbool.h>

#include "daemon/options.h"

/* Whether logind runs below the folder @root ("": here) and is set to remove them. */
bool removeipc_is_on(const char *root);

/* Whether what logind removes is what a mount with these options shows, and for users. */
bool removeipc_concerns(const struct options *o);
