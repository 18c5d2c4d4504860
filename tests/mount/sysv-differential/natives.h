/* SPDX-License-Identifier: MIT */
#pragma once
/* A process that does with the segments of one side what programs do without files. */
#include <stdbool.h>

#include "differential/outcome.h"
#include "op.h"
#include "table.h"

struct attachment {
	unsigned char *at; /* or NULL */
	size_t length;     /* whole pages */
	bool writable;
};

struct natives {
	struct attachment attachments[ATTACHMENTS];
	struct people people;
};
