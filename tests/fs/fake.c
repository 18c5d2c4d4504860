/* SPDX-License-Identifier: MIT */
/*
 * Names and objects of the fake kind. Tables of fixed size and an assertion where they
 * would overflow: a test that needs more says so. Only what a kind allocates in earnest,
 * files and listings, is allocated here, so that these allocations can fail too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

struct native_list {
	struct fake *fake;
	char name[256]; /* of the entry given last */
};

struct fake *fake_of(struct kind *k)
{
	return (struct fake *)k;
}

struct fake_file *fake_file_of(struct native_file *n)
{
	return (struct fake_file *)n;
}

void fake_fail(struct fake *f, enum fake_op op, unsigned int nth, int error)
{
	f->fail_op = op;
	f->fail_at = nth;
	f->fail_with = error;
	f->failed = false;
}

static int point(struct fake *f, enum fake_op op)
{
	f->calls[op]++;
	if (f->fail_at == 0 || (f->fail_op != FAKE_ANY && f->fail_op != op))
		return 0;
	if (--f->fail_at > 0)
		return 0;
	f->failed = true;
	f->failed_op = op;
	return f->fail_with;
}

struct fake *fake_enter(struct kind *k, enum fake_op op, const struct caller *caller,
			int *r)
{
	struct fake *f = fake_of(k);

	pthread_mutex_lock(&f->lock);
	f->callers[op] = caller;
	*r = point(f, op);
	return f;
}

void fake_leave(struct fake **f)
{
	pthread_mutex_unlock(&(*f)->lock);
}

static struct fake_object *new_object(struct fake *f, mode_t mode)
{
	for (size_t i = 0; i < FAKE_MAX; i++) {
		struct fake_object *o = &f->objects[i];

		if (o->info.id.inode)
			continue;
		*o = (struct fake_object){ .info.id = { 7, ++f->last_inode, 1 } };
		o->info.stat.st_dev = 7;
		o->info.stat.st_ino = f->last_inode;
		o->info.stat.st_mode = S_IFREG | mode;
		return o;
	}
	fail_msg("more than %d objects", FAKE_MAX);
	return NULL;
}

/* What neither a name nor a file leads to is gone. */
static void free_if_unused(struct fake *f, struct fake_object *o)
{
	if (o->files == 0 && o->info.stat.st_nlink == 0 && o != f->root.object)
		o->info.id.inode = 0;
}

static struct fake_name *find(struct fake *f, const char *name)
{
	for (size_t i = 0; i < FAKE_MAX; i++)
		if (f->names[i].name[0] && strcmp(f->names[i].name, name) == 0)
			return &f->names[i];
	return NULL;
}

static void set_name(struct fake_name *n, const char *name)
{
	snprintf(n->name, sizeof(n->name), "%s", name);
}

static void name_object(struct fake *f, const char *name, struct fake_object *o)
{
	for (size_t i = 0; i < FAKE_MAX; i++) {
		struct fake_name *n = &f->names[i];

		if (n->name[0])
			continue;
		set_name(n, name);
		n->object = o;
		n->position = ++f->last_position;
		o->info.stat.st_nlink++;
		return;
	}
	fail_msg("more than %d names", FAKE_MAX);
}

static void unname(struct fake *f, struct fake_name *n)
{
	n->name[0] = '\0';
	n->object->info.stat.st_nlink--;
	free_if_unused(f, n->object);
}

/*
 * What native users do.
 */
struct fake_object *fake_add(struct fake *f, const char *name)
{
	struct fake_object *o = new_object(f, 0644);

	assert_null(find(f, name));
	name_object(f, name, o);
	return o;
}

struct fake_object *fake_find(struct fake *f, const char *name)
{
	struct fake_name *n = find(f, name);

	return n ? n->object : NULL;
}

void fake_take(struct fake *f, const char *name)
{
	struct fake_name *n = find(f, name);

	assert_non_null(n);
	unname(f, n);
}

