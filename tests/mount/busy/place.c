/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <unistd.h>

#include "busy/place.h"
#include "mount.h"
#include "segments.h"
#include "util/cleanup.h"

unsigned int place_key(char whose, unsigned int n)
{
	return (unsigned int)whose << 20 | n;
}

struct path place_path(const struct place *p, char whose, unsigned int n)
{
	struct path path;

	if (p->native)
		snprintf(path.text, sizeof(path.text), "%s/%c-%u", p->dir, whose, n);
	else
		snprintf(path.text, sizeof(path.text), "%s/0x%08x", p->dir,
			 place_key(whose, n));
	return path;
}

struct path place_native(const struct place *p, char whose, unsigned int n)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%c-%u", p->native, whose, n);
	return path;
}

void place_make(const struct place *p, char whose, unsigned int n, uid_t owner)
{
	_cleanup_close_ int fd = -1;

	if (!p->native) {
		int id = segment_make((key_t)place_key(whose, n), PAGE, 0600);

		segment_give(id, owner, owner, 0600);
		return;
	}
	fd = must(open(place_native(p, whose, n).text,
		       O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	must(ftruncate(fd, PAGE));
	must(fchown(fd, owner, owner));
}

void place_remove(const struct place *p, char whose, unsigned int n)
{
	if (p->native)
		unlink(place_native(p, whose, n).text);
	else
		shmctl(shmget((key_t)place_key(whose, n), 0, 0), IPC_RMID, NULL);
}
