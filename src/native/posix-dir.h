/* SPDX-License-Identifier: MIT */
#pragma once
/* The directory of the objects. */
#include <stdbool.h>

/*
 * Opens it. With @noatime what is opened in it has no time of access set by reading,
 * where the kernel can do that (Linux 5.12) and lets us (CAP_SYS_ADMIN).
 */
int posix_dir_open(const char *path, bool noatime);
