/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What lies outside of the objects' directory and is nobody's business who asks through
 * the mount: files of root and of the victim, a FIFO whose opening would block, and a
 * device. Attackers point at them with symbolic links. Whoever opens or changes one is
 * noticed.
 */
#include <sys/types.h>

#define CANARY_DIR SCRATCH_DIR "/canaries"

/* Plants them; the victim's file is @victim's. Anybody might use them all. */
void canaries_plant(uid_t victim);

/* Their paths. */
extern const char *const canaries[];
extern const size_t canary_count;

/* Fails the test unless they are as they were planted and nobody has touched them. */
void canaries_check(void);
