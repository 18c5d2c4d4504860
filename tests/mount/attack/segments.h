/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The attackers on System V segments: they natively remove what has a key, and make
 * another with the same key and, as far as the kernel can be made to, the same
 * identifier, of another owner and with another mode.
 */
#include <stdint.h>

#include "attack/arena.h"

#define SEGMENT_KEY  0xbad
#define SEGMENT_NAME "0x00000bad"
/* The identifier that is used again and again; while it is taken, the one behind it. */
#define SEGMENT_ID   7
#define SEGMENT_SIZE 4096

/* What each segment begins with, once it has been made. */
struct segment_mark {
	uint32_t magic;
	uint32_t uid;
	uint32_t mode;
	uint32_t serial;
};

#define SEGMENT_MAGIC   0x5e6e17
/* Where the victim writes, if he may. */
#define SEGMENT_SCRATCH 64

/* Who makes segments but does nothing else. */
#define MAKER_UID 1003

/* By root, in the names of many; @context is the uid of the victim. */
void segments_round(struct arena *arena, void *context);

/* By an ordinary user, for himself. */
void segments_own_round(struct arena *arena, void *context);

/* Removes all segments that there are. */
void segments_clear(void);
