/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * fs.protected_regular and its like belong to the whole machine, whatever namespace a
 * test is in. So a keeper, a process outside of what the watchdog ends, changes them for
 * the test, one test at a time, and puts back what was there as soon as the test says so
 * or is no more.
 */
enum protection { PROTECTED_REGULAR, PROTECTED_HARDLINKS, PROTECTIONS };

/* Starts the keeper. To be called before mount_main(); exits 1 if it cannot. */
void protection_keep(void);

/*
 * Sets it to @value; -1: to what it was. Returns 0 or a negative errno: where /proc/sys
 * cannot be written, nothing has changed. May wait for another test to be done.
 */
int protection_set(enum protection which, int value);

/* What it is, or a negative errno. Another test may have set it. */
int protection_get(enum protection which);
