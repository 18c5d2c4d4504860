/* SPDX-License-Identifier: MIT */
/*
 * The kind "sysv": segments of shmget(2), all those of one IPC namespace.
 *
 * Nothing but opening attaches a segment: all else goes by its identifier. An identifier
 * can be used again, so whatever was found by it is held against what was meant.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "native/sysv-list.h"
#include "native/sysv-status.h"
#include "native/sysv.h"

/* What the identities of segments and of pending files have for a device. */
#define DEVICE_SEGMENTS 1
#define DEVICE_PENDINGS 2

/* The inode numbers of pending files lie above all identifiers. */
#define PENDING_INODES (UINT64_C(1) << 32)

struct sysv_kind *sysv_kind_of(struct kind *k)
{
	return (void *)k;
}

struct sysv_file *sysv_file_of(struct native_file *f)
{
	return (void *)f;
}

static bool is_root(const struct sysv_file *f)
{
	return f == &sysv_kind_of(f->file.kind)->root;
}

bool sysv_file_reads(const struct sysv_file *f)
{
	return f->open && (f->flags & O_ACCMODE) != O_WRONLY;
}

bool sysv_file_writes(const struct sysv_file *f)
{
	return f->open && (f->flags & O_ACCMODE) != O_RDONLY;
}

int sysv_file_new(struct kind *k, struct sysv_file **ret)
{
	struct sysv_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->file.kind = k;
	atomic_init(&f->id, -1);
	atomic_init(&f->file.refs, 1);
	atomic_init(&f->locks_fd, -1);
	*ret = f;
	return 0;
}

static void sysv_close(struct native_file *file)
{
	struct sysv_file *f = sysv_file_of(file);

	close_fd(atomic_load(&f->locks_fd));
	sysv_segment_unref(f->segment);
	if (f->pending && f->open)
		sysv_pending_closed(f->pending);
	sysv_pending_unref(f->pending);
	free(f);
}

struct sysv_segment *sysv_file_segment(struct sysv_file *f)
{
	if (f->open && f->pending)
		return sysv_pending_segment(f->pending);
	return f->segment ? sysv_segment_ref(f->segment) : NULL;
}

/* Which segment @f is of: false while it is pending. */
static bool segment_of(struct sysv_file *f, int *ret_id, int64_t *ret_birth)
{
	int64_t made;

	int set = f->id;

	*ret_id = f->segment ? f->segment->id : set;
	*ret_birth = f->segment ? f->segment->birth : f->birth;
	if (!f->pending)
		return true;
	if (!sysv_pending_made(f->pending, ret_id, &made))
		return false;
	/* By this handle it may have been set since. */
	if (*ret_id != set)
		*ret_birth = made;
	return true;
}

/* Which segment it is that has identifier @id now, and is @ds. */
int64_t sysv_birth_of(struct kind *k, int id, const struct shmid_ds *ds)
{
	int64_t birth;

	if (!sysv_segments_know(&sysv_kind_of(k)->segments, id, &birth))
		birth = sysv_birth(ds);
	return birth;
}

int sysv_file_status(struct sysv_file *f, struct shmid_ds *ret, int *ret_id)
{
	int64_t birth;
	int r;

	if (!segment_of(f, ret_id, &birth))
		return sysv_pending_status(f->pending, ret);
	r = sysv_status(*ret_id, ret);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	/* What is open cannot become another, and is known. */
	return sysv_birth_of(f->file.kind, *ret_id, ret) == birth ? 0 : -ESTALE;
}

static int64_t latest(const struct shmid_ds *ds)
{
	int64_t t = ds->shm_ctime;

	if (ds->shm_atime > t)
		t = ds->shm_atime;
	return ds->shm_dtime > t ? ds->shm_dtime : t;
}

static void fill_stat(const struct shmid_ds *ds, uint64_t inode, struct object_info *ret)
{
	ret->stat = (struct stat){
		.st_ino = inode,
		.st_mode = S_IFREG | (ds->shm_perm.mode & 0777),
		.st_nlink = 1,
		.st_uid = ds->shm_perm.uid,
		.st_gid = ds->shm_perm.gid,
		.st_size = (off_t)ds->shm_segsz,
		.st_blksize = (blksize_t)sysconf(_SC_PAGESIZE),
		.st_atim = { .tv_sec = ds->shm_atime },
		.st_mtim = { .tv_sec = (time_t)latest(ds) },
		.st_ctim = { .tv_sec = ds->shm_ctime },
	};
}

/* What a segment takes, be it in memory or in swap, as tmpfs counts blocks. */
static int usage_of(struct sysv_kind *k, int id, uint64_t *ret)
{
	uint64_t rss, swap;
	int r = sysv_segments_usage(&k->segments, id, ret);

	if (r != -ENODATA)
		return r;
	r = sysv_usage_get(&k->usage, id, &rss, &swap);
	*ret = rss + swap;
	return r;
}

