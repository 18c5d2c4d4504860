/* SPDX-License-Identifier: MIT */
#pragma once
/* What differs between kernels and cannot be asked for. */
#include <stdbool.h>

/*
 * Whether a kernel of this @release (uname(2)), that is told that a name changed, waits
 * for answers about names that are on their way. Where that is not known: no.
 */
bool kernel_waits_for_answers(const char *release);
