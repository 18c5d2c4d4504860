/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A target takes any input, and aborts where what it tests breaks its promise. libFuzzer
 * looks for such inputs; the replay goes over those of a folder, with any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(), which builds for release leave out. */
#define must(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
				#condition);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)
