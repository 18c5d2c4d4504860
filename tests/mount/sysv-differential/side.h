/* SPDX-License-Identifier: MIT */
#pragma once
/* The mount as one process sees it: its descriptors and mappings. */
#include "maps.h"
#include "table.h"

struct side {
	const char *dir; /* of the segments */
	uint64_t inodes; /* what is added there to their inode numbers */
	int fds[SLOTS];  /* or -1 */
	struct maps maps;
	bool shares; /* MAP_SHARED is possible */
	int table;   /* /proc/sysvipc/shm of the mount */
	struct people people;
	char paths[2][300];
};

/* @all: on a mount of all kinds. */
void side_init(struct side *side, bool all, bool shares, int table,
	       const struct people *people);

/* Closes and unmaps all. */
void side_done(struct side *side);

/* The paths of the names of @op, good until the next call. */
const char *side_path(struct side *side, const struct op *op);
const char *side_to_path(struct side *side, const struct op *op);

/* Closes a descriptor: what close() said, or -EBADF where none was open. */
long side_close(struct side *side, unsigned int slot);

/*
 * Says the attributes that @look (a stat or an fstat) finds. Blocks may be those of the
 * last moment, so they are looked at until they are what the kernel says.
 */
long side_say_stat(struct side *side, const struct op *op, struct outcome *out,
		   int (*look)(struct side *, const struct op *, struct stat *));

/* How many bytes segment @id takes. */
uint64_t side_used(const struct side *side, int id);

/* An inode number as it is on a mount of segments alone. */
uint64_t side_inode(const struct side *side, uint64_t inode);

/* The inode numbers of files without a segment, and of the directory. */
#define PENDING_INODES (UINT64_C(1) << 32)
#define ROOT_INODE     (UINT64_C(1) << 31)

/* Says attributes, the same on both sides where they are the same. */
void say_attributes(struct outcome *out, const struct stat *st);
