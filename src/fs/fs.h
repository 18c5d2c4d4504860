/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files mean: a file system of one flat directory over one kind of shared
 * memory, in terms of node numbers, file numbers and names, as a kernel asks for them. No
 * FUSE in here; all of it is tested without /dev/fuse.
 *
 * All functions may be called by several threads at once. They return 0 (or a count) or a
 * negative errno; -ESTALE means that the node's object is no longer what its name leads
 * to, and that looking the name up again will tell what is there now.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "native/caller.h"
#include "native/kind.h"
#include "util/descriptors.h"

#define FS_ROOT 1 /* the node number of the directory */

/* How the data of a file flows. */
enum fs_io {
	FS_IO_DIRECT, /* every read and write comes to us; shared mappings are refused */
	FS_IO_PASSTHROUGH, /* the kernel goes straight to the object */
};

/*
 * Registers files with the kernel as the backing of open files. @open returns an id > 0
 * or a negative errno; -ELOOP, -EOPNOTSUPP and -EPERM say that this file can never be
 * one.
 */
struct fs_backing {
	int (*open)(void *context, int fd);
	void (*close)(void *context, int id);
	void *context;
};

struct fs_config {
	struct kind *kind;                /* taken over */
	const struct fs_backing *backing; /* borrowed; NULL: none, all io is direct */
	/*
	 * The most descriptors for what is open or locked: then opening is -ENFILE and
	 * locking -ENOLCK. And those for handles of recent lookups. 0: no limit of ours.
	 */
	unsigned int files;
	unsigned int handles;
	/*
	 * Several users are served: none of them but root may have more of it than is
	 * left for others. Then opening is -EMFILE.
	 */
	bool shared;
	/*
	 * The kernel keeps names and attributes, and is told of changes: the kind's watch
	 * must tell of all of them, and somebody call fs_tell_changes().
	 */
	bool keeps;
};

struct fs_entry {
	uint64_t node;
	uint64_t generation;
	struct stat attr;
	bool keep_name; /* until the kernel is told that the name changed */
	bool keep_attr; /* until it is told that the node did */
	bool made;      /* it was not there before */
};

struct fs_open_file {
	uint64_t number;
	enum fs_io io;
	int backing_id; /* with FS_IO_PASSTHROUGH */
	bool direct;    /* likewise: reads and writes are to come to us all the same */
};

struct fs;

int fs_new(const struct fs_config *config, struct fs **ret);
/* Also drops the nodes and files that nobody has given back. Takes NULL, returns NULL. */
struct fs *fs_free(struct fs *fs);
DEFINE_CLEANUP(struct fs, fs, fs_free);

/* What there is at the moment. */
struct fs_usage {
	unsigned int nodes; /* that the kernel knows, or that are in use; with the root */
	unsigned int files; /* open */
	unsigned int dirs;  /* directory streams */
};

struct fs_usage fs_usage(struct fs *fs);

/* The kernel takes no backing files: all io is direct. To be called before any file is
 * open. */
void fs_set_direct(struct fs *fs);

/*
 * Takeover. From fs_remember() on, which comes before the first request, all that the
 * kernel knows of the file system, and what is open, is in memory that processes cloned
 * from this one share. If one of them dies, the next, whose file system is as it was
 * then and whose table of descriptors is the same one, makes all of it again by
 * fs_restore(), of the descriptors that are @open, and adds those that it needs to
 * @kept. What the kernel keeps besides may be out of date then.
 *
 * fs_remember() returns -EOPNOTSUPP where what is open goes with the process.
 */
int fs_remember(struct fs *fs);
int fs_restore(struct fs *fs, const struct descriptors *open, struct descriptors *kept);
/* After it: finds the names of nodes. Until then those that are not open have none, but
 * are found when they are looked up. It may take as long as a user likes. */
int fs_find_names(struct fs *fs);

/*
 * Nodes. A node number that fs_lookup(), or what makes a file or a name, has given out
 * counts one lookup, until fs_forget() gives them back. With -ENOENT of fs_lookup()
 * @ret->keep_name says whether the kernel may keep that there is nothing.
 */
int fs_lookup(struct fs *fs, const struct caller *caller, const char *name,
	      struct fs_entry *ret);
