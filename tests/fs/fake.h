/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A kind of shared memory that lives in this process's memory: no native calls, so that
 * src/fs is tested over a kind that does what a test says. Any operation can be made to
 * fail, objects change behind the back of the file system, and what is open is counted.
 *
 * It checks no permissions; it notes who asked.
 */
#include <pthread.h>

#include "fs/fs.h"
#include "native/kind.h"

#define FAKE_MAX    64 /* of each thing there is */
#define FAKE_EVENTS 1024

/* Where a call can be made to fail. */
enum fake_op {
	FAKE_STATFS,
	FAKE_LIST_OPEN,
	FAKE_LIST_NEXT,
	FAKE_IDENTIFY,
	FAKE_LOOKUP,
	FAKE_CREATE,
	FAKE_TMPFILE,
	FAKE_LINK,
	FAKE_REMOVE,
	FAKE_RENAME,
	FAKE_OPEN,
	FAKE_STAT,
	FAKE_ACCESS,
	FAKE_TRUNCATE,
	FAKE_CHMOD,
	FAKE_CHOWN,
	FAKE_UTIMENS,
	FAKE_GETXATTR,
	FAKE_LISTXATTR,
	FAKE_SETXATTR,
	FAKE_REMOVEXATTR,
	FAKE_READ,
	FAKE_WRITE,
	FAKE_RESIZE,
	FAKE_ALLOCATE,
	FAKE_SEEK,
	FAKE_COPY,
	FAKE_SYNC,
	FAKE_LOCK,
	FAKE_FLOCK,
	FAKE_BACKING, /* the registration of a backing file */
	FAKE_OPS,
	FAKE_ANY = FAKE_OPS,
};

struct fake_object {
	struct object_info info; /* an id of inode 0: the place is free */
	char data[256];
	char xattr[32], value[32]; /* one extended attribute; "": none */
	unsigned int files;        /* what holds it */
	bool linkable;             /* without a name, it may get one */
};

struct fake_name {
	char name[256]; /* "": the place is free */
	struct fake_object *object;
	int64_t position;
};

struct fake_file {
	struct native_file file;
	struct fake_object *object;
	bool handle; /* gives no access */
	int flags;
	int flock; /* LOCK_SH, LOCK_EX or 0 */
	int fd;    /* what native_backing() says; the fake opens none */
};

struct fake_lock {
	const void
		*holder; /* a fake_file, or anything for a native process; NULL: free */
	struct fake_object *object;
	short type;
	int64_t start, end; /* inclusive */
	pid_t pid;          /* -1 for a lock of an open file */
};

struct fake {
	struct kind kind;
	struct fake_file root;
	pthread_mutex_t lock; /* held by each operation: protects all of this */

	struct fake_object objects[FAKE_MAX];
	struct fake_name names[FAKE_MAX];
	struct fake_lock locks[FAKE_MAX];
	const struct fake_file *flocks[FAKE_MAX];
	uint64_t last_inode;
	int64_t last_position;

	/* What the tests ask afterwards. */
	unsigned int calls[FAKE_OPS];               /* failed ones too */
	const struct caller *callers[FAKE_OPS];     /* who asked last */
	unsigned int handles, files, lists, freed;  /* open now; how often freed */
	unsigned int backings;                      /* registered now */
	unsigned int backing_opens, backing_closes; /* ever */
	bool backing_ids[FAKE_MAX];
	int opened;                            /* the flags of the last open */
	struct timespec times[2];              /* of the last utimens */
	struct kind_event events[FAKE_EVENTS]; /* what kind_event() will say */
	unsigned int events_at, events_end;
	int event_error; /* what it says when there are no more */

	/* Called once, between the next lookup and what is made of it. */
	void (*meanwhile)(void *context);
	void *context;

	/* The failure to come: at call @fail_at (1: the next) of @fail_op. 0: none. */
	enum fake_op fail_op;
	unsigned int fail_at;
	int fail_with;
	bool failed;            /* it has come */
	enum fake_op failed_op; /* where */

