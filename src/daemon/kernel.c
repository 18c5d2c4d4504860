/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "daemon/kernel.h"

/*
 * FUSE_NOTIFY_INVAL_ENTRY took the lock of the directory, which a lookup holds until its
 * answer is taken in. Since Linux 6.19 (c9ba789dad15) it looks first whether the kernel
 * knows the name, without the lock, and is done if not; nor does it drop any more that a
 * name leads nowhere.
 */
bool kernel_waits_for_answers(const char *release)
{
	unsigned int major, minor;

	if (sscanf(release, "%3u.%3u", &major, &minor) != 2)
		return false;
	return major < 6 || (major == 6 && minor < 19);
}
