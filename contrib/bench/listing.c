/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory with many files, without and with what ls -l asks of each.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"

#define MANY 10000U

/* What ls -l of coreutils does not ask of a file system again that has none of it. */
struct unsupported {
	bool label;
	bool acl;
};

/* Visits entry @name: 0 or a negative errno. */
typedef int visit_fn(const char *name, struct unsupported *u);

static int list(visit_fn *visit, size_t least)
{
	struct unsupported u = { false, false };
	DIR *listing = opendir(".");
	struct dirent *entry;
	size_t n = 0;
	int r = 0;

	if (!listing)
		return -errno;
	for (; r == 0 && (entry = readdir(listing)); n++)
		r = visit ? visit(entry->d_name, &u) : 0;
	closedir(listing);
	return r == 0 && n < least ? -EIO : r;
}

static int list_often(struct bench *b, visit_fn *visit, size_t least, uint64_t count)
{
	int r = 0;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = list(visit, least);
	clock_stop(b->clock);
	return r;
}

static bool is_unsupported(int error)
{
	return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS;
}

/* For the sign behind the mode. There is seldom anything to be found. */
static int ask_for_sign(const char *name, struct unsupported *u)
{
	char value[255];

	if (!u->label && lgetxattr(name, "security.selinux", value, sizeof(value)) < 0) {
		u->label = is_unsupported(errno);
		if (errno == ENOTCONN)
			return -errno;
	}
	if (!u->acl && getxattr(name, "system.posix_acl_access", NULL, 0) < 0)
		u->acl = is_unsupported(errno);
	return 0;
}

/* The calls that strace shows ls -l to make for each entry. */
static int visit_as_ls(const char *name, struct unsupported *u)
{
	const int flags = AT_STATX_SYNC_AS_STAT | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	const unsigned mask = STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID |
			      STATX_MTIME | STATX_SIZE;
	struct statx stx;

	/* It leaves these out, being asked for no more than -l. */
	if (name[0] == '.')
		return 0;
	if (statx(AT_FDCWD, name, flags, mask, &stx) < 0)
		return -errno;
	return ask_for_sign(name, u);
}

int batch_readdir(struct bench *b, size_t size, uint64_t count)
{
	return list_often(b, NULL, size, count);
}

int batch_ls(struct bench *b, size_t size, uint64_t count)
{
	return list_often(b, visit_as_ls, size, count);
}

static int setup_many(struct bench *b)
{
	(void)b;
	return create_numbered(MANY);
}

static void teardown_many(struct bench *b)
{
	(void)b;
	remove_numbered(MANY);
}

const struct op listing_ops[] = {
	{ .name = "readdir-10000",
	  .batch = batch_readdir,
	  .size = MANY,
	  .slow = true,
	  .setup = setup_many,
	  .teardown = teardown_many },
	{ .name = "ls-l-10000",
	  .batch = batch_ls,
	  .size = MANY,
	  .slow = true,
	  .setup = setup_many,
	  .teardown = teardown_many },
	{ .name = NULL },
};