void fs_forget(struct fs *fs, uint64_t node, uint64_t lookups);
/* A request of @thread has failed before it came here. */
void fs_lost(struct fs *fs, pid_t thread);
/* @name NULL: an object without a name, which with O_EXCL it shall never get. */
int fs_create(struct fs *fs, const struct caller *caller, const char *name, int flags,
	      mode_t mode, struct fs_entry *ret, struct fs_open_file *ret_file);
/* Only regular files can be made: else -EPERM. */
int fs_mknod(struct fs *fs, const struct caller *caller, const char *name, mode_t mode,
	     struct fs_entry *ret);
/*
 * Takes back what fs_create() or fs_mknod() has made as @name, if it was given up
 * (caller->given_up) and is still called so.
 */
void fs_unmake(struct fs *fs, const struct caller *caller, const char *name,
	       const struct fs_entry *made);
/* Gives the object of @node the name @name as well. */
int fs_link(struct fs *fs, const struct caller *caller, uint64_t node, const char *name,
	    struct fs_entry *ret);
/* A large object that thereby loses its last name is left to caller->last. */
int fs_unlink(struct fs *fs, const struct caller *caller, const char *name);
int fs_rename(struct fs *fs, const struct caller *caller, const char *from,
	      const char *to, unsigned int flags);

/* Attributes. */
/* With the time of birth as that of its identity; 0: unknown. */
int fs_stat(struct fs *fs, const struct caller *caller, uint64_t node,
	    struct object_info *ret);
int fs_getattr(struct fs *fs, const struct caller *caller, uint64_t node,
	       struct stat *ret);
/*
 * Whether the kernel may keep @st, which fs_getattr() has just given, until it is told
 * that @node changed. What fs_setattr() gives must not be kept: the kernel takes it even
 * if it was told of a later change before.
 */
bool fs_keeps(struct fs *fs, uint64_t node, const struct stat *st);

#define FS_SET_MODE      (1u << 0)
#define FS_SET_UID       (1u << 1)
#define FS_SET_GID       (1u << 2)
#define FS_SET_SIZE      (1u << 3)
#define FS_SET_ATIME     (1u << 4)
#define FS_SET_MTIME     (1u << 5)
#define FS_SET_ATIME_NOW (1u << 7)
#define FS_SET_MTIME_NOW (1u << 8)

/*
 * Sets the attributes of @attr that @set names, as the caller. @file is the number of the
 * open file whose access counts for the size, or 0. Nothing set is the kernel's request
 * to drop the set-user-ID and set-group-ID bits after somebody's write.
 */
int fs_setattr(struct fs *fs, const struct caller *caller, uint64_t node, uint64_t file,
	       const struct stat *attr, unsigned int set, struct stat *ret);
int fs_access(struct fs *fs, const struct caller *caller, uint64_t node, int mask);
int fs_statfs(struct fs *fs, struct statvfs *ret);
ssize_t fs_getxattr(struct fs *fs, const struct caller *caller, uint64_t node,
		    const char *name, void *value, size_t size);
ssize_t fs_listxattr(struct fs *fs, const struct caller *caller, uint64_t node,
		     char *list, size_t size);
int fs_setxattr(struct fs *fs, const struct caller *caller, uint64_t node,
		const char *name, const void *value, size_t size, int flags);
int fs_removexattr(struct fs *fs, const struct caller *caller, uint64_t node,
		   const char *name);

/* Open files, by number. */

/* A flag for fs_open(), which waits for the holders of leases then, or for a signal
 * (-EINTR): else those are told, and it is -EAGAIN. */
#define FS_OPEN_WAIT KIND_OPEN_WAIT

int fs_open(struct fs *fs, const struct caller *caller, uint64_t node, int flags,
	    struct fs_open_file *ret);
void fs_release(struct fs *fs, uint64_t file);
ssize_t fs_read(struct fs *fs, uint64_t file, void *buf, size_t n, uint64_t offset);
ssize_t fs_write(struct fs *fs, uint64_t file, const void *buf, size_t n, uint64_t offset,
		 bool append);
int fs_fallocate(struct fs *fs, uint64_t file, int mode, uint64_t offset,
		 uint64_t length);
int64_t fs_seek(struct fs *fs, uint64_t file, int64_t offset, int whence);
ssize_t fs_copy(struct fs *fs, uint64_t in, uint64_t in_offset, uint64_t out,
		uint64_t out_offset, size_t n);
/* The flags of chattr(1), see native_ioctl(). */
int fs_ioctl(struct fs *fs, const struct caller *caller, uint64_t file,
	     unsigned int command, void *argument);
