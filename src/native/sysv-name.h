/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The names of System V segments: "0x%08x" of the key, and "id-%d" of the identifier, the
 * only name of those that have no key, and another one of all others. A key can also be
 * spelt with capitals and without zeros in front; segments are listed by the spelling
 * above.
 */
#include <stdbool.h>
#include <sys/types.h>

/* The longest name and its end mark. */
#define SYSV_NAME_SIZE sizeof("id-2147483647")

struct sysv_name {
	bool by_id;
	key_t key; /* unless @by_id; IPC_PRIVATE too */
	int id;    /* with @by_id, 0 or more */
};

/* 0, or -EINVAL if @name can be no segment's. */
int sysv_name_parse(const char *name, struct sysv_name *ret);

/* By what a segment is listed: its key, or its identifier where the key is IPC_PRIVATE.
 */
void sysv_name_format(key_t key, int id, char ret[SYSV_NAME_SIZE]);
