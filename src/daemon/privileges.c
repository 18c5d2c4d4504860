/* SPDX-License-Identifier: MIT */
/* The capabilities, with libcap-ng, which is made for exactly this. */
#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "daemon/privileges.h"

/* Needed by ourselves, or by root as a caller of native calls that we make for it. */
static const unsigned int kept[] = {
	CAP_CHOWN,           /* root's chown */
	CAP_DAC_OVERRIDE,    /* root's access */
	CAP_DAC_READ_SEARCH, /* likewise */
	CAP_FOWNER,          /* root's chmod, utimes, and unlink in a sticky directory */
	CAP_IPC_OWNER,       /* root's access to System V segments */
	CAP_SETGID,          /* to become the caller */
	CAP_SETUID,          /* likewise */
	CAP_SYS_ADMIN,       /* backing files, umount, trusted.* attributes, IPC_SET */
};

static bool is_kept(unsigned int capability)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (kept[i] == capability)
			return true;
	return false;
}

int privileges_drop(void)
{
	if (capng_get_caps_process() < 0)
		return -errno;
	if (!capng_have_capabilities(CAPNG_SELECT_CAPS))
		return 0;
	for (unsigned int c = 0; c <= CAP_LAST_CAP; c++)
		if (!is_kept(c))
			capng_update(
				CAPNG_DROP,
				CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE, c);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

void privileges_prepare(void)
{
	umask(0);
}
