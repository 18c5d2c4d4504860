/* SPDX-License-Identifier: MIT */
/*
 * The door to every kind. What holds for all of them is checked here, once: names that no
 * native call would take never reach a kind, and an operation that a kind leaves out of
 * its table is refused with -EOPNOTSUPP.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "native/kind.h"
#include "native/name.h"

static const struct kind_ops *const kinds[] = {
	&kind_posix,
	&kind_sysv,
	&kind_all,
	NULL,
};

const struct kind_ops *kind_find(const char *name)
{
	for (size_t i = 0; kinds[i]; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

bool kind_has(const struct kind_ops *ops, const struct kind_ops *kind)
{
	for (size_t i = 0; ops->members && ops->members[i]; i++)
		if (ops->members[i] == kind)
			return true;
	return ops == kind;
}

/* A file's name in a directory, as it stands: the leading slashes of shm_open are not for
 * here. */
static int check_name(const char *name)
{
	const char *plain;
	int r = name_normalize(name, &plain);

	if (r < 0)
		return r;
	return plain == name ? 0 : -EINVAL;
}

int kind_new(const struct kind_ops *ops, const struct kind_config *config,
	     struct kind **ret)
{
	return ops->new (config, ret);
}

struct kind *kind_free(struct kind *k)
{
	if (k)
		k->ops->free(k);
	return NULL;
}

struct native_file *native_file_ref(struct native_file *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

struct native_file *native_file_unref(struct native_file *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		f->kind->ops->close(f);
	return NULL;
}

struct native_file *kind_root(struct kind *k)
{
	return k->ops->root(k);
}

int kind_statfs(struct kind *k, struct statvfs *ret)
{
	return k->ops->statfs(k, ret);
}

int kind_list_open(struct kind *k, const struct caller *caller, struct native_list **ret)
{
	return k->ops->list_open(k, caller, ret);
}

int kind_list_next(struct kind *k, struct native_list *l, int64_t position,
		   struct list_entry *ret)
{
	return position < 0 ? -EINVAL : k->ops->list_next(l, position, ret);
}

void kind_list_close(struct kind *k, struct native_list *l)
{
	if (l)
		k->ops->list_close(l);
}

int kind_remember(struct kind *k)
{
	if (!k->ops->adopt)
		return -EOPNOTSUPP;
	return k->ops->remember ? k->ops->remember(k) : 0;
}

int kind_list_descriptor(struct kind *k, struct native_list *l)
{
	return k->ops->list_descriptor ? k->ops->list_descriptor(l) : -1;
}

int kind_adopt(struct kind *k, const struct native_remains *r, struct native_file **ret)
{
	return k->ops->adopt(k, r, ret);
}

int kind_list_adopt(struct kind *k, int *fd, struct native_list **ret)
{
	return k->ops->list_adopt(fd, ret);
}

int kind_watch(struct kind *k)
{
	return k->ops->watch ? k->ops->watch(k) : -EOPNOTSUPP;
}

int kind_event(struct kind *k, struct kind_event *ret)
{
	return k->ops->event(k, ret);
}

int kind_identify(struct kind *k, const struct caller *caller, const char *name,
		  struct object_info *ret)
{
	int r = check_name(name);

	if (r < 0)
		return r;
	return k->ops->identify ? k->ops->identify(k, caller, name, ret) : -EOPNOTSUPP;
}

int kind_lookup(struct kind *k, const struct caller *caller, const char *name,
		struct native_file **ret, struct object_info *ret_info)
{
	int r = check_name(name);

	return r < 0 ? r : k->ops->lookup(k, caller, name, ret, ret_info);
}

int kind_create(struct kind *k, const struct caller *caller, const char *name, int flags,
		mode_t mode, struct native_file **ret, struct object_info *ret_info)
{
	int r = check_name(name);

	if (r < 0)
		return r;
	return k->ops->create(k, caller, name, flags, mode & 0777, ret, ret_info);
}

int kind_tmpfile(struct kind *k, const struct caller *caller, int flags, mode_t mode,
		 struct native_file **ret, struct object_info *ret_info)
{
	if (!k->ops->tmpfile)
		return -EOPNOTSUPP;
	return k->ops->tmpfile(k, caller, flags, mode & 0777, ret, ret_info);
}

int kind_remove(struct kind *k, const struct caller *caller, const char *name)
{
	int r = check_name(name);

	return r < 0 ? r : k->ops->remove(k, caller, name);
}

int kind_rename(struct kind *k, const struct caller *caller, const char *from,
		const char *to, unsigned int flags)
{
	int r = check_name(from);

	if (r == 0)
		r = check_name(to);
	if (r < 0)
		return r;
	/* As rename(2) says it of a file system that cannot. */
	return k->ops->rename ? k->ops->rename(k, caller, from, to, flags) : -EPERM;
}

int native_link(struct native_file *f, const struct caller *caller, const char *name)
{
	int r = check_name(name);

	if (r < 0)
		return r;
	/* As link(2) says it of a file system that cannot. */
	return f->kind->ops->link ? f->kind->ops->link(f, caller, name) : -EPERM;
}

int native_open(struct native_file *f, const struct caller *caller, int flags,
		struct native_file **ret)
{
	return f->kind->ops->open(f, caller, flags, ret);
}

int native_stat(struct native_file *f, struct object_info *ret)
{
	return f->kind->ops->stat(f, ret);
}

int native_access(struct native_file *f, const struct caller *caller, int mask)
{
	return f->kind->ops->access(f, caller, mask);
}

int native_truncate(struct native_file *f, const struct caller *caller, uint64_t size)
{
	if (size > INT64_MAX)
		return -EFBIG;
	return f->kind->ops->truncate(f, caller, size);
}

int native_chmod(struct native_file *f, const struct caller *caller, mode_t mode)
{
	return f->kind->ops->chmod(f, caller, mode);
}

int native_chown(struct native_file *f, const struct caller *caller, uid_t uid, gid_t gid)
{
	return f->kind->ops->chown(f, caller, uid, gid);
}

int native_utimens(struct native_file *f, const struct caller *caller,
		   const struct timespec times[2])
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->utimens ? ops->utimens(f, caller, times) : -EPERM;
}

