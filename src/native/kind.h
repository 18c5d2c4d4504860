/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A kind of native shared memory: one table of operations, one file of code behind it. A
 * struct kind is one kind's objects as one mount presents them, a flat set of names.
 *
 * All functions return 0 or a negative errno, that of the native call. @caller is who
 * asks (native/caller.h); NULL stands for the process itself. All functions may be called
 * by several threads at once; a struct native_list belongs to one thread at a time.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "native/caller.h"
#include "util/cleanup.h"

/* Which object this is, whatever its name: never the same for two objects. */
struct object_id {
	uint64_t device;
	uint64_t inode;
	int64_t birth; /* nanoseconds since the epoch, 0 where the kernel does not say */
};

struct object_info {
	struct object_id id;
	struct stat stat;
	bool created;     /* by kind_create(): it was not there before */
	bool append_only; /* chattr +a: written at its end alone, never mapped writable */
};

/* How a mount wants its kind. */
struct kind_config {
	const char *shm_dir; /* POSIX: the directory of the objects */
	bool reserve;        /* a new size is allocated at once, or refused */
	bool noatime; /* reading sets no time of access, where the kernel lets us */
	bool changes; /* the watch tells of all changes, not of removals alone */
};

/* What happened to what has or had a name; several at once where events are alike. */
#define KIND_GONE    (1u << 0) /* it was removed, or renamed away */
#define KIND_COME    (1u << 1) /* it was made or linked, or another was renamed to it */
#define KIND_CHANGED (1u << 2) /* its attributes changed */

struct kind_event {
	unsigned int what;
	char name[256]; /* "": the directory itself */
};

/*
 * An object that is held: by a handle, which finds the object whatever happens to its
 * name but gives no access, or by an open file, which has the access of its flags as
 * well. Counted; the last native_file_unref() lets go.
 */
struct native_file {
	struct kind *kind;
	atomic_uint refs;
};

/* One entry of a listing; @name is valid until the next call on the listing. */
struct list_entry {
	const char *name;
	uint64_t inode;
	mode_t type;  /* S_IFREG, S_IFDIR as of "." and "..", or 0: unknown */
	int64_t next; /* the position behind this entry */
};

/*
 * What is left of a file that another process had open: its descriptors are in the table
 * of this one, too.
 */
struct native_remains {
	struct object_id id; /* as it was when the file was opened */
	int flags;           /* as of open(2) */
	int fd;              /* what native_backing() said of it */
	int locks;           /* what native_locks() did, with locks; else -1 */
};

struct native_list;
struct kind_ops;

struct kind {
	const struct kind_ops *ops;
};

/* An open(2) flag that the kernel gives with an exec: it takes execute permission too. */
#define KIND_OPEN_EXEC 040
/* One of our own, as the opposite of O_NONBLOCK: waits for the holders of leases, or for
 * a signal (-EINTR), whoever is asked to wait by that. */
#define KIND_OPEN_WAIT (1 << 30)

struct kind_ops {
	const char *name; /* as in -o kind= */
	/* The kinds that this one presents as a directory each, up to NULL; or NULL. */
	const struct kind_ops *const *members;
	/* An object has the size that it was made with, and writes are held against that:
	 * the kernel, which would make it larger, must not be let do them by itself. */
	bool bounded;

	int (*new)(const struct kind_config *config, struct kind **ret);
	void (*free)(struct kind *k);

	/* The directory as a handle: stat, access, attributes and xattrs work on it. */
	struct native_file *(*root)(struct kind *k);
	int (*statfs)(struct kind *k, struct statvfs *ret);
	int (*list_open)(struct kind *k, const struct caller *caller,
			 struct native_list **ret);
	int (*list_next)(struct native_list *l, int64_t position, struct list_entry *ret);
	void (*list_close)(struct native_list *l);
	/* A descriptor to poll, -EOPNOTSUPP where nothing tells of changes. */
	int (*watch)(struct kind *k);
	int (*event)(struct kind *k, struct kind_event *ret);

	int (*identify)(struct kind *k, const struct caller *caller, const char *name,
			struct object_info *ret);
	int (*lookup)(struct kind *k, const struct caller *caller, const char *name,
		      struct native_file **ret, struct object_info *ret_info);
	int (*create)(struct kind *k, const struct caller *caller, const char *name,
		      int flags, mode_t mode, struct native_file **ret,
		      struct object_info *ret_info);
	int (*tmpfile)(struct kind *k, const struct caller *caller, int flags,
		       mode_t mode, struct native_file **ret,
		       struct object_info *ret_info);
	int (*remove)(struct kind *k, const struct caller *caller, const char *name);
	int (*rename)(struct kind *k, const struct caller *caller, const char *from,
		      const char *to, unsigned int flags);

