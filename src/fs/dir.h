/* SPDX-License-Identifier: MIT */
#pragma once
/* Open directory streams. */

struct fs;

/* Streams at once: each has a buffer, or a list of all segments. */
#define DIR_MAX 1024

/* Releases every stream; for fs_free(). */
void dir_drop_all(struct fs *fs);
