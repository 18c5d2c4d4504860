/* SPDX-License-Identifier: MIT */
#pragma once
/* The place to mount on. */

/*
 * Makes *@path, which it reallocates, absolute, and checks that it is a directory on
 * which no shmfs is mounted yet. Prints what is wrong and returns a negative errno.
 */
int mountpoint_check(char **path);