void sysv_segment_info(struct kind *k, int id, int64_t birth, const struct shmid_ds *ds,
		       struct object_info *ret)
{
	struct sysv_usage *usage = &sysv_kind_of(k)->usage;

	*ret = (struct object_info){
		.id = {
			.device = DEVICE_SEGMENTS,
			.inode = (uint64_t)id,
			.birth = birth,
		},
	};
	fill_stat(ds, (uint64_t)id, ret);
	ret->stat.st_blocks = (blkcnt_t)(sysv_usage_last(usage, id) / 512);
}

void sysv_pending_info(struct sysv_pending *p, const struct shmid_ds *ds,
		       struct object_info *ret)
{
	*ret = (struct object_info){
		.id = {
			.device = DEVICE_PENDINGS,
			.inode = p->serial,
			.birth = (int64_t)p->number,
		},
	};
	fill_stat(ds, PENDING_INODES + p->serial, ret);
	ret->stat.st_blocks = (blkcnt_t)(sysv_pending_used(p) / 512);
}

static int root_info(struct sysv_kind *k, struct object_info *ret)
{
	struct timespec changed;
	int r = sysv_usage_changed(&k->usage, &changed);

	if (r < 0)
		return r;
	*ret = (struct object_info){
		.id = { .inode = SYSV_ROOT_INODE },
		.stat = {
			.st_ino = SYSV_ROOT_INODE,
			/*
			 * Not sticky: with default_permissions the kernel would keep
			 * creators from removing what is another's by now, and with
			 * fs.protected_regular everybody from opening it with O_CREAT.
			 * IPC_RMID and shmat say who may.
			 */
			.st_mode = S_IFDIR | 0777,
			.st_nlink = 2,
			.st_blksize = (blksize_t)sysconf(_SC_PAGESIZE),
			.st_atim = changed,
			.st_mtim = changed,
			.st_ctim = changed,
		},
	};
	return 0;
}

static int segment_stat(struct kind *k, int id, const struct shmid_ds *ds,
			struct object_info *ret)
{
	uint64_t used = 0;
	int r = usage_of(sysv_kind_of(k), id, &used);

	sysv_segment_info(k, id, sysv_birth_of(k, id, ds), ds, ret);
	ret->stat.st_blocks = (blkcnt_t)(used / 512);
	return r;
}

static int sysv_stat(struct native_file *file, struct object_info *ret)
{
	struct sysv_file *f = sysv_file_of(file);
	struct shmid_ds ds;
	int id, r;

	if (is_root(f))
		return root_info(sysv_kind_of(file->kind), ret);
	r = sysv_file_status(f, &ds, &id);
	if (r == 0 && id < 0)
		sysv_pending_info(f->pending, &ds, ret);
	else if (r == 0)
		r = segment_stat(file->kind, id, &ds, ret);
	return r;
}

/* As shmat(2) has it: no writing without reading, and executing is reading too. */
static int attach_flags(int flags)
{
	int executes = flags & KIND_OPEN_EXEC ? SHM_EXEC : 0;

	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
		return executes;
	return executes | SHM_RDONLY;
}

/* Likewise, for what has no segment yet. */
static int access_mask(int flags)
{
	int mask = attach_flags(flags) & SHM_RDONLY ? R_OK : R_OK | W_OK;

	return flags & KIND_OPEN_EXEC ? mask | X_OK : mask;
}

/* The segment of handle or file @f, with one more user, if @caller may; NULL while it is
 * pending. */
static int open_segment(struct sysv_file *f, const struct caller *caller, int flags,
			struct sysv_segment **ret)
{
	struct shmid_ds ds;
	int64_t birth;
	int id, r;

	if (!segment_of(f, &id, &birth)) {
		r = sysv_pending_status(f->pending, &ds);
		if (r == 0 && caller)
			r = sysv_allows(&ds, caller, access_mask(flags));
		return r;
	}
	return sysv_segment_open(&sysv_kind_of(f->file.kind)->segments, id, birth, caller,
				 attach_flags(flags), ret);
}

static int pend(struct sysv_pending *p, struct sysv_file *f)
{
	int r = sysv_pending_opened(p);

	if (r < 0)
		return r;
	f->pending = sysv_pending_ref(p);
	/* What was written is none of a segment yet. */
	return f->flags & O_TRUNC ? sysv_pending_size(p, 0) : 0;
}

int sysv_open(struct native_file *file, const struct caller *caller, int flags,
	      struct native_file **ret)
{
	_cleanup_segment_ struct sysv_segment *segment = NULL;
	struct sysv_file *f = sysv_file_of(file);
	struct sysv_file *opened = NULL;
	int r;

