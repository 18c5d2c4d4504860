/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "busy/connection.h"
#include "command.h"
#include "mount.h"
#include "util/cleanup.h"

#define CONNECTIONS "/sys/fs/fuse/connections"

static unsigned int number;

void connection_find(void)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	assert_non_null(entry);
	assert_int_equal(sscanf(entry, "%*u %*u %*u:%u", &number), 1);
	/* It may be there. */
	mount("fusectl", CONNECTIONS, "fusectl", 0, NULL);
}

static FILE *control(const char *name, const char *mode)
{
	char path[64];

	snprintf(path, sizeof(path), CONNECTIONS "/%u/%s", number, name);
	return fopen(path, mode);
}

int connection_waiting(void)
{
	FILE *file = control("waiting", "re");
	int n = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

void connection_abort(void)
{
	FILE *file = control("abort", "we");

	if (!file)
		return;
	fputs("1", file);
	fclose(file);
}
