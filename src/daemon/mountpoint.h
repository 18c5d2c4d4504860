/* SPDX-License-Identifier: MIT */
#pragma once
/* The place to mount on. */
#include <stdbool.h>
#include <stdio.h>

/* A directory, and what tells of mounts: when it is mounted, to open that may fail. */
struct place {
	int fd;      /* O_PATH */
	int mount;   /* the number of the mount that it is on */
	FILE *table; /* mountinfo */
};

/*
 * Holds the directory that *@path leads to, which becomes absolute and is reallocated for
 * that. No shmfs is mounted on it yet, and it is another than @shown (NULL: none). Prints
 * what is wrong and returns a negative errno.
 */
int mountpoint_hold(char **path, const char *shown, struct place *ret);
void mountpoint_release(struct place *p);

/*
 * The device of what is mounted last on what is held, without asking that, and in *@path,
 * which is reallocated, the path that this has by now: 0, or a negative errno, -ESTALE
 * where nothing is mounted.
 */
int mountpoint_device(const struct place *p, char **path, unsigned int *ret_major,
		      unsigned int *ret_minor);

/* Whether @path is the root of a mount of shmfs. */
bool mountpoint_has_shmfs(const char *path);

/* Prints that mounting on @path has failed, what was @said of it, and what to do. */
void mountpoint_explain(const char *path, const char *said);
