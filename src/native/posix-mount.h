/* SPDX-License-Identifier: MIT */
#pragma once
/* The mount by which the directory of the objects is opened. */
#include <stdbool.h>

/*
 * Opens the directory at @path. With @noatime what is opened in it has no time of access
 * set by reading, where the kernel can do that (Linux 5.12) and lets us (CAP_SYS_ADMIN).
 */
int posix_mount_open(const char *path, bool noatime);
