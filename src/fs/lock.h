/* SPDX-License-Identifier: MIT */
#pragma once
/* The owners of record locks: what file.c gives back when files are closed. */
#include <stdint.h>

struct fs;
struct opened;
struct ledger_lock;

/*
 * Drops the locks of the owners that locked through @file: nobody has it open any more.
 * Called with opened->lock held.
 */
void lock_drop_file(struct fs *fs, struct opened *o, uint64_t file);
/* Drops all that is left. */
void lock_drop_all(struct fs *fs, struct opened *o);

/* Makes the owner of the locks of @fd again, which is taken over where that succeeds. The
 * file of @record is open. */
int lock_restore(struct fs *fs, int fd, const struct ledger_lock *record);
