/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the kernel has of the mount, seen from outside: nothing here makes a request.
 */
#include <stdbool.h>

/* Looks for what is mounted on MOUNT_DIR, once it is. */
void connection_find(void);
/* The number of requests that are not answered; -1: the connection is no more. */
int connection_waiting(void);
/* Ends it, and with it whatever waits for an answer. */
void connection_abort(void);