	/* By a handle or an open file. */
	int (*link)(struct native_file *f, const struct caller *caller, const char *name);
	int (*open)(struct native_file *f, const struct caller *caller, int flags,
		    struct native_file **ret);
	int (*stat)(struct native_file *f, struct object_info *ret);
	int (*access)(struct native_file *f, const struct caller *caller, int mask);
	int (*truncate)(struct native_file *f, const struct caller *caller,
			uint64_t size);
	int (*chmod)(struct native_file *f, const struct caller *caller, mode_t mode);
	int (*chown)(struct native_file *f, const struct caller *caller, uid_t uid,
		     gid_t gid);
	int (*utimens)(struct native_file *f, const struct caller *caller,
		       const struct timespec times[2]);
	ssize_t (*getxattr)(struct native_file *f, const struct caller *caller,
			    const char *name, void *value, size_t size);
	ssize_t (*listxattr)(struct native_file *f, const struct caller *caller,
			     char *list, size_t size);
	int (*setxattr)(struct native_file *f, const struct caller *caller,
			const char *name, const void *value, size_t size, int flags);
	int (*removexattr)(struct native_file *f, const struct caller *caller,
			   const char *name);

	/*
	 * What the kind tells about the object, as text, by these names up to NULL:
	 * -ENODATA if not that. Both NULL where it is nothing.
	 */
	const char *const *told;
	ssize_t (*tell)(struct native_file *f, const char *name, void *value,
			size_t size);

	/* By an open file only; what its flags allow was decided when it was opened. */
	int (*backing)(struct native_file *f);
	ssize_t (*read)(struct native_file *f, void *buf, size_t n, uint64_t offset);
	ssize_t (*write)(struct native_file *f, const void *buf, size_t n,
			 uint64_t offset, bool append);
	int (*resize)(struct native_file *f, uint64_t size);
	int (*allocate)(struct native_file *f, int mode, uint64_t offset,
			uint64_t length);
	int64_t (*seek)(struct native_file *f, int64_t offset, int whence);
	ssize_t (*copy)(struct native_file *in, uint64_t in_offset,
			struct native_file *out, uint64_t out_offset, size_t n);
	int (*sync)(struct native_file *f, bool data_only);
	/* @caller has closed a descriptor of what may be written: close(2) gives this. */
	int (*flush)(struct native_file *f, const struct caller *caller);
	int (*lock)(struct native_file *f, int command, struct flock *lock);
	int (*flock)(struct native_file *f, int operation);
	int (*ioctl)(struct native_file *f, const struct caller *caller,
		     unsigned int command, void *argument);

	void (*close)(struct native_file *f); /* behind native_file_unref() */

	/*
	 * For a process that has got the descriptors of another, which had files and
	 * listings open: these are made again of what is left of them. All NULL where it
	 * is not possible; @remember and @list_descriptor where there is nothing to do.
	 */
	int (*remember)(struct kind *k);
	int (*adopt)(struct kind *k, const struct native_remains *r,
		     struct native_file **ret);
	int (*locks)(struct native_file *f);
	/* The descriptor that it needs besides those of @backing and @locks, or -1. */
	int (*keep)(struct native_file *f);
	int (*list_descriptor)(struct native_list *l);
	int (*list_adopt)(int *fd, struct native_list **ret);
};

extern const struct kind_ops kind_posix;
extern const struct kind_ops kind_sysv;
extern const struct kind_ops kind_all;

/* The table of kind @name, or NULL. */
const struct kind_ops *kind_find(const char *name);
/* Whether @ops is @kind or presents it among others. */
bool kind_has(const struct kind_ops *ops, const struct kind_ops *kind);

int kind_new(const struct kind_ops *ops, const struct kind_config *config,
	     struct kind **ret);
struct kind *kind_free(struct kind *k);
DEFINE_CLEANUP(struct kind, kind, kind_free);

struct native_file *native_file_ref(struct native_file *f);
/* Returns NULL; accepts NULL. */
struct native_file *native_file_unref(struct native_file *f);
DEFINE_CLEANUP(struct native_file, native_file, native_file_unref);
#define _cleanup_native_ _cleanup_(cleanup_native_file)

/*
 * The operations, with what holds for all kinds in one place: names are checked, what a
 * kind leaves out is refused.
 */

/* Borrowed from the kind. */
struct native_file *kind_root(struct kind *k);
int kind_statfs(struct kind *k, struct statvfs *ret);

/* Lists the objects, with "." and ".." as in a directory. */
int kind_list_open(struct kind *k, const struct caller *caller, struct native_list **ret);
/*
 * The entry behind @position, 0 at the start, else the next of an entry. An entry that is
 * there throughout is given exactly once, whatever comes and goes meanwhile. Returns 1,
 * or 0 at the end.
 */
int kind_list_next(struct kind *k, struct native_list *l, int64_t position,
		   struct list_entry *ret);
void kind_list_close(struct kind *k, struct native_list *l);

/*
 * Whether what is open can be made again in another process, cloned from this one, from
 * which on it shall be possible: -EOPNOTSUPP.
 */
int kind_remember(struct kind *k);
/*
 * Makes it again. The descriptors of @r are taken over where that succeeds, but that of
 * native_backing() only if it is what this says of the new file, which other files of the
 * same object may share.
 */