struct fake_object *fake_replace(struct fake *f, const char *name)
{
	fake_take(f, name);
	return fake_add(f, name);
}

void fake_move(struct fake *f, const char *from, const char *to)
{
	struct fake_name *n = find(f, from);
	struct fake_name *over = find(f, to);

	assert_non_null(n);
	if (over)
		unname(f, over);
	set_name(n, to);
}

void fake_link(struct fake *f, const char *name, const char *also)
{
	name_object(f, also, fake_find(f, name));
}

void fake_event(struct fake *f, const char *name)
{
	fake_event_of(f, name, name[0] ? KIND_GONE : 0);
}

void fake_event_of(struct fake *f, const char *name, unsigned int what)
{
	struct kind_event *event = &f->events[f->events_end++];

	assert_true(f->events_end <= FAKE_EVENTS);
	event->what = what;
	snprintf(event->name, sizeof(event->name), "%s", name);
}

/*
 * The table of operations: names.
 */
static int fake_identify(struct kind *k, const struct caller *c, const char *name,
			 struct object_info *ret)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_IDENTIFY, c, &r);
	struct fake_object *o = fake_find(f, name);

	if (r == 0 && !o)
		r = -ENOENT;
	if (r == 0)
		*ret = o->info;
	return r;
}

static int fake_lookup(struct kind *k, const struct caller *c, const char *name,
		       struct native_file **ret, struct object_info *ret_info)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_LOOKUP, c, &r);
	struct fake_object *o = fake_find(f, name);

	if (r == 0 && !o)
		r = -ENOENT;
	if (r == 0)
		r = fake_file_new(f, o, true, 0, ret);
	if (r == 0)
		*ret_info = o->info;
	return r;
}

static int fake_lookup_meanwhile(struct kind *k, const struct caller *c, const char *name,
				 struct native_file **ret, struct object_info *ret_info)
{
	int r = fake_lookup(k, c, name, ret, ret_info);
	struct fake *f = fake_of(k);
	void (*meanwhile)(void *);

	pthread_mutex_lock(&f->lock);
	meanwhile = f->meanwhile;
	f->meanwhile = NULL;
	pthread_mutex_unlock(&f->lock);
	if (meanwhile)
		meanwhile(f->context);
	return r;
}

static int fake_create(struct kind *k, const struct caller *c, const char *name,
		       int flags, mode_t mode, struct native_file **ret,
		       struct object_info *ret_info)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_CREATE, c, &r);
	struct fake_object *o = fake_find(f, name);
	bool made = !o;

	if (r < 0)
		return r;
	if (o && flags & O_EXCL)
		return -EEXIST;
	if (!o)
		o = new_object(f, mode);
	r = fake_file_new(f, o, false, flags, ret);
	if (r < 0) {
		free_if_unused(f, o);
		return r;
	}
	if (made)
		name_object(f, name, o);
	*ret_info = o->info;
	ret_info->created = made;
	return 0;
}

static int fake_tmpfile(struct kind *k, const struct caller *c, int flags, mode_t mode,
			struct native_file **ret, struct object_info *ret_info)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_TMPFILE, c, &r);
	struct fake_object *o;

	if (r < 0)
		return r;
	o = new_object(f, mode);
	o->linkable = !(flags & O_EXCL);
	r = fake_file_new(f, o, false, flags, ret);
	if (r < 0)
		free_if_unused(f, o);
	else
		*ret_info = o->info;
	return r;
}

static int fake_native_link(struct native_file *n, const struct caller *c,
			    const char *name)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(n->kind, FAKE_LINK, c, &r);
	struct fake_object *o = fake_file_of(n)->object;

	if (r < 0)
		return r;
	if (o->info.stat.st_nlink == 0 && !o->linkable)
		return -ENOENT;
	if (find(f, name))
		return -EEXIST;
	name_object(f, name, o);
	o->linkable = false;
	return 0;
}

static int fake_remove(struct kind *k, const struct caller *c, const char *name)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_REMOVE, c, &r);
	struct fake_name *n = find(f, name);

	if (r == 0 && !n)
		r = -ENOENT;
	if (r == 0)
		unname(f, n);
	return r;
}

