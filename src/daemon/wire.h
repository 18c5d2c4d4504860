/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests that the header at hand may be too old for: the kernel sends them all the
 * same, and the library that is there when the daemon runs may know them.
 */
#define WIRE_TMPFILE            51 /* protocol 7.37 */
#define WIRE_STATX              52 /* 7.39 */
#define WIRE_COPY_FILE_RANGE_64 53 /* 7.45 */
