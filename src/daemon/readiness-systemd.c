/* SPDX-License-Identifier: MIT */
/* With libsystemd, whose protocol it is. */
#include <systemd/sd-daemon.h>

#include "daemon/readiness.h"

void readiness_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void readiness_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