	struct fs_backing backing;
};

/* An empty kind, with the root directory. */
void fake_init(struct fake *f);
/* Asserts that nothing is open any more, and that the kind was freed. */
void fake_done(struct fake *f);

/* Call number @nth from now of @op, or of any, returns @error and does nothing. */
void fake_fail(struct fake *f, enum fake_op op, unsigned int nth, int error);

/* What native users do. */
struct fake_object *fake_add(struct fake *f, const char *name);
struct fake_object *fake_find(struct fake *f, const char *name);
void fake_take(struct fake *f, const char *name);
/* Another object by the same name, as of a rename over it. */
struct fake_object *fake_replace(struct fake *f, const char *name);
void fake_move(struct fake *f, const char *from, const char *to);
void fake_link(struct fake *f, const char *name, const char *also);
/* A record lock of process @pid. */
void fake_lock(struct fake *f, struct fake_object *o, short type, int64_t start,
	       int64_t end, pid_t pid);
/* An event that @name was taken away; "": that some were lost. */
void fake_event(struct fake *f, const char *name);
/* Any event; @what 0: that some were lost. */
void fake_event_of(struct fake *f, const char *name, unsigned int what);

/* For the files of the fake. */
struct fake *fake_of(struct kind *k);
struct fake_file *fake_file_of(struct native_file *n);
void fake_leave(struct fake **f);
/* Locks the fake until the scope ends, and counts a call of @op by @caller, which fails
 * if it shall: then *@r is set. */
struct fake *fake_enter(struct kind *k, enum fake_op op, const struct caller *caller,
			int *r);
#define _in_fake_ _cleanup_(fake_leave) __attribute__((unused))
/* A file on @o. Called in the fake. */
int fake_file_new(struct fake *f, struct fake_object *o, bool handle, int flags,
		  struct native_file **ret);
/* The locks of a file that is closed. Called in the fake. */
void fake_lock_drop(struct fake *f, const struct fake_file *file);
bool fake_file_is(struct native_file *n, bool handle);

extern const struct kind_ops fake_kind;

/* The parts of the table that are in files of their own. */
int fake_open(struct native_file *n, const struct caller *c, int flags,
	      struct native_file **ret);
int fake_stat(struct native_file *n, struct object_info *ret);
int fake_access(struct native_file *n, const struct caller *c, int mask);
int fake_truncate(struct native_file *n, const struct caller *c, uint64_t size);
int fake_chmod(struct native_file *n, const struct caller *c, mode_t mode);
int fake_chown(struct native_file *n, const struct caller *c, uid_t uid, gid_t gid);
int fake_utimens(struct native_file *n, const struct caller *c,
		 const struct timespec times[2]);
ssize_t fake_getxattr(struct native_file *n, const struct caller *c, const char *name,
		      void *value, size_t size);
ssize_t fake_listxattr(struct native_file *n, const struct caller *c, char *list,
		       size_t size);
int fake_setxattr(struct native_file *n, const struct caller *c, const char *name,
		  const void *value, size_t size, int flags);
int fake_removexattr(struct native_file *n, const struct caller *c, const char *name);
int fake_backing(struct native_file *n);
ssize_t fake_read(struct native_file *n, void *buf, size_t size, uint64_t offset);
ssize_t fake_write(struct native_file *n, const void *buf, size_t size, uint64_t offset,
		   bool append);
int fake_resize(struct native_file *n, uint64_t size);
int fake_allocate(struct native_file *n, int mode, uint64_t offset, uint64_t length);
int64_t fake_seek(struct native_file *n, int64_t offset, int whence);
ssize_t fake_copy(struct native_file *in, uint64_t in_offset, struct native_file *out,
		  uint64_t out_offset, size_t size);
int fake_sync(struct native_file *n, bool data_only);
int fake_record_lock(struct native_file *n, int command, struct flock *lock);
int fake_flock(struct native_file *n, int operation);
