/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "ordinary.h"
#include "util/cleanup.h"

const struct person ordinary_user = { .name = "alice", .uid = 1000, .gid = 1000 };

/* fusermount3 wants a name for who mounts; alice need not have one on this machine. */
static void name_user(void)
{
	_cleanup_free_ char *lines = NULL;

	assert_true(asprintf(&lines, "root:x:0:0::/:/bin/sh\nalice:x:%u:%u::/:/bin/sh\n",
			     (unsigned int)ordinary_user.uid,
			     (unsigned int)ordinary_user.gid) > 0);
	file_make(SCRATCH_DIR "/dev", "passwd", 0644, lines);
	must(mount(SCRATCH_DIR "/dev/passwd", "/etc/passwd", NULL, MS_BIND, NULL));
}

/* With a /dev/fuse that everybody may open, as most machines have it. */
void ordinary_allow(void)
{
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	must(mkdir(SCRATCH_DIR "/dev", 0755));
	must(mount("dev", SCRATCH_DIR "/dev", "tmpfs", 0, NULL));
	must(mknod(SCRATCH_DIR "/dev/fuse", S_IFCHR, makedev(10, 229)));
	must(chmod(SCRATCH_DIR "/dev/fuse", 0666));
	must(mount(SCRATCH_DIR "/dev/fuse", "/dev/fuse", NULL, MS_BIND, NULL));
	name_user();
	must(mkdir(USER_DIR, 0755));
	must(chown(USER_DIR, ordinary_user.uid, ordinary_user.gid));
}

void ordinary_disallow(void)
{
	must(umount2("/etc/passwd", MNT_DETACH));
	must(umount2("/dev/fuse", MNT_DETACH));
	must(umount2(SCRATCH_DIR "/dev", MNT_DETACH));
	must(rmdir(SCRATCH_DIR "/dev"));
	must(rmdir(USER_DIR));
}

struct outcome ordinary_mount(const char *options)
{
	const char *const argv[] = { getenv("SHMFS_DAEMON"), USER_DIR,
				     options ? "-o" : NULL, options, NULL };

	return command_run(&ordinary_user, argv);
}

void ordinary_unmount(void)
{
	static const char *const argv[] = { "fusermount3", "-u", USER_DIR, NULL };
	struct outcome o = command_run(&ordinary_user, argv);
	int status = -1;

	assert_string_equal(o.err, "");
	assert_int_equal(o.status, 0);
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
	refused(waitpid(-1, &status, WNOHANG), ECHILD);
}
