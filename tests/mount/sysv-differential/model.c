/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "model.h"
#include "side.h"
#include "util/cleanup.h"

int must_be(int r)
{
	if (r >= 0)
		return r;
	perror("the model");
	abort();
}

void model_init(struct model *model, bool shares, int table, const struct people *people)
{
	*model = (struct model){ .shares = shares, .table = table, .people = *people };
	model->nothing = must_be(memfd_create("nothing", MFD_CLOEXEC));
	for (int i = 0; i < MOUNT_ACTORS; i++)
		maps_init(&model->maps[i]);
}

void model_done(struct model *model)
{
	struct op op = { 0 };

	for (unsigned int actor = 0; actor < MOUNT_ACTORS; actor++) {
		op.actor = actor;
		for (op.slot = 0; op.slot < SLOTS; op.slot++)
			model_close(model, &op);
		maps_done(&model->maps[actor]);
	}
	close(model->nothing);
}

int model_status(int id, struct shmid_ds *ret)
{
	return shmctl(id, SHM_STAT_ANY, ret) == id ? 0 : -ENOENT;
}

/* No rights are asked for, so none are needed. */
static int find_segment(const struct name *name, struct found *ret)
{
	if (name->meaning == BY_ID)
		ret->id = name->id;
	else
		ret->id = name->key == IPC_PRIVATE ? -1 : shmget(name->key, 0, 0);
	return ret->id < 0 ? -ENOENT : model_status(ret->id, &ret->ds);
}

static struct shmid_ds pending_status(const struct pending *pending)
{
	return (struct shmid_ds){
		.shm_perm = pending->perm,
		.shm_ctime = pending->made,
		.shm_segsz = (size_t)pending_size(pending),
	};
}

int model_find(struct model *model, const struct name *name, struct found *ret)
{
	*ret = (struct found){ .id = -1 };
	if (name->meaning == TOO_LONG)
		return -ENAMETOOLONG;
	if (name->meaning == NOTHING)
		return -ENOENT;
	if (find_segment(name, ret) == 0)
		return 0;
	for (struct pending *p = model->pendings; p < model->pendings + FILES; p++) {
		if (!p->named || name->meaning != BY_KEY || p->perm.__key != name->key)
			continue;
		ret->pending = p;
		ret->ds = pending_status(p);
		return 0;
	}
	return -ENOENT;
}

struct file *model_file(struct model *model, const struct op *op)
{
	return model->slots[op->actor][op->slot];
}

struct twin *file_twin(const struct file *file)
{
	return file->pending ? file->pending->twin : file->twin;
}

struct found file_found(const struct file *file)
{
	const struct twin *twin = file_twin(file);
	struct found found = { .id = -1 };

	if (twin) {
		found.id = twin->id;
		must_be(model_status(twin->id, &found.ds));
	} else {
		found.pending = file->pending;
		found.ds = pending_status(file->pending);
	}
	return found;
}

bool model_owns(const struct ipc_perm *perm, enum user user)
{
	uid_t uid = user_uid(user);

	return uid == 0 || uid == perm->uid || uid == perm->cuid;
}

bool model_allows(const struct ipc_perm *perm, enum user user, int mask)
{
	unsigned int granted = perm->mode;

	if (user == USER_ROOT)
		return true;
	if (model_owns(perm, user))
		granted >>= 6;
	else if (user_is_in(user, perm->gid) || user_is_in(user, perm->cgid))
		granted >>= 3;
	return !((unsigned int)mask & ~granted & 7);
}

static int open_memory(const void *at, size_t size)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at,
		 (unsigned long)at + (size + 4095) / 4096 * 4096);
	return must_be(open(path, O_RDWR | O_CLOEXEC));
}

static struct twin *place_of(struct model *model, int id)
{
	struct twin *place = NULL;

	for (struct twin *t = model->twins; t < model->twins + FILES; t++) {
		if (t->users && t->id == id)
			return t;
		if (!t->users)
			place = t;
	}
	assert(place);
	return place;
}

/* Of two attachments one is kept. */
static void keep_one(struct twin *twin, void *at, bool writable)
{
	if (writable && !twin->writable) {
		shmdt(twin->at);
		twin->at = at;
		twin->writable = true;
	} else {
		shmdt(at);
	}
}

int twin_open(struct model *model, int id, enum user user, bool writable,
	      struct twin **ret)
{
	struct twin *twin = place_of(model, id);
	struct shmid_ds ds;
	void *at;
	int r;

	user_become(user);
	at = shmat(id, NULL, writable ? 0 : SHM_RDONLY);
	r = at == (void *)-1 ? -errno : 0;
	user_return();
	if (r < 0)
		return r;
	if (twin->users++) {
		keep_one(twin, at, writable);
	} else {
		must_be(model_status(id, &ds));
		*twin = (struct twin){ id, 1, at, writable, ds.shm_segsz, -1 };
		twin->memory = open_memory(at, twin->size);
	}
	*ret = twin;
	return 0;
}