int kind_adopt(struct kind *k, const struct native_remains *r, struct native_file **ret);
/* Likewise by the descriptor, -1 where it has none, which is taken over. */
int kind_list_descriptor(struct kind *k, struct native_list *l);
int kind_list_adopt(struct kind *k, int *fd, struct native_list **ret);

/*
 * A descriptor, the kind's own, that is readable when somebody has, or may have, taken
 * names away, or with kind_config.changes done anything that events tell of; or
 * -EOPNOTSUPP. kind_event() then gives one event a call: 1, or 0 when there is no more
 * for now, or -EOVERFLOW when some were lost. For one thread.
 */
int kind_watch(struct kind *k);
int kind_event(struct kind *k, struct kind_event *ret);

/* What is called @name, as kind_lookup() would find it, or -EOPNOTSUPP. */
int kind_identify(struct kind *k, const struct caller *caller, const char *name,
		  struct object_info *ret);
/*
 * A handle on the object called @name: -ENOENT also where what is there is no object. The
 * blocks of @ret_info may be out of date: native_stat() tells them.
 */
int kind_lookup(struct kind *k, const struct caller *caller, const char *name,
		struct native_file **ret, struct object_info *ret_info);
/*
 * Creates and opens an object as shm_open(O_CREAT) does, O_EXCL if in @flags, with the
 * lower nine bits of @mode, less @caller's umask where that counts.
 */
int kind_create(struct kind *k, const struct caller *caller, const char *name, int flags,
		mode_t mode, struct native_file **ret, struct object_info *ret_info);
/* Opens an object without a name, as open(O_TMPFILE) does: O_EXCL if it shall get none.
 */
int kind_tmpfile(struct kind *k, const struct caller *caller, int flags, mode_t mode,
		 struct native_file **ret, struct object_info *ret_info);
int kind_remove(struct kind *k, const struct caller *caller, const char *name);
int kind_rename(struct kind *k, const struct caller *caller, const char *from,
		const char *to, unsigned int flags);

/* Gives the object @name as well, as link(2) does. */
int native_link(struct native_file *f, const struct caller *caller, const char *name);
int native_open(struct native_file *f, const struct caller *caller, int flags,
		struct native_file **ret);
int native_stat(struct native_file *f, struct object_info *ret);
int native_access(struct native_file *f, const struct caller *caller, int mask);
int native_truncate(struct native_file *f, const struct caller *caller, uint64_t size);
int native_chmod(struct native_file *f, const struct caller *caller, mode_t mode);
int native_chown(struct native_file *f, const struct caller *caller, uid_t uid,
		 gid_t gid);
int native_utimens(struct native_file *f, const struct caller *caller,
		   const struct timespec times[2]);
ssize_t native_getxattr(struct native_file *f, const struct caller *caller,
			const char *name, void *value, size_t size);
ssize_t native_listxattr(struct native_file *f, const struct caller *caller, char *list,
			 size_t size);
int native_setxattr(struct native_file *f, const struct caller *caller, const char *name,
		    const void *value, size_t size, int flags);
int native_removexattr(struct native_file *f, const struct caller *caller,
		       const char *name);

/*
 * What is told about the object as attribute @name, without its prefix "user.shmfs.": its
 * length, and with a @size that is not 0 the text itself, which has no end mark.
 */
ssize_t native_tell(struct native_file *f, const char *name, void *value, size_t size);

/* The descriptor to register as backing file, borrowed, or -EOPNOTSUPP. */
int native_backing(struct native_file *f);
ssize_t native_read(struct native_file *f, void *buf, size_t n, uint64_t offset);
ssize_t native_write(struct native_file *f, const void *buf, size_t n, uint64_t offset,
		     bool append);
int native_resize(struct native_file *f, uint64_t size);
int native_allocate(struct native_file *f, int mode, uint64_t offset, uint64_t length);
int64_t native_seek(struct native_file *f, int64_t offset, int whence);
ssize_t native_copy(struct native_file *in, uint64_t in_offset, struct native_file *out,
		    uint64_t out_offset, size_t n);
int native_sync(struct native_file *f, bool data_only);
int native_flush(struct native_file *f, const struct caller *caller);
/* @command: F_OFD_GETLK, F_OFD_SETLK or F_OFD_SETLKW; the lock belongs to the open file.
 */
int native_lock(struct native_file *f, int command, struct flock *lock);
int native_flock(struct native_file *f, int operation);
/* Flags of chattr(1): the FS_IOC_* that get and set them; -ENOTTY where there are none.
 */
int native_ioctl(struct native_file *f, const struct caller *caller, unsigned int command,
		 void *argument);
/* The descriptor that the locks of @f are held by, borrowed, or -EOPNOTSUPP. */
int native_locks(struct native_file *f);
/* Tells of each record lock of @f, until that fails. */
int native_held(struct native_file *f,
		int (*tell)(void *context, const struct flock *lock), void *context);
/* The descriptor that kind_adopt() needs besides, borrowed, or -1. */
int native_keep(struct native_file *f);
