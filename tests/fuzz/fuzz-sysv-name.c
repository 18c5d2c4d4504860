/* SPDX-License-Identifier: MIT */
/* Names of System V segments: what is accepted is the one spelling, and there is one. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ipc.h>

#include "native/sysv-name.h"
#include "target.h"
#include "util/cleanup.h"

/* The input as a name: by what is accepted the same name must be written again. */
static void parse(const char *name)
{
	struct sysv_name found = { true, -1, -1 };
	char again[SYSV_NAME_SIZE];
	int r = sysv_name_parse(name, &found);

	must(r == 0 || r == -EINVAL);
	if (r < 0) {
		must(found.by_id && found.key == -1 && found.id == -1);
		return;
	}
	must(!found.by_id || (found.key == IPC_PRIVATE && found.id >= 0));
	/* To create a segment by, not to find one by. */
	if (!found.by_id && found.key == IPC_PRIVATE)
		return;
	sysv_name_format(found.key, found.id, again);
	if (found.by_id)
		must(!strcmp(again, name));
	else /* there may be other spellings */
		must(strtoul(again, NULL, 16) == strtoul(name, NULL, 16));
}

/* The input as a segment: it must be found by what is written. */
static void format(key_t key, int id)
{
	char name[SYSV_NAME_SIZE];
	struct sysv_name found;

	sysv_name_format(key, id, name);
	must(sysv_name_parse(name, &found) == 0);
	must(found.by_id == (key == IPC_PRIVATE));
	must(found.by_id ? found.id == id : found.key == key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *name = malloc(size + 1);
	int32_t words[2];

	must(name);
	memcpy(name, data, size);
	name[size] = '\0';
	parse(name);
	if (size < sizeof(words))
		return 0;
	memcpy(words, data, sizeof(words));
	format(words[0], words[1] & INT_MAX);
	format(IPC_PRIVATE, words[1] & INT_MAX);
	return 0;
}
