/* SPDX-License-Identifier: MIT */
#pragma once
/* Open directory streams. */

struct fs;

/* Releases every stream; for fs_free(). */
void dir_drop_all(struct fs *fs);
