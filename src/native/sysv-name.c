/* SPDX-License-Identifier: MIT */
/*
 * With a second spelling one segment would be two files, of which the kernel knows
 * nothing: whoever removes the one leaves the other behind.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>

#include "native/sysv-name.h"
#include "util/number.h"

#define KEY_PREFIX "0x"
#define KEY_DIGITS 8
#define ID_PREFIX  "id-"

static int parse_key(const char *digits, struct sysv_name *ret)
{
	uint64_t key;

	if (strlen(digits) != KEY_DIGITS ||
	    number_parse(digits, KEY_DIGITS, 16, UINT32_MAX, &key) < 0)
		return -EINVAL;
	*ret = (struct sysv_name){ .key = (key_t)key };
	return 0;
}

static int parse_id(const char *digits, struct sysv_name *ret)
{
	uint64_t id;

	if ((digits[0] == '0' && digits[1]) ||
	    number_parse(digits, strlen(digits), 10, INT_MAX, &id) < 0)
		return -EINVAL;
	*ret = (struct sysv_name){ .by_id = true, .id = (int)id };
	return 0;
}

int sysv_name_parse(const char *name, struct sysv_name *ret)
{
	if (!strncmp(name, KEY_PREFIX, strlen(KEY_PREFIX)))
		return parse_key(name + strlen(KEY_PREFIX), ret);
	if (!strncmp(name, ID_PREFIX, strlen(ID_PREFIX)))
		return parse_id(name + strlen(ID_PREFIX), ret);
	return -EINVAL;
}

void sysv_name_format(key_t key, int id, char ret[SYSV_NAME_SIZE])
{
	if (key != IPC_PRIVATE)
		snprintf(ret, SYSV_NAME_SIZE, KEY_PREFIX "%08x", (unsigned int)key);
	else
		snprintf(ret, SYSV_NAME_SIZE, ID_PREFIX "%d", id);
}
