/* SPDX-License-Identifier: MIT */
/*
 * glibc, musl and Boost agree on little about names but that "/x" is "x". What is refused
 * here is what the C libraries refuse too, with one errno for each reason everywhere
 * (glibc says ENAMETOOLONG only from the kernel, and its manual promises PATH_MAX).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "native/name.h"

/**
 * name_normalize() - the one spelling of a name
 * @name: as a user of shm_open() may give it
 * @ret:  where in @name the name itself begins, behind any leading slashes
 *
 * Return: 0; -EINVAL if it cannot be a name ("", ".", "..", a slash inside, NULL), and
 * -ENAMETOOLONG if it has more than 255 bytes.
 */
int name_normalize(const char *name, const char **ret)
{
	if (!name)
		return -EINVAL;
	name += strspn(name, "/");
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return -EINVAL;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	*ret = name;
	return 0;
}
