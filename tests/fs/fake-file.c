/* SPDX-License-Identifier: MIT */
/* What the fake kind does with files: attributes, extended attributes and data. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "fake.h"

static struct stat *stat_of(struct native_file *n)
{
	return &fake_file_of(n)->object->info.stat;
}

int fake_open(struct native_file *n, const struct caller *c, int flags,
	      struct native_file **ret)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_OPEN, c, &r);

	f->opened = flags;
	if (r == 0 && flags & O_TRUNC)
		stat_of(n)->st_size = 0;
	return r < 0 ? r : fake_file_new(f, fake_file_of(n)->object, false, flags, ret);
}

int fake_stat(struct native_file *n, struct object_info *ret)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_STAT, NULL, &r);

	if (r == 0)
		*ret = fake_file_of(n)->object->info;
	return r;
}

int fake_access(struct native_file *n, const struct caller *c, int mask)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_ACCESS, c, &r);

	if (r < 0)
		return r;
	return mask & X_OK && !(stat_of(n)->st_mode & 0111) ? -EACCES : 0;
}

static int set_size(struct native_file *n, uint64_t size)
{
	struct fake_object *o = fake_file_of(n)->object;

	if (size > sizeof(o->data))
		return -ENOSPC;
	if (size < (uint64_t)o->info.stat.st_size)
		memset(o->data + size, 0, sizeof(o->data) - size);
	o->info.stat.st_size = (off_t)size;
	return 0;
}

int fake_truncate(struct native_file *n, const struct caller *c, uint64_t size)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_TRUNCATE, c, &r);

	return r < 0 ? r : set_size(n, size);
}

int fake_resize(struct native_file *n, uint64_t size)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_RESIZE, NULL, &r);

	assert_true(fake_file_is(n, false));
	return r < 0 ? r : set_size(n, size);
}

int fake_chmod(struct native_file *n, const struct caller *c, mode_t mode)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_CHMOD, c, &r);

	assert_int_equal(mode & ~07777u, 0);
	if (r == 0)
		stat_of(n)->st_mode = (stat_of(n)->st_mode & S_IFMT) | mode;
	return r;
}

int fake_chown(struct native_file *n, const struct caller *c, uid_t uid, gid_t gid)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_CHOWN, c, &r);

	if (r == 0 && uid != (uid_t)-1)
		stat_of(n)->st_uid = uid;
	if (r == 0 && gid != (gid_t)-1)
		stat_of(n)->st_gid = gid;
	return r;
}

int fake_utimens(struct native_file *n, const struct caller *c,
		 const struct timespec times[2])
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_UTIMENS, c, &r);

	if (r == 0)
		memcpy(f->times, times, sizeof(f->times));
	return r;
}

static ssize_t give(const char *text, size_t length, void *value, size_t size)
{
	if (size > 0 && size < length)
		return -ERANGE;
	if (size > 0)
		memcpy(value, text, length);
	return (ssize_t)length;
}

ssize_t fake_getxattr(struct native_file *n, const struct caller *c, const char *name,
		      void *value, size_t size)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_GETXATTR, c, &r);
	struct fake_object *o = fake_file_of(n)->object;

	if (r < 0)
		return r;
	if (!o->xattr[0] || strcmp(o->xattr, name) != 0)
		return -ENODATA;
	return give(o->value, strlen(o->value), value, size);
}

ssize_t fake_listxattr(struct native_file *n, const struct caller *c, char *list,
		       size_t size)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_LISTXATTR, c, &r);
	struct fake_object *o = fake_file_of(n)->object;

	if (r < 0 || !o->xattr[0])
		return r;
	return give(o->xattr, strlen(o->xattr) + 1, list, size);
}

int fake_setxattr(struct native_file *n, const struct caller *c, const char *name,
		  const void *value, size_t size, int flags)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_SETXATTR, c, &r);
	struct fake_object *o = fake_file_of(n)->object;
	bool there = o->xattr[0] && strcmp(o->xattr, name) == 0;

	if (r < 0)
		return r;
	if (there && flags & XATTR_CREATE)
		return -EEXIST;
	if (!there && flags & XATTR_REPLACE)
		return -ENODATA;
	snprintf(o->xattr, sizeof(o->xattr), "%s", name);
	snprintf(o->value, sizeof(o->value), "%.*s", (int)size, (const char *)value);
	return 0;
}

int fake_removexattr(struct native_file *n, const struct caller *c, const char *name)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_REMOVEXATTR, c, &r);
	struct fake_object *o = fake_file_of(n)->object;

	if (r == 0 && strcmp(o->xattr, name) != 0)
		r = -ENODATA;
	if (r == 0)
		o->xattr[0] = '\0';
	return r;
}

int fake_backing(struct native_file *n)
{
	assert_true(fake_file_is(n, false));
	return fake_file_of(n)->fd;
}

ssize_t fake_read(struct native_file *n, void *buf, size_t size, uint64_t offset)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_READ, NULL, &r);
	uint64_t end = (uint64_t)stat_of(n)->st_size;

	assert_true(fake_file_is(n, false));
	if (r < 0 || offset >= end)
		return r;
	if (size > end - offset)
		size = end - offset;
	memcpy(buf, fake_file_of(n)->object->data + offset, size);
	return (ssize_t)size;
}

ssize_t fake_write(struct native_file *n, const void *buf, size_t size, uint64_t offset,
		   bool append)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_WRITE, NULL, &r);
	struct fake_object *o = fake_file_of(n)->object;
	uint64_t end = (uint64_t)o->info.stat.st_size;

	assert_true(fake_file_is(n, false));
	if (append)
		offset = end;
	if (r < 0)
		return r;
	if (offset > sizeof(o->data) || size > sizeof(o->data) - offset)
		return -ENOSPC;
	memcpy(o->data + offset, buf, size);
	if (offset + size > end)
		o->info.stat.st_size = (off_t)(offset + size);
	return (ssize_t)size;
}

int fake_allocate(struct native_file *n, int mode, uint64_t offset, uint64_t length)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_ALLOCATE, NULL, &r);

	if (r < 0 || mode & FALLOC_FL_KEEP_SIZE)
		return r;
	if (offset + length <= (uint64_t)stat_of(n)->st_size)
		return 0;
	return set_size(n, offset + length);
}

int64_t fake_seek(struct native_file *n, int64_t offset, int whence)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_SEEK, NULL, &r);

	if (r < 0)
		return r;
	if (offset < 0 || offset >= stat_of(n)->st_size)
		return -ENXIO;
	return whence == SEEK_HOLE ? stat_of(n)->st_size : offset;
}

ssize_t fake_copy(struct native_file *in, uint64_t in_offset, struct native_file *out,
		  uint64_t out_offset, size_t size)
{
	char buf[sizeof(((struct fake_object *)0)->data)];
	ssize_t n;

	{
		int r;
		_in_fake_ struct fake *f = fake_enter(in->kind, FAKE_COPY, NULL, &r);

		if (r < 0)
			return r;
	}
	n = fake_read(in, buf, size < sizeof(buf) ? size : sizeof(buf), in_offset);
	return n <= 0 ? n : fake_write(out, buf, (size_t)n, out_offset, false);
}

int fake_sync(struct native_file *n, bool data_only)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_SYNC, NULL, &r);

	(void)data_only;
	return r;
}
