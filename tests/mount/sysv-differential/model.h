/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a mount of System V segments is: the segments of another IPC namespace, on which
 * everything is done by native calls as the user who asks, and files, as words of their
 * own on top of that.
 *
 * - Opening a file attaches its segment, which is the check of who may. One attachment
 *   stays while any file is open on the segment, a writable one once somebody wants that.
 * - Reading and writing stay within the segment: short at its end, past it 0 or ENOSPC.
 * - A file that is made has no segment. It is pending: to be found by its key for as long
 *   as no segment has that, and until it is removed or the last file on it is closed.
 *   Who gives it a size makes the segment, as the one who made the file.
 * - What is written to it meanwhile is collected. Closing a descriptor by which that was,
 *   and fsync(2), makes the segment of it; that is made anew when more is written, unless
 *   somebody else has it.
 * - A mapping is one of the segment's memory, and lives as long as it is not unmapped.
 */
#include <stdbool.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include "maps.h"
#include "op.h"
#include "table.h"

/* A segment that is open, attached once. */
struct twin {
	int id;
	unsigned int users; /* 0: the place is free */
	void *at;
	bool writable;
	size_t size;
	int memory; /* the file behind it, for mappings and to see its holes */
};

struct pending {
	unsigned int files; /* open on it; 0: the place is free */
	bool named;
	enum user user; /* who made it */
	struct ipc_perm perm;
	int64_t made;
	struct twin *twin; /* once it has a segment */
	int data;          /* what was written while it has none, a memfd; -1: nothing */
	int64_t pages;     /* that this counts as */
	int failed;        /* some of it was refused so */
	bool grows;        /* @twin is as large as what was written */
};

/* An open file. */
struct file {
	unsigned int refs; /* descriptors; 0: the place is free */
	bool reads, writes, appends;
	bool wrote;  /* to what was pending when it was opened */
	bool direct; /* of what was pending when it was first opened, and so never passed
		      */
	int64_t position;
	struct twin *twin; /* of what had a segment when it was opened */
	struct pending *pending;
};

enum { FILES = MOUNT_ACTORS * SLOTS + 2 };

struct model {
	bool shares; /* MAP_SHARED is possible, but of what was opened pending */
	int table;   /* /proc/sysvipc/shm */
	int nothing; /* a file of no bytes, to be mapped where there is no segment */
	struct people people;
	struct twin twins[FILES];
	struct pending pendings[FILES];
	struct file files[FILES];
	struct file *slots[MOUNT_ACTORS][SLOTS + 1]; /* one is spare */
	struct maps maps[MOUNT_ACTORS];
};

void model_init(struct model *model, bool shares, int table, const struct people *people);
/* Closes and unmaps all. */
void model_done(struct model *model);

/* What the model itself needs, and without which it means nothing. */
int must_be(int r);

/* The segment @id as it is: 0 or -ENOENT. */
int model_status(int id, struct shmid_ds *ret);

/* What a name leads to. */
struct found {
	int id; /* without @pending */
	struct pending *pending;
	struct shmid_ds ds; /* as it is, or shall be */
};

/* 0, -ENOENT, -ENAMETOOLONG. */
int model_find(struct model *model, const struct name *name, struct found *ret);

/* The file in @slot of the actor, or NULL, and what it has open. */
struct file *model_file(struct model *model, const struct op *op);
struct found file_found(const struct file *file);

/* The segment that the file has open, or NULL. */
struct twin *file_twin(const struct file *file);

/* svipc(7): whether @user may do what @mask says, of R_OK, W_OK and X_OK. */
bool model_allows(const struct ipc_perm *perm, enum user user, int mask);
/* Likewise for IPC_SET and IPC_RMID. */
bool model_owns(const struct ipc_perm *perm, enum user user);

/* open(2) of what was found; @flags as there. */
long model_open_found(struct model *model, const struct op *op, struct found *found,
		      int flags);
/* A new file, pending; @key may be IPC_PRIVATE. */
void model_open_pending(struct model *model, const struct op *op, key_t key, int flags);

long model_close(struct model *model, const struct op *op);

/* Makes the segment of a pending file that has none, of what was written. */
int pending_make(struct model *model, struct pending *pending, int64_t size);
int64_t pending_size(const struct pending *pending);
void pending_say(const struct pending *pending, struct outcome *out);
/* Nothing was written. */
void pending_empty(struct pending *pending);
long pending_write(struct model *model, struct pending *pending, const void *bytes,
		   size_t n, int64_t at);
/* As of closing a descriptor of @file. */
int pending_flush(struct model *model, const struct file *file);
/* Takes its segment away again, where that is possible, since more is written. */
void pending_again(struct model *model, struct pending *pending);

/* Attributes of what was found, as a file has them. */
struct stat model_stat(const struct model *model, const struct found *found);

/* Bytes of a segment, all within it. */
void twin_read(const struct twin *twin, void *to, size_t n, int64_t at);
void twin_write(const struct twin *twin, const void *from, size_t n, int64_t at);

/* A segment by root's hand, as a file would have it open. */
int twin_open(struct model *model, int id, enum user user, bool writable,
	      struct twin **ret);
void twin_close(struct twin *twin);
