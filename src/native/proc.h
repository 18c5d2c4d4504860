/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the kernel tells of threads. Anybody can keep the directory /proc busy, by reading
 * it into memory that never comes, and whoever looks for a process there then waits. So
 * the process has a file system proc(5) of its own, which nobody else can reach.
 */
#include <sys/types.h>

/*
 * To be called once, before the process has threads. Where the kernel does not let it
 * have its own (before Linux 5.8, or without CAP_SYS_ADMIN), /proc has to do.
 */
void proc_init(void);

/* Opens @file of @thread, a number of this PID namespace, to be read: a descriptor, or a
 * negative errno. */
int proc_open(pid_t thread, const char *file);
