/* SPDX-License-Identifier: MIT */
#pragma once
/* How the descriptors that the process may have are shared out. */

struct limits {
	unsigned int files;   /* what users may keep open */
	unsigned int handles; /* of recent lookups */
	unsigned int threads; /* that serve requests */
};

/* Raises the limit as far as it may be raised. */
struct limits limits_init(void);

/* What each of @n may have of @all: something, however little there is. */
unsigned int limits_share(unsigned int all, unsigned int n);
