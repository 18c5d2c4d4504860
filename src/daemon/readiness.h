/* SPDX-License-Identifier: MIT */
#pragma once
/* Telling a service manager what state we are in; does nothing where there is none. */

void readiness_ready(const char *status);
void readiness_stopping(void);
