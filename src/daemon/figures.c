/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/figures.h"
#include "daemon/log.h"
#include "daemon/wire.h"
#include "util/clock.h"

#define NS_PER_US 1000
#define NS_PER_S  1000000000

static const char *const names[FIGURES_REQUESTS] = {
	[0] = "other",
	[FUSE_LOOKUP] = "LOOKUP",
	[FUSE_FORGET] = "FORGET",
	[FUSE_GETATTR] = "GETATTR",
	[FUSE_SETATTR] = "SETATTR",
	[FUSE_READLINK] = "READLINK",
	[FUSE_SYMLINK] = "SYMLINK",
	[FUSE_MKNOD] = "MKNOD",
	[FUSE_MKDIR] = "MKDIR",
	[FUSE_UNLINK] = "UNLINK",
	[FUSE_RMDIR] = "RMDIR",
	[FUSE_RENAME] = "RENAME",
	[FUSE_LINK] = "LINK",
	[FUSE_OPEN] = "OPEN",
	[FUSE_READ] = "READ",
	[FUSE_WRITE] = "WRITE",
	[FUSE_STATFS] = "STATFS",
	[FUSE_RELEASE] = "RELEASE",
	[FUSE_FSYNC] = "FSYNC",
	[FUSE_SETXATTR] = "SETXATTR",
	[FUSE_GETXATTR] = "GETXATTR",
	[FUSE_LISTXATTR] = "LISTXATTR",
	[FUSE_REMOVEXATTR] = "REMOVEXATTR",
	[FUSE_FLUSH] = "FLUSH",
	[FUSE_INIT] = "INIT",
	[FUSE_OPENDIR] = "OPENDIR",
	[FUSE_READDIR] = "READDIR",
	[FUSE_RELEASEDIR] = "RELEASEDIR",
	[FUSE_FSYNCDIR] = "FSYNCDIR",
	[FUSE_GETLK] = "GETLK",
	[FUSE_SETLK] = "SETLK",
	[FUSE_SETLKW] = "SETLKW",
	[FUSE_ACCESS] = "ACCESS",
	[FUSE_CREATE] = "CREATE",
	[FUSE_INTERRUPT] = "INTERRUPT",
	[FUSE_DESTROY] = "DESTROY",
	[FUSE_IOCTL] = "IOCTL",
	[FUSE_POLL] = "POLL",
	[FUSE_NOTIFY_REPLY] = "NOTIFY_REPLY",
	[FUSE_BATCH_FORGET] = "BATCH_FORGET",
	[FUSE_FALLOCATE] = "FALLOCATE",
	[FUSE_READDIRPLUS] = "READDIRPLUS",
	[FUSE_RENAME2] = "RENAME2",
	[FUSE_LSEEK] = "LSEEK",
	[FUSE_COPY_FILE_RANGE] = "COPY_FILE_RANGE",
	[WIRE_TMPFILE] = "TMPFILE",
	[WIRE_STATX] = "STATX",
	[WIRE_COPY_FILE_RANGE_64] = "COPY_FILE_RANGE_64",
};

void figures_init(struct figures *f)
{
	*f = (struct figures){ .since = clock_ns() };
}

static void count(atomic_ulong *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* Bucket i has what took less than 2^i microseconds. */
static unsigned int bucket(uint64_t ns)
{
	unsigned int i = 0;

	for (uint64_t us = ns / NS_PER_US; us && i < FIGURES_TIMES - 1; us /= 2)
		i++;
	return i;
}

void figures_count(struct figures *f, uint32_t request, uint64_t ns)
{
	bool known = request < FIGURES_REQUESTS && names[request];

	count(&f->requests[known ? request : 0]);
	count(&f->times[bucket(ns)]);
}

/* A line that grows by items, and is said when there is no room for another. */
struct line {
	const char *subject;
	char text[80];
};

static void say(struct line *l)
{
	if (*l->text)
		log_info("%s: %s", l->subject, l->text);
	*l->text = '\0';
}

static void __attribute__((format(printf, 2, 3)))
add(struct line *l, const char *format, ...)
{
	char item[48];
	size_t used;
	va_list ap;

	va_start(ap, format);
	vsnprintf(item, sizeof(item), format, ap);
	va_end(ap);
	if (strlen(l->text) + 2 + strlen(item) >= sizeof(l->text))
		say(l);
	used = strlen(l->text);
	snprintf(l->text + used, sizeof(l->text) - used, used ? ", %s" : "%s", item);
}

static void log_requests(const struct figures *f)
{
	struct line line = { .subject = "requests" };
	unsigned long n;

	for (unsigned int i = 0; i < FIGURES_REQUESTS; i++)
		if ((n = atomic_load(&f->requests[i])))
			add(&line, "%s %lu", names[i], n);
	say(&line);
}

static void log_times(const struct figures *f)
{
	struct line line = { .subject = "served" };
	unsigned long n;

	for (unsigned int i = 0; i < FIGURES_TIMES; i++) {
		n = atomic_load(&f->times[i]);
		if (n && i < FIGURES_TIMES - 1)
			add(&line, "%lu in less than %lu us", n, 1ul << i);
		else if (n)
			add(&line, "%lu later", n);
	}
	say(&line);
}

void figures_log(const struct figures *f, const struct tree *tree, const char *status)
{
	uint64_t seconds = (clock_ns() - f->since) / NS_PER_S;
	struct fs_usage usage = tree_usage(tree);

	log_info("%s, for %" PRIu64 " s", status, seconds);
	log_requests(f);
	log_times(f);
	log_info("%u nodes, %u open files, %u directory streams", usage.nodes,
		 usage.files, usage.dirs);
}
