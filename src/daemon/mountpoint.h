/* SPDX-License-Identifier: MIT */
#pragma once
/* The place to mount on. */

/*
 * Makes *@path, which it reallocates, absolute, and checks that it is a directory on
 * which no shmfs is mounted yet, and another than @shown (NULL: none). Prints what is
 * wrong and returns a negative errno.
 */
int mountpoint_check(char **path, const char *shown);

/* Prints that mounting on @path has failed, what was @said of it, and what to do. */
void mountpoint_explain(const char *path, const char *said);
