/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The time limit of a test program. A test that asks a stuck daemon waits in the kernel
 * where no signal reaches it, so the limit has to be kept from outside: by a process that
 * makes no request to any file system under test.
 */

/*
 * Runs @tests in a child and returns what it returns (as 0 or 1, or the child's exit
 * status where it exits by itself). After @seconds of patience (patience.h) it aborts
 * each FUSE connection that was mounted in this mount namespace since watchdog_run() was
 * called, kills every process that the tests started, and returns 1. So it does when told
 * to end by a signal, and when the tests leave processes behind.
 */
int watchdog_run(unsigned int seconds, int (*tests)(void));