	if (is_root(f))
		return -EISDIR;
	r = open_segment(f, caller, flags, &segment);
	if (r < 0)
		return r;
	r = sysv_file_new(file->kind, &opened);
	if (r < 0)
		return r;
	opened->open = true;
	opened->flags = flags;
	opened->segment = take_ptr(segment);
	if (!opened->segment)
		r = pend(f->pending, opened);
	if (r == 0)
		*ret = &opened->file;
	else
		native_file_unref(&opened->file);
	/* There is a segment by now. */
	return r == -EEXIST ? sysv_open(file, caller, flags, ret) : r;
}

static int sysv_access(struct native_file *file, const struct caller *caller, int mask)
{
	struct sysv_file *f = sysv_file_of(file);
	struct shmid_ds ds;
	int id, r;

	if (is_root(f))
		return 0;
	r = sysv_file_status(f, &ds, &id);
	if (r < 0 || mask == F_OK)
		return r;
	/* To write is to read as well, as in opening. */
	return sysv_allows(&ds, caller, mask & W_OK ? mask | R_OK : mask);
}

/* The size stays: to set the one it has is all that is possible, for who may write. */
static int sysv_truncate(struct native_file *file, const struct caller *caller,
			 uint64_t size)
{
	_cleanup_native_ struct native_file *opened = NULL;
	struct sysv_file *f = sysv_file_of(file);
	struct shmid_ds ds;
	int id, r;

	if (is_root(f))
		return -EISDIR;
	r = sysv_file_status(f, &ds, &id);
	if (r == 0)
		r = sysv_allows(&ds, caller, R_OK | W_OK);
	if (r < 0)
		return r;
	if (id >= 0)
		return ds.shm_segsz == size ? 0 : -EPERM;
	r = sysv_open(file, NULL, O_RDWR, &opened);
	return r < 0 ? r : sysv_resize(opened, size);
}

/* Whether a request that was served before has set just that. */
static bool is_set(const struct caller *caller, const struct ipc_perm *was,
		   const struct ipc_perm *to)
{
	return caller && caller->before && was->uid == to->uid && was->gid == to->gid &&
	       (was->mode & 0777) == (to->mode & 0777);
}

/* IPC_SET of what @change makes of the segment as it is. */
static int set(struct sysv_file *f, const struct caller *caller,
	       void (*change)(struct ipc_perm *, const struct ipc_perm *),
	       const struct ipc_perm *to)
{
	_as_caller_ struct caller_guard guard = { .ids = false };
	struct ipc_perm was;
	struct shmid_ds ds;
	int id, r;

	if (is_root(f))
		return -EPERM;
	r = sysv_file_status(f, &ds, &id);
	if (r < 0)
		return r;
	was = ds.shm_perm;
	change(&ds.shm_perm, to);
	/* Who has given it away must not set it a second time. */
	if (is_set(caller, &was, &ds.shm_perm))
		return 0;
	/* The identifier may be of another segment by now, even the caller's own. */
	if (!sysv_may_set(&was, caller))
		return -EPERM;
	if (id < 0) {
		r = sysv_pending_set(f->pending, caller, &ds.shm_perm);
		/* It has become a segment meanwhile. */
		return r == -EEXIST ? set(f, caller, change, to) : r;
	}
	r = caller_enter(caller, GROUPS_NONE, &guard);
	if (r == 0)
		r = errno_or(shmctl(id, IPC_SET, &ds));
	caller_leave(&guard);
	if (r < 0)
		return r == -EINVAL || r == -EIDRM ? -ESTALE : r;
	/* Which it is, is told by the time that this has set. */
	if (sysv_status(id, &ds) == 0) {
		f->birth = sysv_birth_of(f->file.kind, id, &ds);
		f->id = id;
	}
	return 0;
}

static void change_mode(struct ipc_perm *perm, const struct ipc_perm *to)
{
	perm->mode = to->mode;
}

static int sysv_chmod(struct native_file *f, const struct caller *caller, mode_t mode)
{
	const struct ipc_perm to = { .mode = mode & 0777 };

	return set(sysv_file_of(f), caller, change_mode, &to);
}

static void change_owner(struct ipc_perm *perm, const struct ipc_perm *to)
{
	if (to->uid != (uid_t)-1)
		perm->uid = to->uid;
	if (to->gid != (gid_t)-1)
		perm->gid = to->gid;
}

static int sysv_chown(struct native_file *f, const struct caller *caller, uid_t uid,
		      gid_t gid)
{
	const struct ipc_perm to = { .uid = uid, .gid = gid };

	return set(sysv_file_of(f), caller, change_owner, &to);
}

/*
 * A segment has no times that could be set. To say so would have programs that copy files
 * leave the owner and the mode as they are, which they set after them. So who may set
 * those may set times, without effect; and who may write, the time of now.
 */
