/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The requests that are being served, in memory that the daemons of a keeper share. When
 * one dies the kernel asks for them again, and the next knows what each had come to.
 */
#include <stdbool.h>
#include <stddef.h>

#include "fs/journal.h"

struct requests;

/* Memory for them; to be called before daemons are made. -ENOMEM. */
int requests_new(struct requests **ret);
/* Takes NULL, returns NULL. */
struct requests *requests_free(struct requests *r);

/*
 * By a daemon after the first, before it serves: what died with the one before is what
 * was asked before. @fault: it died by its own fault. @goes_on: the kernel may still be
 * carrying out a call of its, so none of it must be done again.
 */
void requests_take_over(struct requests *r, bool fault, bool goes_on);

/*
 * By a thread, before and after it serves the request of @n bytes at @header: 0, or -EIO
 * where that has been the death of daemons before, or -EBUSY where it may go on. The
 * thread's request is what caller_of requests_mine() and requests_before() then are, NULL
 * where there is nothing to note.
 */
int requests_begin(struct requests *r, const void *header);
void requests_end(struct requests *r);

struct journal *requests_mine(void);
const struct journal *requests_before(void);
