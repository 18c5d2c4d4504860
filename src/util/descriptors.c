/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "util/descriptors.h"

static int make_room(struct descriptors *d, unsigned int fd)
{
	unsigned int n = d->n ? d->n : 64 * CHAR_BIT;
	unsigned char *bits;

	while (n <= fd)
		n *= 2;
	bits = realloc(d->bits, n / CHAR_BIT);
	if (!bits)
		return -ENOMEM;
	memset(bits + d->n / CHAR_BIT, 0, (n - d->n) / CHAR_BIT);
	d->bits = bits;
	d->n = n;
	return 0;
}

int descriptors_add(struct descriptors *d, int fd)
{
	unsigned int i = (unsigned int)fd;
	int r = i < d->n ? 0 : make_room(d, i);

	if (r == 0)
		d->bits[i / CHAR_BIT] |= (unsigned char)(1u << i % CHAR_BIT);
	return r;
}

void descriptors_remove(struct descriptors *d, int fd)
{
	unsigned int i = (unsigned int)fd;

	if (i < d->n)
		d->bits[i / CHAR_BIT] &= (unsigned char)~(1u << i % CHAR_BIT);
}

bool descriptors_has(const struct descriptors *d, int fd)
{
	unsigned int i = (unsigned int)fd;

	return i < d->n && d->bits[i / CHAR_BIT] & 1u << i % CHAR_BIT;
}

int descriptors_open(struct descriptors *ret)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			r = descriptors_add(ret, atoi(entry->d_name));
	closedir(dir);
	return r;
}

void descriptors_done(struct descriptors *d)
{
	free(d->bits);
	*d = (struct descriptors){ .n = 0 };
}
