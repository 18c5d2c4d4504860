/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

struct bench;

#define SEGMENT_NAME_SIZE 11

/* How many there are to be listed: by default there can be 4096. */
#define SEGMENTS_MANY 1000U

/* The name that the @number-th of them has as a file: its key. */
const char *segment_name(char name[SEGMENT_NAME_SIZE], unsigned number);

/* Makes it, of @size bytes, which must not be there: its id or a negative errno. */
int segment_make(unsigned number, size_t size);

/* It may be gone already. */
void segment_remove(unsigned number);

/* The data of @b as segment 0, all of it allocated, not attached: data_size is set. */
int segments_make_data(struct bench *b);
void segments_remove_data(struct bench *b);

/* The same, attached too, and its name the one in /proc/self/map_files. */
int segments_attach_data(struct bench *b);
void segments_detach_data(struct bench *b);

/* Attaching it and detaching, as the functions of a bench that maps it. */
char *segment_map(const struct bench *b);
void segment_unmap(const struct bench *b, char *map);

/* Segments 1, 2, ... to SEGMENTS_MANY; makes all of them or leaves none. */
int segments_make_many(struct bench *b);
void segments_remove_many(struct bench *b);
