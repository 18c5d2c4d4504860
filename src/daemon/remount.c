/* SPDX-License-Identifier: MIT */
/*
 * mount(8) calls us to mount anew as it does to mount, with the options that fstab has,
 * too, or those of the mount table: then it leaves out "exec", as what it takes for
 * granted. Of a mount of FUSE the kernel can change only the flags that it heeds by
 * itself, and a flag that is not given to it is cleared.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "daemon/log.h"
#include "daemon/mountpoint.h"
#include "daemon/remount.h"

static const struct {
	unsigned long native; /* as statvfs(3) has it */
	unsigned long flag;
} flags[] = {
	{ ST_RDONLY, MS_RDONLY },           { ST_NOEXEC, MS_NOEXEC },
	{ ST_SYNCHRONOUS, MS_SYNCHRONOUS }, { ST_MANDLOCK, MS_MANDLOCK },
	{ ST_NOATIME, MS_NOATIME },         { ST_NODIRATIME, MS_NODIRATIME },
	{ ST_RELATIME, MS_RELATIME },
};

static void set(unsigned long *now, unsigned long flag, bool on)
{
	*now = on ? *now | flag : *now & ~flag;
}

int remount(const struct options *o)
{
	unsigned long now = MS_REMOUNT | MS_NOSUID | MS_NODEV;
	struct statvfs st;

	if (!mountpoint_has_shmfs(o->mountpoint)) {
		log_error("no shmfs is mounted on '%s'", o->mountpoint);
		return -EINVAL;
	}
	if (statvfs(o->mountpoint, &st) < 0) {
		log_error("'%s': %s", o->mountpoint, strerror(errno));
		return -errno;
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		set(&now, flags[i].flag, st.f_flag & flags[i].native);
	if (o->writable >= 0)
		set(&now, MS_RDONLY, !o->writable);
	if (o->executable >= 0 || o->of_table)
		set(&now, MS_NOEXEC, o->executable == 0);
	if (mount(NULL, o->mountpoint, NULL, now, NULL) == 0)
		return 0;
	log_error("cannot mount '%s' anew: %s", o->mountpoint, strerror(errno));
	return -errno;
}
