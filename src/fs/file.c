/* SPDX-License-Identifier: MIT */
/*
 * Opening and releasing. A backing id belongs to the node: registered at the first open,
 * shared by all further ones (the kernel takes no second id for an inode), closed with
 * the last release and never held longer, since it pins the object's memory. So it is
 * counted from before the reply to an open until after the release: the kernel never sees
 * an id that is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/file.h"
#include "fs/internal.h"
#include "fs/journal.h"
#include "fs/ledger.h"
#include "fs/owner.h"

struct native_file *opened_file(const struct node *n)
{
	return n->opened && n->opened->files ? n->opened->files->native : NULL;
}

static struct opened *opened_new(void)
{
	struct opened *o = calloc(1, sizeof(*o));

	if (o)
		pthread_mutex_init(&o->lock, NULL);
	return o;
}

static void opened_free(struct fs *fs, struct opened *o)
{
	if (o->decided && o->io == FS_IO_PASSTHROUGH)
		fs->backing->close(fs->backing->context, o->backing_id);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* Called with fs->lock held. */
static int use_opened(struct node *n)
{
	if (!n->opened)
		n->opened = opened_new();
	if (!n->opened)
		return -ENOMEM;
	n->opened->users++;
	return 0;
}

static void opened_put(struct fs *fs, struct node *n)
{
	struct opened *last = NULL;

	pthread_mutex_lock(&fs->lock);
	if (--n->opened->users == 0)
		last = take_ptr(n->opened);
	pthread_mutex_unlock(&fs->lock);
	if (last)
		opened_free(fs, last);
	node_put(fs, n);
}

/* Decides how the data of the node flows, for as long as any file is open on it. */
static int decide_io(struct fs *fs, struct opened *o, struct native_file *native)
{
	int r = native_backing(native);

	if (o->decided)
		return 0;
	if (fs->backing && r >= 0)
		r = fs->backing->open(fs->backing->context, r);
	else
		r = -EOPNOTSUPP;
	if (r < 0 && r != -EOPNOTSUPP && r != -ELOOP && r != -EPERM)
		return r;
	o->io = r < 0 ? FS_IO_DIRECT : FS_IO_PASSTHROUGH;
	o->backing_id = r < 0 ? 0 : r;
	o->decided = true;
	return 0;
}

static int record(struct fs *fs, const struct file *f, uint64_t request, int flags,
		  const struct fs_open_file *file)
{
	const struct ledger_file record = {
		.number = file->number,
		.node = f->node->number,
		.request = request,
		.fd = native_backing(f->native),
		.uid = f->uid,
		.backing_id = file->backing_id,
		.flags = file->direct ? LEDGER_DIRECT : 0,
		.opened = flags,
	};

	return ledger_add_file(fs->ledger, &record);
}

static int publish(struct fs *fs, const struct caller *caller, struct node *n, int flags,
		   struct native_file **native, struct fs_open_file *ret)
{
	struct file *f = malloc(sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	*f = (struct file){
		.flags = flags,
		.node = n,
		.native = *native,
		.uid = caller_uid(caller),
	};
	pthread_mutex_lock(&fs->lock);
	r = slots_add(&fs->files, f, &ret->number);
	if (r == 0) {
		f->number = ret->number;
		r = record(fs, f, journal_request(caller), flags, ret);
		if (r < 0)
			slots_remove(&fs->files, ret->number);
	}
	if (r == 0)
		DL_APPEND(n->opened->files, f);
	pthread_mutex_unlock(&fs->lock);
	if (r < 0)
		free(f);
	else
		*native = NULL;
	return r;
}

/*
 * Whether reads and writes must come to us whatever the kernel maps by itself. It opens
 * the backing file with these flags for good, but O_APPEND can be taken back by fcntl(2),
 * so each write has to tell; and it does not know where a bounded object ends.
 */
static bool is_ours(const struct fs *fs, int flags)
{
	return flags & O_APPEND ||
	       (fs->kind->ops->bounded && (flags & O_ACCMODE) != O_RDONLY);
}

/*
 * The kernel, which opens the backing file with these flags, maps it for writing without
 * a look at what the object is. An append-only one may not be; what cannot be read cannot
 * be mapped.
 */
static int check_mapping(struct native_file *native, int flags)
{
	struct object_info info;
	int r;

	if (!(flags & O_APPEND) || (flags & O_ACCMODE) != O_RDWR)
		return 0;
	r = native_stat(native, &info);
	return r == 0 && info.append_only ? -EPERM : r;
}

int file_add(struct fs *fs, const struct caller *caller, uint64_t number, int flags,
	     struct native_file **native, struct fs_open_file *ret)
{
	struct fs_open_file new = {
		.direct = is_ours(fs, flags),
	};
	struct opened *o;
	struct node *n;
	int r = -ESTALE;

