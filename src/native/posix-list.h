/* SPDX-License-Identifier: MIT */
#pragma once
/* Listing a directory of POSIX objects: what kind_list_open() and its kin do for it. */
#include "native/kind.h"

/* Opens a stream of its own on directory @path, with the thread's rights. */
int posix_list_open(const char *path, struct native_list **ret);
int posix_list_next(struct native_list *l, int64_t position, struct list_entry *ret);
/* Its descriptor, borrowed; and one made again by that, which is taken over. */
int posix_list_descriptor(struct native_list *l);
int posix_list_adopt(int *fd, struct native_list **ret);
void posix_list_close(struct native_list *l);
