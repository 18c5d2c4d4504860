/* SPDX-License-Identifier: MIT */
#pragma once
/* The supplementary groups of whoever makes a request, which /proc tells. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * To be called before the first request: whether /proc is of this process's PID
 * namespace, by whose numbers the kernel says who makes a request. Where it is not, no
 * groups are read.
 */
bool groups_init(void);

/*
 * Whether children of this process, as its daemons are, will be in its PID namespace: by
 * the numbers of that the kernel tells them who makes a request.
 */
bool groups_are_of_children(void);

/* As of caller.groups, with a fuse_req_t as @request. */
int groups_read(void *request, size_t n, gid_t *ret);