void twin_close(struct twin *twin)
{
	if (!twin || --twin->users)
		return;
	close(twin->memory);
	shmdt(twin->at);
}

/* To read a hole would fill it with memory. */
void twin_read(const struct twin *twin, void *to, size_t n, int64_t at)
{
	off_t end = at + (off_t)n, data, hole;

	memset(to, 0, n);
	for (data = lseek(twin->memory, at, SEEK_DATA); data >= 0 && data < end;
	     data = lseek(twin->memory, hole, SEEK_DATA)) {
		hole = lseek(twin->memory, data, SEEK_HOLE);
		if (hole > end)
			hole = end;
		memcpy((char *)to + (data - at), (const char *)twin->at + data,
		       (size_t)(hole - data));
	}
}

void twin_write(const struct twin *twin, const void *from, size_t n, int64_t at)
{
	memcpy((char *)twin->at + at, from, n);
}

static struct file *file_new(struct model *model, const struct op *op, int flags)
{
	int access = flags & O_ACCMODE;
	struct file *f = model->files;

	while (f->refs)
		f++;
	assert(f < model->files + FILES);
	*f = (struct file){
		.refs = 1,
		.reads = access != O_WRONLY,
		.writes = access != O_RDONLY,
		.appends = flags & O_APPEND,
	};
	model->slots[op->actor][op->slot] = f;
	return f;
}

/* To write, and to truncate, is to read as well: there is no shmat(2) without. */
static bool wants_to_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
}

long model_open_found(struct model *model, const struct op *op, struct found *found,
		      int flags)
{
	bool writes = wants_to_write(flags);
	struct twin *twin = NULL;
	struct file *f;
	int r = 0;

	if (!found->pending)
		r = twin_open(model, found->id, op->user, writes, &twin);
	else if (!model_allows(&found->ds.shm_perm, op->user, writes ? 6 : 4))
		r = -EACCES;
	if (r < 0)
		return r;
	f = file_new(model, op, flags);
	f->twin = twin;
	f->pending = found->pending;
	f->direct = found->pending;
	if (f->pending)
		f->pending->files++;
	if (f->pending && flags & O_TRUNC)
		pending_empty(f->pending);
	return 0;
}

void model_open_pending(struct model *model, const struct op *op, key_t key, int flags)
{
	uid_t uid = user_uid(op->user);
	gid_t gid = user_gid(op->user);
	struct pending *p = model->pendings;
	struct file *f;

	while (p->files)
		p++;
	assert(p < model->pendings + FILES);
	*p = (struct pending){
		.files = 1,
		.named = key != IPC_PRIVATE,
		.user = op->user,
		.made = time(NULL),
		.data = -1,
		.perm = { .__key = key,
			  .uid = uid,
			  .gid = gid,
			  .cuid = uid,
			  .cgid = gid,
			  .mode = op->mode & 0777 & ~op->umask },
	};
	f = file_new(model, op, flags);
	f->pending = p;
	f->direct = true;
}

static void pending_close(struct pending *p)
{
	if (!p || --p->files)
		return;
	p->named = false;
	pending_empty(p);
	twin_close(p->twin);
}

long model_close(struct model *model, const struct op *op)
{
	struct file **slot = &model->slots[op->actor][op->slot];
	struct file *f = take_ptr(*slot);
	int r;

	if (!f)
		return -EBADF;
	r = pending_flush(model, f);
	if (--f->refs == 0) {
		twin_close(f->twin);
		pending_close(f->pending);
	}
	return r;
}

static int64_t latest(const struct shmid_ds *ds)
{
	int64_t t = ds->shm_ctime > ds->shm_atime ? ds->shm_ctime : ds->shm_atime;

	return t > ds->shm_dtime ? t : ds->shm_dtime;
}

struct stat model_stat(const struct model *model, const struct found *found)
{
	const struct shmid_ds *ds = &found->ds;
	static struct table table;
	struct stat data = { 0 };

	table_read(model->table, &model->people, &table);
	if (found->pending && found->pending->data >= 0)
		must_be(fstat(found->pending->data, &data));
	return (struct stat){
		.st_ino = found->pending ? PENDING_INODES : (ino_t)found->id,
		.st_mode = S_IFREG | (ds->shm_perm.mode & 0777),
		.st_nlink = 1,
		.st_uid = ds->shm_perm.uid,
		.st_gid = ds->shm_perm.gid,
		.st_size = (off_t)ds->shm_segsz,
		.st_blocks = found->pending
				     ? data.st_blocks
				     : (blkcnt_t)(table_used(&table, found->id) / 512),
		.st_blksize = 4096,
		.st_atim.tv_sec = ds->shm_atime,
		.st_mtim.tv_sec = latest(ds),
		.st_ctim.tv_sec = ds->shm_ctime,
	};
}
