/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Mappings, of files on the mount or of the memory that the model says is theirs: what is
 * done with them is the same. A touch past the end is a SIGBUS, here an outcome like any
 * other.
 */
#include <stdbool.h>
#include <stddef.h>

#include "differential/outcome.h"
#include "op.h"

struct map {
	unsigned char *at; /* or NULL */
	size_t length;
	bool shared;
};

struct maps {
	struct map map[MAPS];
	unsigned char *arena; /* where they go */
};

void maps_init(struct maps *maps);
void maps_done(struct maps *maps);

/* As @op wants it, of @fd, in place of what was there. */
long maps_make(struct maps *maps, const struct op *op, int fd);
/* What maps_make() is to do. */
void maps_describe(const struct op *op, struct outcome *out);
bool maps_is_shared(const struct op *op);
off_t maps_offset(const struct op *op);

long maps_unmap(struct maps *maps, const struct op *op);
/* Where something is mapped, a part of it is read into words, or written. */
long maps_load(const struct maps *maps, const struct op *op, struct outcome *out);
long maps_store(const struct maps *maps, const struct op *op, struct outcome *out);
long maps_protect(const struct maps *maps, const struct op *op, struct outcome *out);
long maps_advise(const struct maps *maps, const struct op *op, struct outcome *out);

/* Copies @n bytes, one side of which is mapped: 0, or -EFAULT for a SIGBUS. */
long copy_mapped(void *to, const void *from, size_t n);
