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

/* Visits entry @name: 0 or a negative errno. */
typedef int visit_fn(const char *name);

static int list(visit_fn *visit)
{
	DIR *listing = opendir(".");
	struct dirent *entry;
	uint64_t n = 0;
	int r = 0;

	if (!listing)
		return -errno;
	for (; r == 0 && (entry = readdir(listing)); n++)
		r = visit ? visit(entry->d_name) : 0;
	closedir(listing);
	return r == 0 && n < MANY ? -EIO : r;
}

static int list_often(struct bench *b, visit_fn *visit, uint64_t count)
{
	int r = 0;

	clock_start(b->clock);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = list(visit);
	clock_stop(b->clock);
	return r;
}

/*
 * The calls that ls -l of coreutils makes for each entry, as strace shows them: the last
 * two for the sign behind the mode, where there is seldom anything to be found.
 */
static int visit_as_ls(const char *name)
{
	const int flags = AT_STATX_SYNC_AS_STAT | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	const unsigned mask = STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID |
			      STATX_MTIME | STATX_SIZE;
	struct statx stx;
	char value[255];

	/* It leaves these out, being asked for no more than -l. */
	if (name[0] == '.')
		return 0;
	if (statx(AT_FDCWD, name, flags, mask, &stx) < 0)
		return -errno;
	if (lgetxattr(name, "security.selinux", value, sizeof(value)) < 0 &&
	    getxattr(name, "system.posix_acl_access", NULL, 0) < 0 && errno == ENOTCONN)
		return -ENOTCONN;
	return 0;
}

static int batch_readdir(struct bench *b, size_t size, uint64_t count)
{
	(void)size;
	return list_often(b, NULL, count);
}

static int batch_ls(struct bench *b, size_t size, uint64_t count)
{
	(void)size;
	return list_often(b, visit_as_ls, count);
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
	  .slow = true,
	  .setup = setup_many,
	  .teardown = teardown_many },
	{ .name = "ls-l-10000",
	  .batch = batch_ls,
	  .slow = true,
	  .setup = setup_many,
	  .teardown = teardown_many },
	{ .name = NULL },
};
