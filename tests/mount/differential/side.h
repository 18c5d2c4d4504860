/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One of the two sides of the comparison, as one process sees it: the directory with its
 * names, and the descriptors and mappings that the operations so far have left open.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "op.h"
#include "outcome.h"

/* What the subject is, and therefore what it is to refuse. */
enum io { IO_PLAIN, IO_PASSTHROUGH, IO_DIRECT };

struct slot {
	int fd; /* or -1 */
	ino_t ino;
};

struct map {
	unsigned char *at; /* or NULL */
	size_t length;
};

struct side {
	const char *dir;
	enum io io;
	/* The reference: a call on it says what the subject is to say. */
	bool model;
	struct slot slots[SLOTS];
	struct map maps[MAPS];
	unsigned char *arena; /* where the mappings go */
	char paths[2][600];
};

void side_init(struct side *side, const char *dir, enum io io, bool model);

/* Closes and unmaps all. */
void side_done(struct side *side);

/* The paths of the two names of @op, good until the next call. */
const char *side_path(struct side *side, unsigned int name);
const char *side_other_path(struct side *side, unsigned int name);

static inline int side_fd(const struct side *side, unsigned int slot)
{
	return side->slots[slot].fd;
}

/* Closes a descriptor. Return: what close() said, -EBADF where none was open. */
long side_close(struct side *side, unsigned int slot);

/* Takes @fd over into @slot, in which nothing is open. */
void side_put(struct side *side, unsigned int slot, int fd);

/* Says which of the open descriptors are of the file with the inode number @ino. */
void side_say_identity(const struct side *side, struct outcome *out, ino_t ino);

/*
 * What the mount does otherwise than the reference, and is left out here or done on both
 * sides, is a row of "DIFFERENCES TO /dev/shm ITSELF" in shmfs(1). A comment says which,
 * by the row's word: (difference: WORD). A test compares both lists.
 */

/*
 * The result @result of a call that a mount refuses with @error: the reference says so as
 * well, after its caller has undone what it did. @difference: the row's word.
 */
long side_refused(const struct side *side, long result, int error,
		  const char *difference);

/*
 * Has the kernel look at the file. It takes the place for appending through the daemon,
 * the end for copying, locking and private mappings, from the attributes that it last
 * saw, and no daemon can tell it of a native change in between. Looking makes it
 * decidable. (difference: size)
 */
void side_look(const struct side *side, unsigned int slot);

/*
 * The same, and an access. tmpfs takes mapping and splicing for one even where there is
 * nothing to read, and such a daemon is then not asked at all; it does not take advice
 * for one, for which the kernel makes every daemon read. (difference: atime)
 */
void side_access(const struct side *side, unsigned int slot);
