/* SPDX-License-Identifier: MIT */
/*
 * Programs print keys in many ways, ipcs(1) in one of them. All spellings lead to one
 * identity, which the rest of the daemon goes by.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ipc.h>

#include "native/sysv-name.h"
#include "util/number.h"

#define KEY_PREFIX "0x"
#define KEY_DIGITS 8
#define ID_PREFIX  "id-"

static int parse_key(const char *digits, struct sysv_name *ret)
{
	char small[KEY_DIGITS + 1] = "";
	size_t n = strlen(digits);
	uint64_t key;

	if (n > KEY_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		small[i] = (char)tolower((unsigned char)digits[i]);
	if (number_parse(small, n, 16, UINT32_MAX, &key) < 0)
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
	if (!strncasecmp(name, KEY_PREFIX, strlen(KEY_PREFIX)))
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
