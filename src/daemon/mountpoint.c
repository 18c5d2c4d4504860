/* SPDX-License-Identifier: MIT */
/*
 * What can be wrong with a mount point, in words, and what to do about it.
 *
 * A user may own a directory that the path leads through, and have it lead elsewhere
 * between any two looks at it. So the directory is held from the first one on: what was
 * checked is what is mounted on. What is mounted where the kernel tells by the number of
 * the mount below, and the path that this has at the moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/mountpoint.h"
#include "util/cleanup.h"

/* The path of what @fd has open, as of now, to be freed. */
static int path_of(int fd, char **ret)
{
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(path))
		return -ENAMETOOLONG;
	*ret = strndup(path, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

/* The number of the mount that @fd is on, or a negative errno. */
static int mount_of(int fd)
{
	_cleanup_close_ int info = -1;
	char text[256], *at;
	ssize_t n;
	int id;

	snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
	info = open(text, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	at = strstr(text, "mnt_id:");
	return at && sscanf(at, "mnt_id: %d", &id) == 1 ? id : -ENOSYS;
}

/* A line of mountinfo, as far as it matters. */
struct mounted {
	int id, parent;
	unsigned int major, minor;
	const char *path;
	const char *type;
};

/* Its bytes that stand for others, as \040 for a space, become those. */
static void unescape(char *text)
{
	char *to = text;
	unsigned int byte;

	for (; *text; to++) {
		if (sscanf(text, "\\%3o", &byte) == 1) {
			*to = (char)byte;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* Of @line, which it changes. */
static bool parse(char *line, struct mounted *ret)
{
	char *path, *type = strstr(line, " - ");
	int at = 0;

	if (!type || sscanf(line, "%d %d %u:%u %*s %n", &ret->id, &ret->parent,
			    &ret->major, &ret->minor, &at) != 4)
		return false;
	path = line + at;
	path[strcspn(path, " ")] = '\0';
	unescape(path);
	type += strlen(" - ");
	type[strcspn(type, " ")] = '\0';
	ret->path = path;
	ret->type = type;
	return true;
}

/* A mount of @table that is at @path, and for which @is; the last one. */
static bool find(FILE *table, const char *path,
		 bool (*is)(const struct mounted *m, int id), int id,
		 unsigned int *ret_major, unsigned int *ret_minor)
{
	_cleanup_free_ char *line = NULL;
	struct mounted m;
	bool found = false;
	size_t size = 0;

	rewind(table);
	while (getline(&line, &size, table) > 0) {
		if (!parse(line, &m) || strcmp(m.path, path) != 0 || !is(&m, id))
			continue;
		*ret_major = m.major;
		*ret_minor = m.minor;
		found = true;
	}
	return found;
}

static bool is_shmfs(const struct mounted *m, int id)
{
	return m->id == id && strcmp(m->type, "fuse.shmfs") == 0;
}

static bool is_upon(const struct mounted *m, int id)
{
	return m->parent == id;
}

static int explain(const char *path, int error)
{
	switch (error) {
	case ENOENT:
		log_error("mount point '%s' does not exist: make it first (mkdir -p)",
			  path);
		break;
	case ENOTDIR:
		log_error("mount point '%s' is not a directory", path);
		break;
	case ENOTCONN:
		log_error(
			"on '%s' is a mount whose daemon is dead: unmount it first (umount)",
			path);
		break;
	default:
		log_error("mount point '%s': %s", path, strerror(error));
	}
	return -error;
}

bool mountpoint_has_shmfs(const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	_cleanup_free_ char *absolute = NULL;
	unsigned int major, minor;
	bool found = false;
	FILE *table = fd < 0 ? NULL : fopen("/proc/self/mountinfo", "re");

	if (table && path_of(fd, &absolute) == 0)
		found = find(table, absolute, is_shmfs, mount_of(fd), &major, &minor);
	if (table)
		fclose(table);
	return found;
}

/* What is mounted there would hide what it shows, from native programs above all. */
static bool is_shown(const struct statx *stx, const char *shown)
{
	struct statx other;

	return shown && statx(AT_FDCWD, shown, 0, STATX_INO, &other) == 0 &&
	       stx->stx_dev_major == other.stx_dev_major &&
	       stx->stx_dev_minor == other.stx_dev_minor && stx->stx_ino == other.stx_ino;
}

/* Whether it may be mounted there: *@path is that of what is held. */
static int check(const struct place *p, const char *path, const char *shown)
{
	unsigned int major, minor;
	struct statx stx;

	/* What is cached would not tell that the daemon of a mount there is dead. */
	if (statx(p->fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_TYPE | STATX_INO,
		  &stx) < 0)
		return explain(path, errno);
	if (!S_ISDIR(stx.stx_mode))
		return explain(path, ENOTDIR);
	if (find(p->table, path, is_shmfs, p->mount, &major, &minor)) {
		log_error("shmfs is mounted on '%s' already: unmount it first (umount)",
			  path);
		return -EBUSY;
	}
	if (is_shown(&stx, shown)) {
		log_error("'%s' is what would be shown: mount it on another directory",
			  path);
		return -EBUSY;
	}
	return 0;
}

int mountpoint_hold(char **path, const char *shown, struct place *ret)
{
	_cleanup_(mountpoint_release) struct place p = { .fd = -1 };
	_cleanup_free_ char *absolute = NULL;
	int r = 0;

	p.fd = open(*path, O_PATH | O_CLOEXEC);
	if (p.fd < 0)
		return explain(*path, errno);
	p.mount = mount_of(p.fd);
	if (p.mount < 0)
		return explain(*path, -p.mount);
	p.table = fopen("/proc/self/mountinfo", "re");
	if (!p.table)
		return explain("/proc/self/mountinfo", errno);
	r = path_of(p.fd, &absolute);
	if (r < 0)
		return explain(*path, -r);
	r = check(&p, absolute, shown);
	if (r < 0)
		return r;
	free(*path);
	*path = take_ptr(absolute);
	*ret = p;
	p = (struct place){ .fd = -1 }; /* given away */
	return 0;
}

void mountpoint_release(struct place *p)
{
	p->fd = close_fd(p->fd);
	if (p->table)
		fclose(p->table);
	p->table = NULL;
}

/* How often to look for a mount whose directory is being renamed, or without memory. */
#define FIND_TRIES 1000

int mountpoint_device(const struct place *p, char **path, unsigned int *ret_major,
		      unsigned int *ret_minor)
{
	for (int i = 0; i < FIND_TRIES; i++) {
		_cleanup_free_ char *now = NULL;
		int r = path_of(p->fd, &now);

		if (r < 0 && r != -ENOMEM)
			return r;
		if (!now || !find(p->table, now, is_upon, p->mount, ret_major, ret_minor))
			continue;
		free(*path);
		*path = take_ptr(now);
		return 0;
	}
	return -ESTALE;
}

/* What to do, by a part of what libfuse, fusermount3 or the kernel say. */
static const struct hint {
	const char *said;
	const char *advice;
} hints[] = {
	{ "open /dev/fuse: Permission denied",
	  ": mount as root, or let users open it (chmod 666 /dev/fuse)" },
	{ "mount failed: Operation not permitted",
	  ": mounting takes root, and in a container CAP_SYS_ADMIN" },
	{ "no write access to mountpoint",
	  ": mount on a directory of your own, or as root" },
	{ "", "" },
};

void mountpoint_explain(const char *path, const char *said)
{
	const struct hint *hint = hints;

	/* For which each libfuse has words of its own. */
	if (strncmp(said, "device ", 7) == 0 && strstr(said, "not found"))
		said = "there is no /dev/fuse: modprobe fuse, or give it to the container";
	while (!strstr(said, hint->said))
		hint++;
	log_error("cannot mount on '%s': %s%s", path, *said ? said : "no reason given",
		  hint->advice);
}
