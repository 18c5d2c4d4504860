/* SPDX-License-Identifier: MIT */
#pragma once
/* Open directory streams. */

struct fs;
struct ledger_dir;

/* Streams at once: each has a buffer, or a list of all segments. */
#define DIR_MAX 1024

/* Makes a stream again that another process had: 0, or a negative errno. */
int dir_restore(struct fs *fs, const struct ledger_dir *record);
/* Releases every stream; for fs_free(). */
void dir_drop_all(struct fs *fs);
