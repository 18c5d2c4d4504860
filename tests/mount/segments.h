/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * System V segments natively, for tests of a mount that shows them. Each segments_test()
 * has an IPC namespace of its own, with the limits of a fresh one; what a test leaves in
 * it goes with it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/types.h>

#include "person.h"

#ifndef SHM_DEST
#define SHM_DEST   01000
#define SHM_LOCKED 02000
#endif

#define PAGE 4096

#define segments_test(function) \
	cmocka_unit_test_setup_teardown(function, segments_setup, mount_teardown)
/* The test mounts by itself, with segments_mount(). */
#define segments_test_unmounted(function) \
	cmocka_unit_test_setup_teardown(function, segments_setup_dirs, mount_teardown)

int segments_setup(void **state);
int segments_setup_dirs(void **state);
void segments_mount(void);

/* The name of the file of a key, of an identifier; good until eight more were asked for.
 */
const char *key_name(key_t key);
const char *id_name(int id);
/* Their paths on the mount; likewise. */
const char *key_path(key_t key);
const char *id_path(int id);

/* A new segment with exactly these bits of mode; its identifier. */
int segment_make(key_t key, size_t size, mode_t mode);
/* Likewise, made by @who. */
int segment_make_as(const struct person *who, key_t key, size_t size, mode_t mode);
/* Gives it to @uid and @gid, with @mode, and leaves its creator as it is. */
void segment_give(int id, uid_t uid, gid_t gid, mode_t mode);
void segment_remove(int id);

char *segment_attach(int id, int flags);
void segment_detach(volatile char *address);

/* What the kernel tells about it, without attaching it; it must be there. */
struct shmid_ds segment_status(int id);
unsigned long segment_nattch(int id);
bool segment_exists(int id);
/* That of @key; it must be there. */
int segment_find(key_t key);

/* Puts @text at @offset, or holds what is there against it, by an attachment. */
void segment_put(int id, size_t offset, const char *text);
void segment_expect(int id, size_t offset, const char *text);

/* A column of /proc/sysvipc/shm: the number in the line of @id, -1 without such a line.
 */
long long segment_column(int id, const char *name);
/* How many lines it has. */
unsigned int segments_count(void);

/* What user.shmfs.@name of @path says, good until the next call. */
const char *told(const char *path, const char *name);

/* A tunable of this IPC namespace, or of the machine: /proc/sys/@name. */
void tunable_set(const char *name, const char *value);
