/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An ordinary user who mounts for herself: by fusermount3, without passthrough, and for
 * nobody else. Her daemon goes to the background and is a child of the test process then.
 */
#include "command.h"
#include "mount.h"
#include "person.h"

extern const struct person ordinary_user;

/* A directory of hers, for her mount. */
#define USER_DIR SCRATCH_DIR "/alice"

/* Lets her mount on this machine, whatever it has for that; and takes that back. */
void ordinary_allow(void);
void ordinary_disallow(void);

/* Her daemon with -o @options (NULL: none); what it said until it was ready. */
struct outcome ordinary_mount(const char *options);
/* Unmounts, and awaits the end of the daemon, which must be a good one. */
void ordinary_unmount(void);
