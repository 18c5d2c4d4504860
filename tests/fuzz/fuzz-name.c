/* SPDX-License-Identifier: MIT */
/*
 * Names of POSIX objects: the rule as it stands in the manual, beside the code that
 * follows it, and that all which takes a name follows it.
 */
#include <errno.h>
#include <string.h>

#include <shmfs/shmfs.h>

#include "native/kind.h"
#include "native/name.h"
#include "target.h"
#include "util/cleanup.h"

#define LONGEST 255

/* The rule, said another way: 0 or what is wrong; *@ret is the name itself. */
static int judge(const char *name, const char **ret)
{
	size_t n = strlen(name);

	while (n > 0 && *name == '/') {
		name++;
		n--;
	}
	*ret = name;
	for (size_t i = 0; i < n; i++)
		if (name[i] == '/')
			return -EINVAL;
	if (n == 0 || (n == 1 && name[0] == '.') ||
	    (n == 2 && name[0] == '.' && name[1] == '.'))
		return -EINVAL;
	return n <= LONGEST ? 0 : -ENAMETOOLONG;
}

/* What is refused never gets as far as the system. */
static void check_library(const char *name, int verdict)
{
	struct shmfs_object *object = NULL;

	for (enum shmfs_how how = SHMFS_CREATE_ONLY; how <= SHMFS_OPEN_OR_CREATE; how++)
		must(shmfs_object_open(name, how, SHMFS_READ_ONLY, 0, &object) ==
		     verdict);
	must(shmfs_object_remove(name) == verdict);
	must(!object);
}

/* A kind that has no object: it is asked, or not. */
#define ASKED (-ENOTRECOVERABLE)

static int take_name(struct kind *k, const struct caller *c, const char *name)
{
	const char *plain;

	(void)k;
	(void)c;
	must(judge(name, &plain) == 0 && plain == name);
	return ASKED;
}

static int take_lookup(struct kind *k, const struct caller *c, const char *name,
		       struct native_file **ret, struct object_info *ret_info)
{
	(void)ret;
	(void)ret_info;
	return take_name(k, c, name);
}

static int take_identify(struct kind *k, const struct caller *c, const char *name,
			 struct object_info *ret)
{
	(void)ret;
	return take_name(k, c, name);
}

static int take_create(struct kind *k, const struct caller *c, const char *name,
		       int flags, mode_t mode, struct native_file **ret,
		       struct object_info *ret_info)
{
	(void)flags;
	(void)mode;
	return take_lookup(k, c, name, ret, ret_info);
}

static int take_rename(struct kind *k, const struct caller *c, const char *from,
		       const char *to, unsigned int flags)
{
	(void)flags;
	take_name(k, c, to);
	return take_name(k, c, from);
}

/* Files in a directory have no slash in front. */
static void check_kind(const char *name, const char *plain, int verdict)
{
	static const struct kind_ops ops = {
		.lookup = take_lookup,
		.identify = take_identify,
		.create = take_create,
		.remove = take_name,
		.rename = take_rename,
	};
	struct kind kind = { .ops = &ops };
	struct native_file *file;
	struct object_info info;
	int r = verdict;

	if (r == 0)
		r = plain == name ? ASKED : -EINVAL;
	must(kind_lookup(&kind, NULL, name, &file, &info) == r);
	must(kind_identify(&kind, NULL, name, &info) == r);
	must(kind_create(&kind, NULL, name, 0, 0600, &file, &info) == r);
	must(kind_remove(&kind, NULL, name) == r);
	must(kind_rename(&kind, NULL, name, "b", 0) == r);
	must(kind_rename(&kind, NULL, "b", name, 0) == r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = malloc(size + 1);
	const char *plain, *found = NULL, *again;
	int verdict;

	must(name);
	memcpy(name, data, size);
	name[size] = '\0';
	verdict = judge(name, &plain);
	must(name_normalize(name, &found) == verdict);
	must(found == (verdict < 0 ? NULL : plain));
	if (verdict == 0)
		must(name_normalize(plain, &again) == 0 && again == plain);
	else
		check_library(name, verdict);
	check_kind(name, plain, verdict);
	return 0;
}
