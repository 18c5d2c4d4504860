/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the kind "sysv" have in common. */
#include "native/kind.h"
#include "native/sysv-pending.h"
#include "native/sysv-segment.h"
#include "native/sysv-usage.h"

/*
 * What holds a segment: by its identifier alone (a handle), by having it open, or while
 * it is pending.
 */
struct sysv_file {
	struct native_file file;
	atomic_int id;                /* of a handle, or what was set by it; else -1 */
	_Atomic int64_t birth;        /* likewise: which segment of that id */
	struct sysv_segment *segment; /* of an open file without @pending */
	struct sysv_pending *pending;
	bool open;           /* else a handle */
	int flags;           /* with @open: as of open(2) */
	atomic_bool wrote;   /* likewise: to @pending, or may have */
	atomic_int locks_fd; /* an open file of its own, for its locks; -1: none yet */
};

struct sysv_kind {
	struct kind kind;
	struct sysv_segments segments;
	struct sysv_pendings pendings;
	struct sysv_usage usage;
	int stale;         /* an eventfd: names may have gone unnoticed */
	atomic_uint names; /* found or made since it was made */
	struct sysv_file root;
};

struct sysv_kind *sysv_kind_of(struct kind *k);
struct sysv_file *sysv_file_of(struct native_file *f);

/* The segment that @f has open, with one more user, or NULL. */
struct sysv_segment *sysv_file_segment(struct sysv_file *f);

/* Whether it was opened for that. */
bool sysv_file_reads(const struct sysv_file *f);
bool sysv_file_writes(const struct sysv_file *f);

/*
 * The segment of @f as it is now, and its identifier, -1 while it is pending: -ESTALE
 * where it is gone.
 */
int sysv_file_status(struct sysv_file *f, struct shmid_ds *ret, int *ret_id);

/* A file that holds nothing yet. */
int sysv_file_new(struct kind *k, struct sysv_file **ret);

/* Which of those that had identifier @id is the one that @ds tells of. */
int64_t sysv_birth_of(struct kind *k, int id, const struct shmid_ds *ds);

/*
 * What is known of a segment, or a pending file, as by kind_lookup(): how much memory it
 * takes is that of some time ago. To know it costs more than all the rest, and who is
 * interested in it asks for it.
 */
void sysv_segment_info(struct kind *k, int id, int64_t birth, const struct shmid_ds *ds,
		       struct object_info *ret);
void sysv_pending_info(struct sysv_pending *p, const struct shmid_ds *ds,
		       struct object_info *ret);

/* By name. */
int sysv_identify(struct kind *k, const struct caller *caller, const char *name,
		  struct object_info *ret);
int sysv_lookup(struct kind *k, const struct caller *caller, const char *name,
		struct native_file **ret, struct object_info *ret_info);
int sysv_create(struct kind *k, const struct caller *caller, const char *name, int flags,
		mode_t mode, struct native_file **ret, struct object_info *ret_info);
int sysv_remove(struct kind *k, const struct caller *caller, const char *name);

int sysv_open(struct native_file *file, const struct caller *caller, int flags,
	      struct native_file **ret);

/* Attributes: what kind_ops.tell and statfs do. */
extern const char *const sysv_told[];
ssize_t sysv_tell(struct native_file *f, const char *name, void *value, size_t size);
int sysv_statfs(struct kind *k, struct statvfs *ret);

/* The data of what is open. */
int sysv_backing(struct native_file *f);
ssize_t sysv_read(struct native_file *f, void *buf, size_t n, uint64_t offset);
ssize_t sysv_write(struct native_file *f, const void *buf, size_t n, uint64_t offset,
		   bool append);
int sysv_resize(struct native_file *f, uint64_t size);
int sysv_allocate(struct native_file *f, int mode, uint64_t offset, uint64_t length);
int sysv_sync(struct native_file *f, bool data_only);
int sysv_flush(struct native_file *f, const struct caller *caller);
int64_t sysv_seek(struct native_file *f, int64_t offset, int whence);
int sysv_lock(struct native_file *f, int command, struct flock *lock);
int sysv_flock(struct native_file *f, int operation);
int sysv_locks(struct native_file *f);
int sysv_keep(struct native_file *f);
