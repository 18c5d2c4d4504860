/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The owners of locks. A record lock belongs to a process, a flock lock or the record
 * lock of an open file description to an open file. Each owner has a native open file of
 * its own, whose locks (for record locks those of open file descriptions) are the
 * owner's.
 *
 * All of this is called with opened->lock held.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#include "fs/range.h"

struct fs;
struct file;
struct opened;
struct ledger_lock;
struct native_file;

struct lock_owner {
	uint64_t number;   /* of record locks, as the kernel says; else the open file's */
	struct file *file; /* that was locked through last */
	pid_t pid;         /* that took a lock last */
	uid_t uid;         /* whose it counts as */
	bool flock;
	bool writable;              /* what @native is open for, besides reading */
	struct native_file *native; /* with a reference: its locks are the owner's */
	struct ranges ranges;       /* of record locks: what @native has locked */
	struct lock_owner *prev,
		*next;     /* of record locks: in file->owners or file->idle */
	UT_hash_handle hh; /* likewise in opened->owners, unless it is idle */
};

/* Who asks for a lock. */
struct lock_asker {
	uint64_t number;
	pid_t pid; /* 0: who unlocks */
	uid_t uid;
	bool flock;
};

/* NULL: it has no locks. */
struct lock_owner *owner_find(const struct file *f, const struct lock_asker *a);
/*
 * The owner, who may be new, made ready to lock through @f, and known to the ledger: 0,
 * -ENOLCK, or what opening says.
 */
int owner_get(struct fs *fs, struct file *f, const struct lock_asker *a,
	      struct lock_owner **ret);

/* Of record locks: what native_lock() does, and what is known of it, as far as users may
 * lock. */
int owner_lock(struct fs *fs, struct lock_owner *l, const struct flock *lock);
/* The lock was taken without us, by another open file if that is not the owner's. */
int owner_locked(struct fs *fs, struct lock_owner *l, struct native_file *by,
		 const struct flock *lock);
/* The process that has locked just what @found says, which is not @except's, or 0. */
pid_t owner_of_range(const struct opened *o, const struct lock_owner *except,
		     const struct flock *found);

/* All record locks of @l go. It does too, unless somebody waits for one. */
void owner_unlock(struct fs *fs, struct lock_owner *l);
/* All locks that were taken through @f last go, with their owners. */
void owner_drop_file(struct fs *fs, struct file *f);

/* Makes the owner of the locks of descriptor @fd again, which is taken over where that
 * succeeds. */
int owner_restore(struct fs *fs, struct file *f, int fd,
		  const struct ledger_lock *record);