	pthread_mutex_lock(&fs->lock);
	n = slots_get(&fs->nodes, number);
	if (n)
		r = use_opened(n);
	if (r == 0)
		n->refs++;
	pthread_mutex_unlock(&fs->lock);
	if (r < 0)
		return r;
	o = n->opened;
	pthread_mutex_lock(&o->lock);
	r = decide_io(fs, o, *native);
	new.io = o->io;
	new.backing_id = o->backing_id;
	pthread_mutex_unlock(&o->lock);
	if (r == 0 && new.io == FS_IO_PASSTHROUGH)
		r = check_mapping(*native, flags);
	if (r == 0)
		r = publish(fs, caller, n, flags, native, &new);
	if (r < 0)
		opened_put(fs, n);
	else
		*ret = new;
	return r;
}

/* What is not bounded does not keep its contents. */
bool file_empties(const struct fs *fs, int flags)
{
	return flags & O_TRUNC && !fs->kind->ops->bounded;
}

int file_empty(struct fs *fs, const struct caller *caller, struct native_file *native,
	       int flags)
{
	_cleanup_native_ struct native_file *emptied = NULL;

	if (!file_empties(fs, flags))
		return 0;
	return native_open(native, caller, flags, &emptied);
}

static int open_node(struct fs *fs, const struct caller *caller, uint64_t node, int flags,
		     struct fs_open_file *ret)
{
	_cleanup_native_ struct native_file *handle = NULL;
	_cleanup_native_ struct native_file *native = NULL;
	int first = file_empties(fs, flags) ? flags & ~O_TRUNC : flags;
	int r = node_hold_named(fs, caller, node, &handle);

	if (r == 0)
		r = native_open(handle, caller, first, &native);
	if (r == 0)
		r = file_add(fs, caller, node, flags & ~FS_OPEN_WAIT, &native, ret);
	if (r < 0)
		return r;
	r = file_empty(fs, caller, handle, flags);
	if (r < 0)
		file_drop(fs, ret->number, NULL);
	return r;
}

int file_empty_again(struct fs *fs, const struct caller *caller, uint64_t file, int flags)
{
	_cleanup_native_ struct native_file *native = NULL;
	int r = file_hold(fs, file, &native);

	if (r == 0)
		r = file_empty(fs, caller, native, flags);
	if (r < 0)
		fs_release(fs, file);
	return r;
}

/* The limit comes first: opening may truncate, creating makes what is seen natively. */
int fs_open(struct fs *fs, const struct caller *caller, uint64_t node, int flags,
	    struct fs_open_file *ret)
{
	int r;

