/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests of any content, made of an input.
 *
 * libfuse takes the kernel's word for where a request ends, and so do we: a body is never
 * shorter than the structure that its opcode has, names end, at the latest with the
 * request, and what counts the bytes or entries behind the structure (WRITE, SETXATTR,
 * BATCH_FORGET) counts no more than there are. NOTIFY_REPLY, which answers what is never
 * asked here, is left out: libfuse forgets such a request and never answers it. All other
 * fields are the input's. Requests are in memory of just their size, so that a step
 * beyond the end is seen.
 */
#include "kernel-side.h"

/* What is left of the input. */
struct input {
	const uint8_t *data;
	size_t size;
};

uint8_t input_byte(struct input *in);
/* @n bytes into @buf, zeros where there are no more. */
void input_bytes(struct input *in, void *buf, size_t n);

/*
 * How a request begins in the input. The fields are choices, so that what is known is
 * chosen often: a node, an open file or directory, names. 0 leaves what is in the body,
 * which for nodes is the root.
 */
struct choice {
	uint8_t opcode;
	uint8_t node;
	uint8_t file; /* of LINK: the node */
	uint8_t name; /* of two, by half a byte each; 0: the next in the body */
	uint8_t who;
	uint8_t length; /* of the body, which follows */
};

/*
 * One of the names that requests use, never 0 for names of the body. The first few are
 * those of objects.
 */
const char *request_name(unsigned int choice);

/* The request that @c asks for, its body taken from @in: to be freed. */
struct fuse_in_header *request_new(const struct kernel *k, const struct choice *c,
				   struct input *in);
