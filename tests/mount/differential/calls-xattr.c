/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of users, by name and by descriptor.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "calls.h"
#include "util/cleanup.h"

enum { VALUE_MAX = 400 };

static const char *key(const struct op *op)
{
	if (chance(op, 3, 3))
		return "user."; /* is none */
	return chance(op, 0, 75) ? "user.a" : "user.longer-name";
}

static bool by_name(const struct op *op)
{
	return chance(op, 1, 60);
}

static void say_call(struct outcome *out, const struct op *op, const char *call)
{
	if (by_name(op))
		say(out, "%s(%s", call, name_label(op->name));
	else
		say(out, "f%s(slot %u", call, op->slot);
}

static long run_set(struct side *side, const struct op *op, struct outcome *out)
{
	static const int flags[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE, 77 };
	int flag = flags[choose(op, 2, 5)], fd = side_fd(side, op->slot);
	size_t size = op->length % VALUE_MAX;
	const void *value = op_bytes(op);

	say_call(out, op, "setxattr");
	say(out, ", %s, %zu bytes, %d)", key(op), size, flag);
	return by_name(op) ? errno_or(setxattr(side_path(side, op->name), key(op), value,
					       size, flag))
			   : errno_or(fsetxattr(fd, key(op), value, size, flag));
}

static long run_get(struct side *side, const struct op *op, struct outcome *out)
{
	size_t size = chance(op, 2, 70) ? VALUE_MAX : op->length % VALUE_MAX;
	int fd = side_fd(side, op->slot);
	char value[VALUE_MAX];
	long r;

	say_call(out, op, "getxattr");
	say(out, ", %s, room for %zu)", key(op), size);
	r = by_name(op)
		    ? errno_or(getxattr(side_path(side, op->name), key(op), value, size))
		    : errno_or(fgetxattr(fd, key(op), value, size));
	if (r > 0 && size)
		say_bytes(out, value, (size_t)r);
	return r;
}

static long run_list(struct side *side, const struct op *op, struct outcome *out)
{
	size_t size = chance(op, 2, 80) ? VALUE_MAX : op->length % 20;
	int fd = side_fd(side, op->slot);
	char list[VALUE_MAX];
	long r;

	say_call(out, op, "listxattr");
	say(out, ", room for %zu)", size);
	r = by_name(op) ? errno_or(listxattr(side_path(side, op->name), list, size))
			: errno_or(flistxattr(fd, list, size));
	if (r > 0 && size)
		say_bytes(out, list, (size_t)r);
	return r;
}

static long run_remove(struct side *side, const struct op *op, struct outcome *out)
{
	int fd = side_fd(side, op->slot);

	say_call(out, op, "removexattr");
	say(out, ", %s)", key(op));
	return by_name(op) ? errno_or(removexattr(side_path(side, op->name), key(op)))
			   : errno_or(fremovexattr(fd, key(op)));
}

const struct call xattr_calls[] = {
	{ "setxattr", 15, MAY_BOTH, false, run_set },
	{ "getxattr", 15, MAY_BOTH, false, run_get },
	{ "listxattr", 8, MAY_BOTH, false, run_list },
	{ "removexattr", 6, MAY_BOTH, false, run_remove },
	{ 0 },
};
