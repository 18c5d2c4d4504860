/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attack/canary.h"
#include "attack/objects.h"
#include "mount.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PLACE NATIVE_DIR "/" NAME

/* Where things are made before they are put in place, by each attacker his own. */
#define FORGED   NATIVE_DIR "/forged"
#define OWN      NATIVE_DIR "/own"
#define PREPARED NATIVE_DIR "/prepared"

#define SECRET "secret"

static bool make_object(const char *path, mode_t mode, const char *text)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	       fchmod(fd, mode) == 0;
}

static bool forge_object(void)
{
	static const mode_t modes[] = { 0600, 0644, 0666 };

	return make_object(FORGED, modes[arena_random(COUNT(modes))], "forged");
}

static bool forge_symlink(void)
{
	return symlink(canaries[arena_random((unsigned int)canary_count)], FORGED) == 0;
}

static bool forge_fifo(void)
{
	return mkfifo(FORGED, 0666) == 0;
}

static bool forge_link(void)
{
	return link(OWN, FORGED) == 0;
}

/* A directory takes the place of none but a directory. */
static bool forge_directory(void)
{
	unlink(PLACE);
	return mkdir(PLACE, 0777) == 0;
}

void attack_round(struct arena *arena, void *context)
{
	static bool (*const forge[])(
		void) = { forge_object, forge_object, forge_symlink,  forge_symlink,
			  forge_fifo,   forge_link,   forge_directory };
	unsigned int which = arena_random(COUNT(forge));

	(void)context;
	umask(0);
	if (access(OWN, F_OK) < 0)
		make_object(OWN, 0666, "own");
	unlink(FORGED);
	if (forge[which]()) {
		rmdir(PLACE);
		rename(FORGED, PLACE);
		arena_attacked(arena);
	}
	if (arena_random(4) == 0)
		unlink(PLACE);
	if (arena_random(2) == 0)
		arena_dwell();
}

struct plant {
	unsigned int sort; /* enum plants */
	mode_t mode;
	uid_t uid;
};

static const struct plant plants[] = {
	{ PLANT_NO_OBJECTS, S_IFCHR | 0666, 0 },
	{ PLANT_NO_OBJECTS, S_IFIFO | 0666, 0 },
	{ PLANT_NO_OBJECTS, S_IFCHR | 0666, VICTIM_UID },
	{ PLANT_SECRETS, S_IFREG | 0600, 0 },
	{ PLANT_SECRETS, S_IFREG | 0644, 0 },
	{ PLANT_SECRETS, S_IFREG | 0600, OTHER_UID },
	{ PLANT_OPEN, S_IFREG | 0666, OTHER_UID },
};

static bool prepare(const struct plant *p)
{
	unlink(PREPARED);
	if (!S_ISREG(p->mode))
		return mknod(PREPARED, p->mode, makedev(1, 7)) == 0 &&
		       lchown(PREPARED, p->uid, p->uid) == 0;
	return make_object(PREPARED, p->mode & 07777, SECRET) &&
	       lchown(PREPARED, p->uid, p->uid) == 0;
}

static bool holds_secret(int handle)
{
	char path[32];
	char found[sizeof(SECRET)] = "";
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, found, sizeof(found), 0) == sizeof(SECRET) - 1 &&
	       strcmp(found, SECRET) == 0;
}

/* What was planted is there and as it was, but that its owner may do what he wants. */
static void check(struct arena *arena, const struct plant *p, int handle, bool for_good)
{
	struct stat st;

	if (fstat(handle, &st) < 0)
		arena_breach(arena, "cannot look at what was planted");
	else if (st.st_mode != p->mode || st.st_uid != p->uid || st.st_gid != p->uid)
		arena_breach(arena, "mode %o of user %u has become mode %o of user %u",
			     p->mode, p->uid, st.st_mode, st.st_uid);
	else if (for_good && p->uid != VICTIM_UID && st.st_nlink != 1)
		arena_breach(arena, "mode %o of user %u was removed", p->mode, p->uid);
	else if (S_ISREG(p->mode) && !holds_secret(handle))
		arena_breach(arena, "mode %o of user %u has other contents", p->mode,
			     p->uid);
}

void plant_round(struct arena *arena, void *context)
{
	const enum plants *sorts = context;
	const struct plant *p = &plants[arena_random(COUNT(plants))];
	_cleanup_close_ int handle = -1;

	umask(0);
	if (!(p->sort & *sorts) || !prepare(p))
		return;
	handle = open(PREPARED, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	rmdir(PLACE);
	if (rename(PREPARED, PLACE) < 0)
		return;
	arena_attacked(arena);
	arena_dwell();
	check(arena, p, handle, *sorts & PLANT_FOR_GOOD);
	/* Others may have theirs there by now, if they were allowed to. */
	unlink(PLACE);
	arena_dwell();
}
