/* SPDX-License-Identifier: MIT */
#pragma once
/* Listing the segments: what kind_list_open() and its kin do for them. */
#include "native/kind.h"

/* The inode numbers of segments are their identifiers: this one is none of them. */
#define SYSV_ROOT_INODE UINT64_C(0x80000000)

int sysv_list_open(struct kind *k, const struct caller *caller, struct native_list **ret);
int sysv_list_next(struct native_list *l, int64_t position, struct list_entry *ret);
void sysv_list_close(struct native_list *l);
int sysv_list_adopt(int *fd, struct native_list **ret);