static int fake_rename(struct kind *k, const struct caller *c, const char *from,
		       const char *to, unsigned int flags)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_RENAME, c, &r);
	struct fake_name *a = find(f, from);
	struct fake_name *b = find(f, to);
	struct fake_object *o;

	if (r < 0)
		return r;
	if (!a || (!b && flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (b && flags & RENAME_NOREPLACE)
		return -EEXIST;
	/* Two names of one object, or one: nothing happens, as with rename(2). */
	if (b && a->object == b->object)
		return 0;
	if (flags & RENAME_EXCHANGE) {
		o = a->object;
		a->object = b->object;
		b->object = o;
	} else {
		fake_move(f, from, to);
	}
	return 0;
}

/*
 * The directory.
 */
static int fake_statfs(struct kind *k, struct statvfs *ret)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_STATFS, NULL, &r);

	if (r == 0)
		*ret = (struct statvfs){ .f_bsize = 4096, .f_files = FAKE_MAX };
	return r;
}

static int fake_list_open(struct kind *k, const struct caller *c,
			  struct native_list **ret)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(k, FAKE_LIST_OPEN, c, &r);
	struct native_list *l = r < 0 ? NULL : malloc(sizeof(*l));

	if (r < 0)
		return r;
	if (!l)
		return -ENOMEM;
	l->fake = f;
	f->lists++;
	*ret = l;
	return 0;
}

static const struct fake_name *first_behind(const struct fake *f, int64_t position)
{
	const struct fake_name *best = NULL;

	for (size_t i = 0; i < FAKE_MAX; i++) {
		const struct fake_name *n = &f->names[i];

		if (n->name[0] && n->position > position &&
		    (!best || n->position < best->position))
			best = n;
	}
	return best;
}

static int fake_list_next(struct native_list *l, int64_t position, struct list_entry *ret)
{
	static const char *const dots[] = { ".", ".." };
	int r;
	_in_fake_ struct fake *f = fake_enter(&l->fake->kind, FAKE_LIST_NEXT, NULL, &r);
	const struct fake_name *n = first_behind(f, position);

	if (r < 0)
		return r;
	if (position < 2) {
		*ret = (struct list_entry){ dots[position], 1, S_IFDIR, position + 1 };
		return 1;
	}
	if (!n)
		return 0;
	/* A name of its own: what was listed may go at once. */
	snprintf(l->name, sizeof(l->name), "%s", n->name);
	*ret = (struct list_entry){
		.name = l->name,
		.inode = n->object->info.id.inode,
		.type = S_IFREG,
		.next = n->position,
	};
	return 1;
}

static void fake_list_close(struct native_list *l)
{
	pthread_mutex_lock(&l->fake->lock);
	l->fake->lists--;
	pthread_mutex_unlock(&l->fake->lock);
	free(l);
}

static int fake_watch(struct kind *k)
{
	return fake_of(k)->events_end > 0 ? 1000 : -EOPNOTSUPP;
}

static int fake_next_event(struct kind *k, struct kind_event *ret)
{
	struct fake *f = fake_of(k);

	if (f->events_at == f->events_end)
		return f->event_error;
	*ret = f->events[f->events_at++];
	return ret->what ? 1 : -EOVERFLOW;
}

/*
 * Life.
 */
static struct native_file *fake_root(struct kind *k)
{
	return &fake_of(k)->root.file;
}

int fake_file_new(struct fake *f, struct fake_object *o, bool handle, int flags,
		  struct native_file **ret)
{
	struct fake_file *n = malloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	*n = (struct fake_file){
		.file.kind = &f->kind,
		.object = o,
		.handle = handle,
		.flags = flags,
		.fd = 1000 + (int)o->info.id.inode,
	};
	atomic_init(&n->file.refs, 1);
	o->files++;
	*(handle ? &f->handles : &f->files) += 1;
	*ret = &n->file;
	return 0;
}

