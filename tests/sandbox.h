/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Private surroundings for a test: its own mount and IPC namespaces with a fresh tmpfs on
 * /dev/shm, so that no test ever touches the machine's own objects, and nothing that a
 * test leaves outlives its process, however it ends. No systemd is to be seen there.
 */

/* What meson takes for "skipped". */
#define SANDBOX_SKIP 77

/*
 * Enters the private namespaces; to be called once, before the process has threads.
 * Without root it enters a user namespace of its own first, in which it is root. Where
 * the kernel refuses, it prints the reason and exits: SANDBOX_SKIP, or 1 with
 * SHMFS_REQUIRE_MOUNT=1.
 */
void sandbox_enter(void);

/* Mounts a fresh tmpfs with @options (as mount -o takes them, or NULL) on @dir, or
 * exits 1. */
void sandbox_tmpfs(const char *dir, const char *options);

/* The number of descriptors that this process has open. */
unsigned int sandbox_count_fds(void);

/* The number of entries of directory @dir but "." and "..". */
unsigned int sandbox_count_entries(const char *dir);
