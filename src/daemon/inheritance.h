/* SPDX-License-Identifier: MIT */
#pragma once
/* What a process has from whoever started it. */

/*
 * Gives up what was inherited and is not needed: descriptors from number 3 on, and the
 * environment. To be called before anything is opened. Prints what fails. Returns 0 or a
 * negative errno.
 */
int inheritance_drop(void);