bool fake_file_is(struct native_file *n, bool handle)
{
	return fake_file_of(n)->handle == handle;
}

static void fake_close(struct native_file *n)
{
	struct fake *f = fake_of(n->kind);
	struct fake_file *file = fake_file_of(n);

	pthread_mutex_lock(&f->lock);
	assert_ptr_not_equal(file, &f->root);
	fake_lock_drop(f, file);
	*(file->handle ? &f->handles : &f->files) -= 1;
	file->object->files--;
	free_if_unused(f, file->object);
	pthread_mutex_unlock(&f->lock);
	free(file);
}

static void fake_free(struct kind *k)
{
	fake_of(k)->freed++;
}

/* The ids are those of a kernel: any number above 0, the lowest free one. */
static int backing_open(void *context, int fd)
{
	int r;
	_in_fake_ struct fake *f = fake_enter(context, FAKE_BACKING, NULL, &r);
	int id = 1;

	if (r < 0)
		return r;
	assert_true(fd >= 1000 && (uint64_t)fd <= 1000 + f->last_inode);
	while (f->backing_ids[id])
		id++;
	assert_true(id >= 1 && id <= FAKE_MAX - 1);
	f->backing_ids[id] = true;
	f->backings++;
	f->backing_opens++;
	return id;
}

static void backing_close(void *context, int id)
{
	struct fake *f = context;

	pthread_mutex_lock(&f->lock);
	assert_true(f->backing_ids[id]);
	f->backing_ids[id] = false;
	f->backings--;
	f->backing_closes++;
	pthread_mutex_unlock(&f->lock);
}

void fake_init(struct fake *f)
{
	*f = (struct fake){ .kind.ops = &fake_kind, .last_position = 2 };
	pthread_mutex_init(&f->lock, NULL);
	f->backing = (struct fs_backing){ backing_open, backing_close, f };
	f->root = (struct fake_file){ .file.kind = &f->kind, .object = new_object(f, 0) };
	atomic_init(&f->root.file.refs, 1);
	f->root.object->info.stat.st_mode = S_IFDIR | S_ISVTX | 0777;
}

void fake_done(struct fake *f)
{
	assert_int_equal(f->handles, 0);
	assert_int_equal(f->files, 0);
	assert_int_equal(f->lists, 0);
	assert_int_equal(f->backings, 0);
	assert_int_equal(f->backing_opens, f->backing_closes);
	assert_int_equal(f->freed, 1);
	assert_int_equal(atomic_load(&f->root.file.refs), 1);
	for (size_t i = 0; i < FAKE_MAX; i++)
		assert_int_equal(f->objects[i].files, 0);
	pthread_mutex_destroy(&f->lock);
}

const struct kind_ops fake_kind = {
	.name = "fake",
	.free = fake_free,
	.root = fake_root,
	.statfs = fake_statfs,
	.list_open = fake_list_open,
	.list_next = fake_list_next,
	.list_close = fake_list_close,
	.watch = fake_watch,
	.event = fake_next_event,
	.identify = fake_identify,
	.lookup = fake_lookup_meanwhile,
	.create = fake_create,
	.tmpfile = fake_tmpfile,
	.link = fake_native_link,
	.remove = fake_remove,
	.rename = fake_rename,
	.open = fake_open,
	.stat = fake_stat,
	.access = fake_access,
	.truncate = fake_truncate,
	.chmod = fake_chmod,
	.chown = fake_chown,
	.utimens = fake_utimens,
	.getxattr = fake_getxattr,
	.listxattr = fake_listxattr,
	.setxattr = fake_setxattr,
	.removexattr = fake_removexattr,
	.backing = fake_backing,
	.read = fake_read,
	.write = fake_write,
	.resize = fake_resize,
	.allocate = fake_allocate,
	.seek = fake_seek,
	.copy = fake_copy,
	.sync = fake_sync,
	.lock = fake_record_lock,
	.flock = fake_flock,
	.close = fake_close,
};
