/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Objects that get their name when they are complete. Until then nobody else finds them,
 * and every failure leaves nothing behind.
 */
#include <stdint.h>

/* A descriptor, for reading and writing, of a new empty object with permissions @perm. */
int unnamed_new(uint32_t perm);
/* Gives it the name, which is normalized: -EEXIST where that is taken. */
int unnamed_publish(int fd, const char *name);