int fs_fsync(struct fs *fs, uint64_t file, bool data_only);
/* @caller has closed a descriptor of @file: what close(2) gives. */
int fs_closed(struct fs *fs, const struct caller *caller, uint64_t file);

/*
 * Locks, shared with native lockers. @owner is the kernel's number for who owns a record
 * lock; what it takes counts as the caller's. fs_setlk() and fs_flock() never wait:
 * -EAGAIN says that somebody else has the lock, and @ret_busy, which is left alone
 * otherwise, what there is to wait with.
 */
struct fs_busy {
	/* The native file of the owner, with a reference for the caller. */
	struct native_file *file;
	/* What was asked for: of flock(2) without LOCK_NB, else 0, and it is a range. */
	uint64_t number; /* of the open file */
	uint64_t owner;
	int operation;
	struct flock range;
	/*
	 * What is in the way may be a lock that was given up by closing a file of this
	 * mount: the kernel tells of that without letting anybody wait for it.
	 */
	bool closing;
};

/*
 * Asks again for what was refused with @busy. With @wait it waits until it is had, or a
 * signal comes: -EINTR.
 */
int fs_lock_again(struct fs *fs, const struct fs_busy *busy, bool wait);
int fs_getlk(struct fs *fs, uint64_t file, uint64_t owner, struct flock *lock);
int fs_setlk(struct fs *fs, const struct caller *caller, uint64_t file, uint64_t owner,
	     pid_t pid, const struct flock *lock, struct fs_busy *ret_busy);
int fs_flock(struct fs *fs, const struct caller *caller, uint64_t file, int operation,
	     struct fs_busy *ret_busy);
/*
 * Files that were released so far; fs_await_release() waits until it is more than *@seen,
 * which it updates, or the time @until of CLOCK_MONOTONIC: then it returns false.
 */
uint64_t fs_releases(struct fs *fs);
bool fs_await_release(struct fs *fs, uint64_t *seen, const struct timespec *until);
/* A descriptor of @file was closed: the owner's record locks are gone, as POSIX has it.
 */
int fs_flush(struct fs *fs, uint64_t file, uint64_t owner);

/* The directory. */
int fs_opendir(struct fs *fs, const struct caller *caller, uint64_t *ret_dir);
void fs_releasedir(struct fs *fs, uint64_t dir);
/*
 * Gives the entries behind @position to @fill, which returns whether it took the entry.
 * With @plus each comes with a lookup, as of fs_lookup(), but "." and "..", whose node is
 * 0; without, only the inode number and the type of @entry->attr are set.
 */
typedef bool (*fs_fill_t)(void *context, const char *name, const struct fs_entry *entry,
			  int64_t next);
int fs_readdir(struct fs *fs, const struct caller *caller, uint64_t dir, int64_t position,
	       bool plus, fs_fill_t fill, void *context);

/*
 * What goes on besides requests, for one thread that polls.
 */

/*
 * Readable when native users have taken names away, or with fs_config.keeps done anything
 * at all that can be told; or -EOPNOTSUPP.
 */
int fs_watch(struct fs *fs);
/*
 * With fs_config.keeps, in place of the two below: tells the kernel what changed. Returns
 * 0 when that was all so far, 1 when there may be more, also where fs_watch() does not
 * tell, or a negative errno when the watch fails.
 *
 * The order matters. @settle returns when all answers about names that were given before
 * have arrived, as telling a name does too. Nodes and @names are told after that: answers
 * which were on their way make them, too. @names stands for every name, known to us or
 * not.
 */
struct fs_listener {
	void (*name)(void *context, const char *name); /* leads elsewhere, or nowhere */
	void (*node)(void *context, uint64_t node);    /* has other attributes */
	void (*names)(void *context);
	void (*settle)(void *context);
	void *context;
};

int fs_tell_changes(struct fs *fs, const struct fs_listener *listener);
/*
 * One name that a native user has taken away, which the kernel may forget: 1, or 0 when
 * there is no more for now, or -EOVERFLOW: then fs_sweep() finds them.
 */
int fs_removed(struct fs *fs, char name[256]);
/* Calls @gone with each name that no longer leads to the node that is known by it. */
void fs_sweep(struct fs *fs, void (*gone)(void *context, const char *name),
	      void *context);
/* Readable when it is time for fs_expire(), which lets go of handles that served. */
int fs_timer(struct fs *fs);
void fs_expire(struct fs *fs);
