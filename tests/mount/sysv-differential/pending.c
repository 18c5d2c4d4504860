/* SPDX-License-Identifier: MIT */
/* Pending files of the model: what they collect, and how they become segments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "model.h"
#include "side.h"
#include "util/cleanup.h"

enum { PAGE = 4096, PIECE = 64 << 10 };

int64_t pending_size(const struct pending *p)
{
	struct stat st = { 0 };

	if (p->data >= 0)
		must_be(fstat(p->data, &st));
	return st.st_size;
}

void pending_empty(struct pending *p)
{
	p->data = close_fd(p->data);
	p->pages = 0;
	p->failed = 0;
}

static int64_t pages_of(int64_t size)
{
	return (size + PAGE - 1) / PAGE;
}

static int64_t pages_left(const struct model *model)
{
	struct shm_info info;
	int64_t left = SHMALL;

	must_be(shmctl(0, SHM_INFO, (void *)&info));
	left -= (int64_t)info.shm_tot;
	for (const struct pending *p = model->pendings; p < model->pendings + FILES; p++)
		if (p->files)
			left -= p->pages;
	return left;
}

static int grow(const struct model *model, struct pending *p, int64_t size)
{
	int64_t more;

	if (size > SHMMAX && (size > INT64_MAX - PAGE || pages_of(size) > p->pages))
		return -EFBIG;
	more = pages_of(size) - p->pages;
	if (more > 0 && more > pages_left(model))
		return -ENOSPC;
	if (more > 0)
		p->pages += more;
	return 0;
}

static void put(struct pending *p, const void *bytes, size_t n, int64_t at)
{
	if (p->data < 0)
		p->data = must_be(memfd_create("data", MFD_CLOEXEC));
	must_be((int)pwrite(p->data, bytes, n, at));
}

long pending_write(struct model *model, struct pending *p, const void *bytes, size_t n,
		   int64_t at)
{
	int r;

	if (!p->named && p->perm.__key != IPC_PRIVATE)
		return -EIDRM;
	r = grow(model, p, at + (int64_t)n);
	if (r < 0) {
		p->failed = r;
		return r;
	}
	put(p, bytes, n, at);
	return (long)n;
}

/* It is the maker's, unless it was given away before there was anything to give. */
static void give_away(int id, const struct ipc_perm *perm)
{
	struct shmid_ds ds;

	must_be(model_status(id, &ds));
	if (ds.shm_perm.uid == perm->uid && ds.shm_perm.gid == perm->gid)
		return;
	ds.shm_perm.uid = perm->uid;
	ds.shm_perm.gid = perm->gid;
	must_be(shmctl(id, IPC_SET, &ds));
}

/* Without its holes. */
static void pour(struct pending *p)
{
	int64_t size = (int64_t)p->twin->size, end = pending_size(p);
	off_t data, hole;
	char page[PAGE];

	for (data = 0; p->data >= 0 && (data = lseek(p->data, data, SEEK_DATA)) >= 0;
	     data = hole) {
		hole = data + PAGE < end ? data + PAGE : end;
		if (data >= size)
			return;
		must_be((int)pread(p->data, page, (size_t)(hole - data), data));
		twin_write(p->twin, page, (size_t)((hole < size ? hole : size) - data),
			   data);
	}
}

int pending_make(struct model *model, struct pending *p, int64_t size)
{
	int flags = IPC_CREAT | IPC_EXCL | p->perm.mode;
	int id, r;

	if (!p->named && p->perm.__key != IPC_PRIVATE)
		return -EIDRM;
	user_become(p->user);
	id = errno_or(shmget(p->perm.__key, (size_t)size, flags));
	user_return();
	if (id < 0)
		return id;
	give_away(id, &p->perm);
	p->named = false;
	p->grows = false;
	r = twin_open(model, id, USER_ROOT, true, &p->twin);
	if (r == 0)
		pour(p);
	pending_empty(p);
	return r;
}

int pending_flush(struct model *model, const struct file *f)
{
	struct pending *p = f->pending;
	int r;

	if (!p || p->twin || !f->wrote || (pending_size(p) == 0 && !p->failed))
		return 0;
	if (p->failed)
		return p->failed;
	r = pending_make(model, p, pending_size(p));
	p->grows = r == 0;
	return r;
}

static bool is_zero(const char *bytes, size_t n)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

void pending_again(struct model *model, struct pending *p)
{
	struct twin *twin = p->twin;
	static char piece[PIECE];
	struct shmid_ds ds;
	size_t n;

	must_be(model_status(twin->id, &ds));
	if (!p->grows || twin->users != 1 || ds.shm_nattch != 1 ||
	    ds.shm_perm.__key != p->perm.__key || ds.shm_perm.mode & SHM_DEST)
		return;
	for (size_t at = 0; at < twin->size; at += n) {
		n = twin->size - at < PIECE ? twin->size - at : PIECE;
		twin_read(twin, piece, n, (int64_t)at);
		if (at + n == twin->size || !is_zero(piece, n))
			put(p, piece, n, (int64_t)at);
	}
	p->pages = pages_of((int64_t)twin->size);
	must_be(shmctl(twin->id, IPC_RMID, NULL));
	twin_close(twin);
	p->twin = NULL;
	p->perm.uid = ds.shm_perm.uid;
	p->perm.gid = ds.shm_perm.gid;
	p->perm.mode = ds.shm_perm.mode & 0777;
	p->named = p->perm.__key != IPC_PRIVATE;
	(void)model;
}

void pending_say(const struct pending *p, struct outcome *out)
{
	static char bytes[OP_LENGTH_MAX];
	off_t at = 0;
	ssize_t n;

	if (p->data < 0)
		return;
	for (; (n = pread(p->data, bytes, sizeof(bytes), at)) > 0; at += n)
		say_bytes(out, bytes, (size_t)n);
}
