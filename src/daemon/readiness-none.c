/* SPDX-License-Identifier: MIT */
/* Built without libsystemd: nobody is told. */
#include "daemon/readiness.h"

void readiness_ready(const char *status)
{
	(void)status;
}

void readiness_stopping(void)
{
}
