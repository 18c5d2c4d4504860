/* SPDX-License-Identifier: MIT */
#pragma once
/* What the process may do, once it needs nothing more than to serve. */

/*
 * Gives up the capabilities that serving does not need. CAP_FSETID is among them, so that
 * the native kernel drops set-user-ID and set-group-ID bits whenever somebody writes. To
 * be called before the process has threads.
 */
int privileges_drop(void);

/* Files are made with the mode that is asked. */
void privileges_prepare(void);
