/* SPDX-License-Identifier: MIT */
#pragma once
/* The IPC namespace whose System V segments are presented. */

/*
 * Enters the namespace that @value says: of a process by its number, or a namespace file
 * by its path. For the whole process, so it comes before there are threads and before
 * anything is asked of System V. Prints what is wrong. Returns 0 or a negative errno.
 */
int ipcns_enter(const char *value);
