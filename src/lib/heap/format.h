/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The heap in shared memory, as any program that maps the file finds it; shmfs_heap(5)
 * describes the same for other languages. Numbers have the byte order of the machine that
 * made the heap, and no other opens it. All positions are offsets from the start of the
 * file, and position 0 means none.
 *
 *	| header | slots | undo log | blocks ... | end block |
 *	0        8192                                        size      limit
 *
 * The library trusts nothing in here: anyone who may write to the file may have written
 * all of it.
 */
#include <stdint.h>

#define FORMAT_MAGIC      "SHMFHEAP"
#define FORMAT_BYTE_ORDER 0x01020304u
#define FORMAT_VERSION    1u

/* Sizes and the limit are multiples of this, whatever the pages of the machine are. */
#define FORMAT_PAGE   UINT64_C(4096)
#define FORMAT_HEADER UINT64_C(8192)

#define FORMAT_LIMIT_MAX (UINT64_C(1) << 36) /* less than this: struct block.before */

/*
 * Each attachment that may write has a slot. The kernel holds a lock of one byte of the
 * file, at the position of the slot, for as long as the process of the attachment lives.
 */
#define FORMAT_SLOTS 1024u

struct format_slot {
	uint32_t generation; /* counts the attachments that had the slot */
	uint32_t attached;   /* 1; 0 after a proper end */
};

/*
 * An owner is a slot and its generation. So the owner of a dead attachment never looks
 * like that of the attachment which has the slot now. Process and thread ids would repeat
 * between containers.
 */
#define FORMAT_OWNER_SLOT       0x00000fffu
#define FORMAT_OWNER_GENERATION 0x3ffff000u
#define FORMAT_OWNER            (FORMAT_OWNER_SLOT | FORMAT_OWNER_GENERATION)
#define FORMAT_WAITERS          0x80000000u /* in the lock: somebody sleeps on it */

/* A word of the heap as it was before the change that is under way. */
struct format_undo {
	uint64_t position; /* a multiple of 8 */
	uint64_t old;
};

/*
 * Memory comes in blocks, one behind the other. A free block has its neighbours in the
 * list of its size in its first two words.
 */
struct format_block {
	uint64_t size;   /* with this header: a multiple of 16; FORMAT_FREE is added */
	uint32_t before; /* the size of the block before, in units of 16; 0: the first */
	uint32_t zero;
	uint64_t next; /* of a free block, as the one below; memory of the user else */
	uint64_t previous;
};

#define FORMAT_FREE       UINT64_C(1)
#define FORMAT_UNIT       UINT64_C(16)
#define FORMAT_BLOCK_HEAD UINT64_C(16)
#define FORMAT_BLOCK_MIN  UINT64_C(32)

/* Lists of free blocks: 16 to each power of two; below 256 bytes, to each unit. */
#define FORMAT_RANGES  29u
#define FORMAT_CLASSES 16u

/* Names are found by their hash, in buckets that are added one by one. */
#define FORMAT_BUCKETS_FIRST UINT64_C(16)
#define FORMAT_BUCKET_PARTS  28u

/* Its size is the same where numbers of 64 bits need not begin at a multiple of 8. */
struct format_name {
	uint64_t next; /* in the bucket */
	uint64_t hash;
	uint64_t type;   /* the user's */
	uint64_t object; /* behind the name */
	uint64_t size;   /* of the object */
	uint32_t length; /* of the name, without its end mark */
	char name[];     /* with one */
} __attribute__((aligned(8)));

struct format_header {
	/* Written once. */
	char magic[8];
	uint32_t byte_order;
	uint32_t version;
	uint32_t incompatible; /* features: programs that do not know one must not open it
				*/
	uint32_t read_only;    /* ... must not write */
	uint32_t compatible;   /* ... need not care */
	uint32_t slots;        /* there are */
	uint64_t limit;        /* to grow to */
	uint64_t slot_table;
	uint64_t log;
	uint64_t log_room; /* entries */
	uint64_t blocks;   /* the first of them */
	uint64_t seed;     /* of the hash of names */
	uint64_t reserved[6];

	/* Not undone: how far the change under way has come. */
	uint32_t lock;     /* a futex: an owner, or 0 */
	uint32_t sequence; /* odd: names are being changed */
	uint64_t log_used; /* entries; 0: no change is under way */
	uint64_t deaths;   /* of owners of the lock, whose changes were undone */
	uint32_t next_slot;
	uint32_t zero;
	uint64_t unused[4];

	/* The owner of the lock changes these, and its heir undoes that if it dies. */
	uint64_t size; /* of the heap; the file may be larger */
	uint64_t last; /* the end block */
	uint64_t used; /* bytes of blocks in use, with their headers */
	uint64_t allocations;
	uint64_t root; /* the user's */
	uint64_t names;
	uint64_t buckets;
	uint64_t parts[FORMAT_BUCKET_PARTS]; /* the table of buckets, in parts */
	uint64_t ranges;                     /* a bit for each that has a free block */
	uint64_t classes[FORMAT_RANGES];     /* likewise, in the range */
	uint64_t free[FORMAT_RANGES][FORMAT_CLASSES];
};

/* A word changes at once for all processes: a lock of this one would not do. */
_Static_assert(__GCC_ATOMIC_LLONG_LOCK_FREE == 2, "words");
_Static_assert(sizeof(struct format_header) <= FORMAT_HEADER, "header");
_Static_assert(sizeof(struct format_slot) == 8, "slot");
_Static_assert(sizeof(struct format_block) == FORMAT_BLOCK_MIN, "block");
_Static_assert(sizeof(struct format_name) == 48, "name");
_Static_assert(__builtin_offsetof(struct format_header, lock) == 128, "written once");
_Static_assert(__builtin_offsetof(struct format_header, size) == 192, "not undone");
