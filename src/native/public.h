/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Everything is hidden but what is marked so, and named in libshmfs.sym: the mark lets
 * the compiler export it, the version script says since when.
 */
#define _public_ __attribute__((visibility("default")))