ssize_t native_getxattr(struct native_file *f, const struct caller *caller,
			const char *name, void *value, size_t size)
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->getxattr ? ops->getxattr(f, caller, name, value, size) : -EOPNOTSUPP;
}

ssize_t native_listxattr(struct native_file *f, const struct caller *caller, char *list,
			 size_t size)
{
	const struct kind_ops *ops = f->kind->ops;

	/* What has no attributes but those that are told has none to list. */
	return ops->listxattr ? ops->listxattr(f, caller, list, size) : 0;
}

int native_setxattr(struct native_file *f, const struct caller *caller, const char *name,
		    const void *value, size_t size, int flags)
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->setxattr ? ops->setxattr(f, caller, name, value, size, flags)
			     : -EOPNOTSUPP;
}

int native_removexattr(struct native_file *f, const struct caller *caller,
		       const char *name)
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->removexattr ? ops->removexattr(f, caller, name) : -EOPNOTSUPP;
}

ssize_t native_tell(struct native_file *f, const char *name, void *value, size_t size)
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->tell ? ops->tell(f, name, value, size) : -ENODATA;
}

int native_backing(struct native_file *f)
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->backing ? ops->backing(f) : -EOPNOTSUPP;
}

ssize_t native_read(struct native_file *f, void *buf, size_t n, uint64_t offset)
{
	return offset > INT64_MAX ? -EINVAL : f->kind->ops->read(f, buf, n, offset);
}

ssize_t native_write(struct native_file *f, const void *buf, size_t n, uint64_t offset,
		     bool append)
{
	return offset > INT64_MAX ? -EFBIG
				  : f->kind->ops->write(f, buf, n, offset, append);
}

int native_resize(struct native_file *f, uint64_t size)
{
	if (!f->kind->ops->resize)
		return -EOPNOTSUPP;
	return size > INT64_MAX ? -EFBIG : f->kind->ops->resize(f, size);
}

int native_allocate(struct native_file *f, int mode, uint64_t offset, uint64_t length)
{
	if (!f->kind->ops->allocate)
		return -EOPNOTSUPP;
	if (offset > INT64_MAX || length > INT64_MAX - offset)
		return -EFBIG;
	return f->kind->ops->allocate(f, mode, offset, length);
}

int64_t native_seek(struct native_file *f, int64_t offset, int whence)
{
	return f->kind->ops->seek ? f->kind->ops->seek(f, offset, whence) : -EOPNOTSUPP;
}

ssize_t native_copy(struct native_file *in, uint64_t in_offset, struct native_file *out,
		    uint64_t out_offset, size_t n)
{
	if (in->kind != out->kind || !in->kind->ops->copy)
		return -EOPNOTSUPP;
	if (in_offset > INT64_MAX || out_offset > INT64_MAX)
		return -EINVAL;
	return in->kind->ops->copy(in, in_offset, out, out_offset, n);
}

int native_sync(struct native_file *f, bool data_only)
{
	return f->kind->ops->sync ? f->kind->ops->sync(f, data_only) : 0;
}

int native_flush(struct native_file *f, const struct caller *caller)
{
	return f->kind->ops->flush ? f->kind->ops->flush(f, caller) : 0;
}

int native_lock(struct native_file *f, int command, struct flock *lock)
{
	/* The lock of an open file has no process, and the kernel insists on it. */
	lock->l_pid = 0;
	return f->kind->ops->lock ? f->kind->ops->lock(f, command, lock) : -EOPNOTSUPP;
}

int native_flock(struct native_file *f, int operation)
{
	return f->kind->ops->flock ? f->kind->ops->flock(f, operation) : -EOPNOTSUPP;
}

int native_ioctl(struct native_file *f, const struct caller *caller, unsigned int command,
		 void *argument)
{
	const struct kind_ops *ops = f->kind->ops;

	return ops->ioctl ? ops->ioctl(f, caller, command, argument) : -ENOTTY;
}

int native_locks(struct native_file *f)
{
	return f->kind->ops->locks ? f->kind->ops->locks(f) : -EOPNOTSUPP;
}

int native_keep(struct native_file *f)
{
	return f->kind->ops->keep ? f->kind->ops->keep(f) : -1;
}
