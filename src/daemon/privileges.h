/* SPDX-License-Identifier: MIT */
#pragma once
/* What the process may do, and what of its memory others get to see. */
#include "native/kind.h"

/*
 * To be called before anything is opened. Files are made with the mode that is asked, at
 * any size that the caller may make them, and no core of the process is ever dumped: it
 * would hold the memory of all users. Without root no capability is left. Returns 0 or a
 * negative errno.
 */
int privileges_prepare(void);

/*
 * Gives up the capabilities that serving objects of @kind does not need, for good:
 * neither are others to be had by executing a program. CAP_FSETID is among them, so that
 * the native kernel drops set-user-ID and set-group-ID bits whenever somebody writes. To
 * be called before the process has threads. Returns 0 or a negative errno.
 */
int privileges_drop(const struct kind_ops *kind);
