/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct clock;
struct worker;

#define KIB (1024UL)
#define MIB (1024UL * KIB)

/* What operations work with. Their working directory is the one that is measured. */
struct bench {
	int data;              /* a file in it, all of it allocated */
	const char *data_name; /* and its name */
	size_t data_size;
	int segment;      /* or the System V segment that it is */
	char *attachment; /* and where that is attached all the time */
	/* Maps the data anew, shared and writable: MAP_FAILED with errno if not. */
	char *(*map)(const struct bench *b);
	void (*unmap)(const struct bench *b, char *map);
	char *buffer;           /* of MIB bytes */
	uint64_t random;        /* state of the offsets */
	struct clock *clock;    /* NULL in a thread: the main one times it */
	struct worker *workers; /* the threads, while an operation with threads runs */
	int native;             /* the directory behind the measured one, or -1 */
};

typedef int batch_fn(struct bench *b, size_t size, uint64_t count);

/* One row. It has either a batch or a sample. */
struct op {
	const char *name;
	/* Does the operation @count times, of @size bytes each: 0 or a negative errno. */
	batch_fn *batch;
	/* Measures a delay by itself, once: 0 or a negative errno. */
	int (*sample)(struct bench *b, uint64_t *ret_delay);
	size_t size;
	bool slow; /* one takes milliseconds */
	/* What must be there before the first batch, and is removed after the last. */
	int (*setup)(struct bench *b);
	void (*teardown)(struct bench *b);
};

/* Each ends with an operation without a name. */
extern const struct op data_ops[], name_ops[], listing_ops[], thread_ops[], delay_ops[];
/* System V segments: as files, their data alone as such, and natively. The rows have the
 * same names. */
extern const struct op segment_data_ops[], segment_name_ops[], segment_no_name_ops[];
extern const struct op segment_ops[];

/* Makes @b's data file, which must not be there: data_name and data_size are set. */
int data_make(struct bench *b);
void data_remove(struct bench *b);

/* The functions of a bench whose data is a file. */
char *data_map(const struct bench *b);
void data_unmap(const struct bench *b, char *map);

/* Where the @i-th of pieces of @size bytes begins, round and round. */
static inline off_t sequential_offset(const struct bench *b, size_t size, uint64_t i)
{
	return (off_t)(i * size % b->data_size);
}

/* Creates a file and closes it; one of size 0 is left as it was created. */
int create_sized(const char *name, off_t size);

/* Files bench-0, bench-1, ...; create_numbered() leaves none behind when it fails. */
int create_numbered(uint64_t count);
void remove_numbered(uint64_t count);

/* Batches that run in threads too, or on segments: those of listings have as size how
 * many entries there are at least. */
batch_fn batch_pread, batch_pwrite, batch_fault, batch_memset;
batch_fn batch_fstat, batch_stat, batch_open_close, batch_readdir, batch_ls;