static int sysv_utimens(struct native_file *file, const struct caller *caller,
			const struct timespec times[2])
{
	bool now = times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW;
	struct sysv_file *f = sysv_file_of(file);
	struct shmid_ds ds = { .shm_perm = { .uid = 0 } };
	int id, r = is_root(f) ? 0 : sysv_file_status(f, &ds, &id);

	if (r < 0 || sysv_may_set(&ds.shm_perm, caller))
		return r;
	if (!now || is_root(f))
		return -EPERM;
	return sysv_allows(&ds, caller, R_OK | W_OK);
}

static int sysv_remember(struct kind *k)
{
	return sysv_pendings_remember(&sysv_kind_of(k)->pendings);
}

static int sysv_adopt(struct kind *k, const struct native_remains *r,
		      struct native_file **ret)
{
	struct sysv_kind *s = sysv_kind_of(k);
	bool writable = (r->flags & O_ACCMODE) != O_RDONLY;
	struct sysv_file *f;
	int result = sysv_file_new(k, &f);

	if (result < 0)
		return result;
	f->open = true;
	f->flags = r->flags;
	atomic_store(&f->wrote, writable);
	atomic_store(&f->locks_fd, r->locks);
	if (r->id.device == DEVICE_PENDINGS)
		result = sysv_pending_adopt(&s->pendings, (uint64_t)r->id.birth,
					    r->id.inode, r->locks >= 0, &f->pending);
	else
		result = sysv_segment_adopt(&s->segments, (int)r->id.inode, r->id.birth,
					    writable, r->fd, &f->segment);
	if (result < 0)
		native_file_unref(&f->file);
	else
		*ret = &f->file;
	return result;
}

static struct native_file *sysv_root(struct kind *k)
{
	return &sysv_kind_of(k)->root.file;
}

static int sysv_watch(struct kind *k)
{
	return sysv_kind_of(k)->stale;
}

/* What went is not known, only that it is time to look. */
static int sysv_event(struct kind *k, struct kind_event *ret)
{
	uint64_t times;

	(void)ret;
	if (read(sysv_kind_of(k)->stale, &times, sizeof(times)) == sizeof(times))
		return -EOVERFLOW;
	return 0;
}

static void sysv_free(struct kind *k)
{
	struct sysv_kind *s = sysv_kind_of(k);

	close_fd(s->stale);
	sysv_usage_done(&s->usage);
	sysv_pendings_done(&s->pendings);
	sysv_segments_done(&s->segments);
	free(s);
}

static int sysv_new(const struct kind_config *config, struct kind **ret)
{
	_cleanup_(cleanup_kind) struct kind *k = NULL;
	struct sysv_kind *s;
	uint64_t rss, swap;
	struct statvfs st;
	int r;

	/* No event tells of changes. */
	if (config->changes)
		return -EOPNOTSUPP;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->kind.ops = &kind_sysv;
	k = &s->kind;
	s->root.file.kind = k;
	atomic_init(&s->root.file.refs, 1);
	sysv_segments_init(&s->segments);
	sysv_pendings_init(&s->pendings, &s->segments);
	sysv_usage_init(&s->usage);
	s->stale = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->stale < 0)
		return -errno;
	/* -ENOSYS where the kernel has no System V IPC, -ENOENT where /proc is missing.
	 */
	r = sysv_statfs(k, &st);
	if (r == 0)
		r = sysv_usage_get(&s->usage, 0, &rss, &swap);
	if (r == 0)
		*ret = take_ptr(k);
	return r;
}

const struct kind_ops kind_sysv = {
	.name = "sysv",
	.bounded = true,
	.new = sysv_new,
	.free = sysv_free,
	.root = sysv_root,
	.statfs = sysv_statfs,
	.list_open = sysv_list_open,
	.list_next = sysv_list_next,
	.list_close = sysv_list_close,
	.watch = sysv_watch,
	.event = sysv_event,
	.identify = sysv_identify,
	.lookup = sysv_lookup,
	.create = sysv_create,
	.remove = sysv_remove,
	.open = sysv_open,
	.stat = sysv_stat,
	.access = sysv_access,
	.truncate = sysv_truncate,
	.chmod = sysv_chmod,
	.chown = sysv_chown,
	.utimens = sysv_utimens,
	.told = sysv_told,
	.tell = sysv_tell,
	.backing = sysv_backing,
	.read = sysv_read,
	.write = sysv_write,
	.resize = sysv_resize,
	.allocate = sysv_allocate,
	.seek = sysv_seek,
	.sync = sysv_sync,
	.flush = sysv_flush,
	.lock = sysv_lock,
	.flock = sysv_flock,
	.close = sysv_close,
	.remember = sysv_remember,
	.adopt = sysv_adopt,
	.locks = sysv_locks,
	.keep = sysv_keep,
	.list_adopt = sysv_list_adopt,
};
