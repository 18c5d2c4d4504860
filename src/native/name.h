/* SPDX-License-Identifier: MIT */
#pragma once
/* The rule for names of POSIX shared-memory objects: the library's and the daemon's. */

int name_normalize(const char *name, const char **ret);