	if (file_find(fs, caller, ret))
		return file_empty_again(fs, caller, ret->number, flags);
	r = quota_take(&fs->open, caller_uid(caller));
	if (r < 0) {
		fs_lost(fs, caller ? caller->thread : 0);
		return r;
	}
	r = open_node(fs, caller, node, flags, ret);
	if (r < 0)
		quota_give(&fs->open, caller_uid(caller));
	return r;
}

bool file_drop(struct fs *fs, uint64_t file, uid_t *ret_uid)
{
	struct opened *o;
	struct file *f;

	pthread_mutex_lock(&fs->lock);
	f = slots_remove(&fs->files, file);
	if (f) {
		ledger_remove_file(fs->ledger, file);
		DL_DELETE(f->node->opened->files, f);
	}
	pthread_mutex_unlock(&fs->lock);
	if (!f)
		return false;
	o = f->node->opened;
	pthread_mutex_lock(&o->lock);
	owner_drop_file(fs, f);
	pthread_mutex_unlock(&o->lock);
	native_file_unref(f->native);
	if (ret_uid)
		*ret_uid = f->uid;
	opened_put(fs, f->node);
	free(f);
	pthread_mutex_lock(&fs->lock);
	fs->releases++;
	pthread_cond_broadcast(&fs->released);
	pthread_mutex_unlock(&fs->lock);
	return true;
}

void fs_release(struct fs *fs, uint64_t file)
{
	uid_t uid;

	if (file_drop(fs, file, &uid))
		quota_give(&fs->open, uid);
}

/* Takes over @native where it succeeds. There are no threads yet. */
static int restore(struct fs *fs, struct node *n, struct native_file **native,
		   const struct ledger_file *record)
{
	struct file *f = malloc(sizeof(*f));
	struct opened *o;
	int r = f ? use_opened(n) : -ENOMEM;

	if (r < 0) {
		free(f);
		return r;
	}
	n->refs++;
	o = n->opened;
	o->decided = true;
	o->backing_id = record->backing_id;
	o->io = record->backing_id ? FS_IO_PASSTHROUGH : FS_IO_DIRECT;
	*f = (struct file){
		.number = record->number,
		.flags = record->opened,
		.node = n,
		.native = *native,
		.uid = record->uid,
	};
	r = slots_put(&fs->files, f, record->number);
	if (r < 0) {
		free(f);
		opened_put(fs, n);
		return r;
	}
	DL_APPEND(o->files, f);
	*native = NULL;
	return 0;
}

static const struct ledger_file *find_record(struct fs *fs, const struct caller *caller)
{
	const struct ledger *l = fs->ledger;
	uint64_t request = journal_request(caller);

	for (uint32_t i = 0; request && i < l->state->files.end; i++)
		if (l->files[i].number && l->files[i].request == request)
			return &l->files[i];
	return NULL;
}

uint64_t file_find(struct fs *fs, const struct caller *caller, struct fs_open_file *ret)
{
	const struct ledger_file *record;
	uint64_t node = 0;

	if (!fs->ledger || !caller || !caller->before)
		return 0;
	pthread_mutex_lock(&fs->lock);
	record = find_record(fs, caller);
	if (record) {
		node = record->node;
		*ret = (struct fs_open_file){
			.number = record->number,
			.io = record->backing_id ? FS_IO_PASSTHROUGH : FS_IO_DIRECT,
			.backing_id = record->backing_id,
			.direct = record->flags & LEDGER_DIRECT,
		};
	}
	pthread_mutex_unlock(&fs->lock);
	return node;
}

int file_restore(struct fs *fs, struct ledger_file *record, int *ret_keep)
{
	_cleanup_native_ struct native_file *native = NULL;
	struct node *n = slots_get(&fs->nodes, record->node);
	struct native_remains remains = {
		.flags = record->opened,
		.fd = record->fd,
		.locks = -1,
	};
	/* Whoever has it was not refused it: in another order he might be. */
	int r = n ? quota_force(&fs->open, record->uid) : -ESTALE;

	if (r < 0)
		return r;
	remains.id = n->id;
	r = kind_adopt(fs->kind, &remains, &native);
	if (r == 0) {
		record->fd = native_backing(native);
		*ret_keep = native_keep(native);
		r = restore(fs, n, &native, record);
	}
	if (r < 0)
		quota_give(&fs->open, record->uid);
	return r;
}

int file_hold(struct fs *fs, uint64_t file, struct native_file **ret)
{
	struct file *f;

	pthread_mutex_lock(&fs->lock);
	f = slots_get(&fs->files, file);
	if (f)
		*ret = native_file_ref(f->native);
	pthread_mutex_unlock(&fs->lock);
	return f ? 0 : -EBADF;
}

int file_enter(struct fs *fs, uint64_t number, struct file **ret)
{
	struct node *n = NULL;
	struct file *f;

	pthread_mutex_lock(&fs->lock);
	f = slots_get(&fs->files, number);
	if (f) {
		n = f->node;
		n->refs++;
		n->opened->users++;
	}
	pthread_mutex_unlock(&fs->lock);
	if (!f)
		return -EBADF;
	pthread_mutex_lock(&n->opened->lock);
	/* Whoever has taken it back meanwhile may have dropped its locks already. */
	pthread_mutex_lock(&fs->lock);
	f = slots_get(&fs->files, number);
	pthread_mutex_unlock(&fs->lock);
	if (f) {
		*ret = f;
		return 0;
	}
	pthread_mutex_unlock(&n->opened->lock);
	opened_put(fs, n);
	return -EBADF;
}

void file_leave(struct fs *fs, struct file *f)
{
	struct node *n = f->node;

	pthread_mutex_unlock(&n->opened->lock);
	opened_put(fs, n);
}

enum fs_io file_io(struct fs *fs, uint64_t number)
{
	enum fs_io io = fs->backing ? FS_IO_PASSTHROUGH : FS_IO_DIRECT;
	struct opened *o = NULL;
	struct node *n;

	pthread_mutex_lock(&fs->lock);
	n = slots_get(&fs->nodes, number);
	if (n && n->opened) {
		o = n->opened;
		o->users++;
		n->refs++;
	}
	pthread_mutex_unlock(&fs->lock);
	if (!o)
		return io;
	pthread_mutex_lock(&o->lock);
	if (o->decided)
		io = o->io;
	pthread_mutex_unlock(&o->lock);
	opened_put(fs, n);
	return io;
}

void file_drop_all(struct fs *fs)
{
	uint32_t at = 0;
	struct file *f;

	while ((f = slots_next(&fs->files, &at))) {
		owner_drop_file(fs, f);
		native_file_unref(f->native);
		opened_put(fs, f->node);
		free(f);
	}
	slots_done(&fs->files);
}
