/* SPDX-License-Identifier: MIT */
#pragma once
/* What the kernel keeps, and is told of: for the files of this room. */
#include <stdbool.h>
#include <stdint.h>

struct fs;
struct kind;

/* For a file system whose fs_config.keeps is set, over @kind. */
int changes_init(struct fs *fs, struct kind *kind);
void changes_done(struct fs *fs);

/* Whether what was found natively, when fs->changes was @since, can be kept as a name. */
bool changes_keep_name(struct fs *fs, uint64_t since);
