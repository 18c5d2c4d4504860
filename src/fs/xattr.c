/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: those of the object, and our own, "user.shmfs.*", which tell about
 * the file, can only be read, and are not listed, so that a copy does not carry them
 * along.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/internal.h"
#include "fs/journal.h"

#define OWN_PREFIX "user.shmfs."
#define OWN_IO     OWN_PREFIX "io"

#define CAPABILITIES "security.capability"

static bool is_own(const char *name)
{
	return strncmp(name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
}

static ssize_t give(const char *text, void *value, size_t size)
{
	size_t n = strlen(text);

	if (size == 0)
		return (ssize_t)n;
	if (size < n)
		return -ERANGE;
	memcpy(value, text, n);
	return (ssize_t)n;
}

static ssize_t get_own(struct fs *fs, struct native_file *f, uint64_t node,
		       const char *name, void *value, size_t size)
{
	if (node == FS_ROOT)
		return -ENODATA;
	if (strcmp(name, OWN_IO) != 0)
		return native_tell(f, name + strlen(OWN_PREFIX), value, size);
	return give(file_io(fs, node) == FS_IO_PASSTHROUGH ? "passthrough" : "direct",
		    value, size);
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
