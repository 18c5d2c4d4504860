/* SPDX-License-Identifier: MIT */
/*
 * Namespaces are the cleanup here: whatever a test mounts or creates lives in them and
 * goes when its last process goes, also after a crash.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sandbox.h"

static _Noreturn void fail(int status, const char *what)
{
	fprintf(stderr, "sandbox: %s: %s\n", what, strerror(errno));
	exit(status);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail(1, path);
	close(fd);
}

static void map_root(uid_t uid, gid_t gid)
{
	char map[64];

	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", (unsigned int)uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", (unsigned int)gid);
	write_file("/proc/self/gid_map", map);
}

void sandbox_tmpfs(const char *dir, const char *options)
{
	if (mount("shmfs-test", dir, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		fail(1, dir);
}

void sandbox_enter(void)
{
	const char *require = getenv("SHMFS_REQUIRE_MOUNT");
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int flags = CLONE_NEWNS | CLONE_NEWIPC;

	if (unshare(uid == 0 ? flags : flags | CLONE_NEWUSER) < 0)
		fail(require && !strcmp(require, "1") ? 1 : SANDBOX_SKIP, "unshare");
	if (uid != 0)
		map_root(uid, gid);
	/* Nothing mounted from here on may travel back. */
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
		fail(1, "make / private");
	sandbox_tmpfs("/dev/shm", "mode=1777");
	/* What the machine's systemd is set to is no matter of a test. */
	if (access("/run/systemd", F_OK) == 0)
		sandbox_tmpfs("/run/systemd", "mode=755");
}

unsigned int sandbox_count_entries(const char *path)
{
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		fail(1, path);
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

unsigned int sandbox_count_fds(void)
{
	/* The directory stream that counts is one of them. */
	return sandbox_count_entries("/proc/self/fd") - 1;
}
