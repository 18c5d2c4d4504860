/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What there is of pending files, in memory that outlives the process: there is nothing
 * else of them that would. A note counts while its serial number is not 0.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SYSV_NOTES_MAX (1u << 20)

struct sysv_note {
	uint64_t serial;
	int64_t made;  /* when, in seconds since the epoch */
	uid_t user;    /* who made it */
	gid_t group;   /* likewise */
	key_t key;     /* and what the segment shall have */
	uid_t uid;     /* likewise */
	gid_t gid;     /* likewise */
	mode_t mode;   /* likewise */
	bool named;    /* it can be found by its key */
	pid_t maker;   /* the process that makes the segment, or made it; 0: none */
	int64_t since; /* when it began to, in seconds since the epoch */
	uint64_t size; /* of how many bytes */
	int data;      /* of what was written while there is no segment, or negative */
	bool poured;   /* some of that is in the segment by now, and there no more */
	int failed;    /* some of what was written was refused with this; 0: none */
	bool grows;    /* nobody has said how large */
	bool shut;     /* its mode keeps others out for a moment: it shall be @mode */
	int fd;        /* of the segment, or negative */
	int64_t birth; /* with @has_id: which segment of that identifier */
	int id;        /* of the segment, as soon as there is one; else -1 */
	bool has_id;   /* it is made, with all that it shall have */
};

struct sysv_notes {
	uint64_t serial; /* of the newest */
	struct sysv_note at[SYSV_NOTES_MAX];
};

/* Memory that processes cloned from this one share; it costs what is used of it. */
int sysv_notes_new(struct sysv_notes **ret);
/* Takes NULL, returns NULL. */
struct sysv_notes *sysv_notes_free(struct sysv_notes *n);

/* Makes a note count, or not; what was written of it before is before that. */
void sysv_note_set_serial(struct sysv_note *n, uint64_t serial);
void sysv_note_set_made(struct sysv_note *n);
void sysv_note_set_shut(struct sysv_note *n, bool shut);
