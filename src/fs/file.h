/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Open files. A struct file is one open of a node; what all opens of a node share while
 * there is any is its struct opened: the backing id and the owners of record locks.
 *
 * Any open file answers for the node. Nothing but a struct file keeps its native file for
 * longer than a request: locks of an open file go when it is closed.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"
#include "fs/node.h"

struct lock_owner;
struct ledger_file;

struct file {
	uint64_t number;
	int flags;                  /* of open(2) */
	struct node *node;          /* with a reference */
	struct file *prev, *next;   /* in opened->files; protected by fs->lock */
	struct native_file *native; /* with a reference */
	uid_t uid;                  /* whose it counts as */
	/* Owners of locks: of the flock lock, or NULL; lists of those of record locks,
	 * and of those that have none any more. Protected by opened->lock. */
	struct lock_owner *flock, *owners, *idle;
};

struct opened {
	unsigned int
		users; /* open files and requests that use this; protected by fs->lock */
	struct file *files; /* a list; protected by fs->lock */

	/* Never taken under fs->lock. It is held over native calls that wait for nobody:
	 * opening with O_NONBLOCK, registering, and what locks do but for F_OFD_SETLKW.
	 */
	pthread_mutex_t lock;
	bool decided;              /* whether io is known; protected by lock */
	enum fs_io io;             /* protected by lock */
	int backing_id;            /* with FS_IO_PASSTHROUGH; protected by lock */
	struct lock_owner *owners; /* of record locks, a hash; protected by lock */
};

/*
 * Makes @native, which is taken over where it succeeds, an open file of node @number that
 * the kernel knows, opened with @flags by @caller. What fs->open counts for it is who
 * calls this to give back where it fails.
 */
int file_add(struct fs *fs, const struct caller *caller, uint64_t number, int flags,
	     struct native_file **native, struct fs_open_file *ret);

/*
 * Takes it back, which the kernel knows no more, or not yet. Returns whether it was
 * there; whose it was goes to @ret_uid, unless that is NULL.
 */
bool file_drop(struct fs *fs, uint64_t file, uid_t *ret_uid);

/*
 * What O_TRUNC takes away is gone, whatever fails after it. So files are opened without
 * it where it does that, and when nothing else can fail @native is opened once more.
 */
bool file_empties(const struct fs *fs, int flags);
int file_empty(struct fs *fs, const struct caller *caller, struct native_file *native,
	       int flags);

/* The file that the same request of @caller has opened already, and the number of its
 * node: 0 where there is none. */
uint64_t file_find(struct fs *fs, const struct caller *caller, struct fs_open_file *ret);

/* For that file: what @flags say of its contents may not have been done. It is closed
 * where that fails. */
int file_empty_again(struct fs *fs, const struct caller *caller, uint64_t file,
		     int flags);

/*
 * Makes an open file again that another process had: 0, or a negative errno. It needs
 * the descriptors of @record and @ret_keep, as far as they are none below 0.
 */
int file_restore(struct fs *fs, struct ledger_file *record, int *ret_keep);

/* The native file behind an open one, with a reference for the caller: -EBADF if there is
 * none. */
int file_hold(struct fs *fs, uint64_t file, struct native_file **ret);

/*
 * The open file @number, with opened->lock held until file_leave(), for as long as which
 * it stays: -EBADF if there is none.
 */
int file_enter(struct fs *fs, uint64_t number, struct file **ret);
void file_leave(struct fs *fs, struct file *f);

/* Whether @f was opened for writing, too. */
static inline bool file_writes(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

/* A file that is open on @n, borrowed, or NULL. Called with fs->lock held. */
struct native_file *opened_file(const struct node *n);

/* How data of the node flows: what is decided, else what will be. */
enum fs_io file_io(struct fs *fs, uint64_t number);

/* Releases every file; for fs_free(). */
void file_drop_all(struct fs *fs);
