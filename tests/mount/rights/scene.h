/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What acts are done on: files of one owner, group and mode, or access control list, in a
 * directory of another; and what is left of them afterwards.
 */
#include <sys/types.h>

#include "rights/acts.h"

#define SCENE_OWNER       1000
#define SCENE_GROUP       2000
/* Whom the lists of the scenes name. */
#define SCENE_NAMED_USER  1003
#define SCENE_NAMED_GROUP 3000
/* Whose the object is that is another's. */
#define SCENE_OTHER       1005

#define SCENE_ACL "system.posix_acl_access"

/* Rights of the named user, of the named group, and what the mask leaves of them and of
 * the group's. */
struct scene_acl {
	int user;
	int group;
	int mask;
};

struct scene {
	mode_t mode;
	const struct scene_acl *acl; /* or NULL */
	mode_t dir_mode;
	uid_t dir_owner;
};

/* What is left under a name: all zero, if nothing. Without gaps, so as to be compared. */
struct trace {
	long long mode, uid, gid, size;
	long long atime, mtime;   /* seconds; -1: of now */
	long long kept, new, acl; /* sizes of extended attributes; -1: none */
	char content[16];
};

struct traces {
	struct trace f, free, mine, theirs;
};

/* Sets the list of @path: what the mode grants, and @acl. Returns 0 or -errno. */
int scene_set_acl(const char *path, const struct scene_acl *acl);

/* The paths of act @a in @dir, which no other act nor @batch has. */
struct place scene_place(const char *dir, unsigned int batch, size_t a);

/* Sets the mode and the owner of directory @dir. */
void scene_directory(const struct scene *s, const char *dir);

/* Makes the files that @act needs. */
void scene_arrange(const struct scene *s, const struct act *act, const struct place *p);

/* Removes them, and whatever the act made, and says what that was. */
struct traces scene_clear(const struct place *p);
