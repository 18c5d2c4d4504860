/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: those of the object, and our own, "user.shmfs.*", which tell about
 * the file, can only be read, and are not listed, so that a copy does not carry them
 * along.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/internal.h"
#include "fs/journal.h"

#define OWN_PREFIX "user.shmfs."
#define OWN_IO     OWN_PREFIX "io"
#define OWN_INFO   OWN_PREFIX "info"

#define CAPABILITIES "security.capability"

static bool is_own(const char *name)
{
	return strncmp(name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
}

static ssize_t give(const char *text, size_t n, void *value, size_t size)
{
	if (size > 0 && size < n)
		return -ERANGE;
	if (size > 0)
		memcpy(value, text, n);
	return (ssize_t)n;
}

static const char *io_of(struct fs *fs, uint64_t node)
{
	return file_io(fs, node) == FS_IO_PASSTHROUGH ? "passthrough" : "direct";
}

/* All that is told, a line each, which one question gets. */
static ssize_t give_all(struct fs *fs, struct native_file *f, uint64_t node, void *value,
			size_t size)
{
	const char *const *name = fs->kind->ops->told;
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	char one[256];
	ssize_t n = 0;
	FILE *all = open_memstream(&text, &length);

	if (!all)
		return -ENOMEM;
	fprintf(all, "io: %s\n", io_of(fs, node));
	for (; name && *name && (n >= 0 || n == -ENODATA); name++) {
		n = native_tell(f, *name, one, sizeof(one));
		if (n >= 0)
			fprintf(all, "%s: %.*s\n", *name, (int)n, one);
	}
	if (fclose(all) != 0)
		return -ENOMEM;
	return n < 0 && n != -ENODATA ? n : give(text, length, value, size);
}

static ssize_t get_own(struct fs *fs, struct native_file *f, uint64_t node,
		       const char *name, void *value, size_t size)
{
	const char *io = io_of(fs, node);

	if (node == FS_ROOT)
		return -ENODATA;
	if (strcmp(name, OWN_IO) == 0)
		return give(io, strlen(io), value, size);
	if (strcmp(name, OWN_INFO) == 0)
		return give_all(fs, f, node, value, size);
	return native_tell(f, name + strlen(OWN_PREFIX), value, size);
}

ssize_t fs_getxattr(struct fs *fs, const struct caller *caller, uint64_t node,
		    const char *name, void *value, size_t size)
{
	_cleanup_native_ struct native_file *f = NULL;
	/* The kernel asks for them before somebody truncates. */
	int r = strcmp(name, CAPABILITIES) == 0 ? node_hold_ahead(fs, caller, node, &f)
						: node_hold(fs, caller, node, &f);

	if (r < 0)
		return r;
	if (is_own(name))
		return get_own(fs, f, node, name, value, size);
	return native_getxattr(f, caller, name, value, size);
}

ssize_t fs_listxattr(struct fs *fs, const struct caller *caller, uint64_t node,
		     char *list, size_t size)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = node_hold(fs, caller, node, &f);

	return r < 0 ? r : native_listxattr(f, caller, list, size);
}

/* As it is when somebody has set that already. */
static bool has_value(struct native_file *f, const char *name, const void *value,
		      size_t size)
{
	_cleanup_free_ char *now = malloc(size + 1);

	return now && native_getxattr(f, NULL, name, now, size + 1) == (ssize_t)size &&
	       memcmp(now, value, size) == 0;
}

int fs_setxattr(struct fs *fs, const struct caller *caller, uint64_t node,
		const char *name, const void *value, size_t size, int flags)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = node_hold(fs, caller, node, &f);

	if (r < 0)
		return r;
	if (journal_is_done(caller, &r))
		return r;
	if (is_own(name))
		return -EPERM;
	r = native_setxattr(f, caller, name, value, size, flags);
	if (r == -EEXIST && caller && caller->before && has_value(f, name, value, size))
		r = 0;
	return journal_done(caller, r);
}

/*
 * This is how the kernel takes the capabilities from a file that somebody writes to. The
 * attribute as such could be removed with CAP_SETFCAP only. But it goes with any change
 * of the owner, also with one that changes nothing, and takes along the bits that go with
 * a write. Who may do so is as with those, see drop_privileges().
 */
static int remove_capabilities(struct native_file *f, const struct caller *caller)
{
	ssize_t size = native_getxattr(f, caller, CAPABILITIES, NULL, 0);
	int r;

	if (size < 0)
		return (int)size;
	r = native_access(f, caller, W_OK);
	if (r != -EACCES)
		return r < 0 ? r : native_chown(f, NULL, (uid_t)-1, (gid_t)-1);
	r = native_chown(f, caller, (uid_t)-1, (gid_t)-1);
	return r == -EPERM ? 0 : r;
}

int fs_removexattr(struct fs *fs, const struct caller *caller, uint64_t node,
		   const char *name)
{
	_cleanup_native_ struct native_file *f = NULL;
	int r = node_hold(fs, caller, node, &f);

	if (r < 0)
		return r;
	if (strcmp(name, CAPABILITIES) == 0)
		return remove_capabilities(f, caller);
	if (journal_is_done(caller, &r))
		return r;
	if (is_own(name))
		return -EPERM;
	r = native_removexattr(f, caller, name);
	/* Somebody else may have been faster than us. */
	if (r == -ENODATA && caller && caller->before)
		r = 0;
	return journal_done(caller, r);
}
