/* SPDX-License-Identifier: MIT */
/*
 * Every act gets files of its own, which nothing knows yet: so nothing is kept of former
 * ones where names and attributes are cached.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"
#include "rights/scene.h"
#include "util/cleanup.h"

#define PROGRAM "/bin/true"

/* When the files were made, as they have it. */
#define PAST 1000000

/* The list as the kernel takes it, little endian. */
struct acl_entry {
	uint16_t tag;
	uint16_t rights;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct acl_entry entries[6];
};

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

static struct acl_entry entry(int tag, int rights, uint32_t id)
{
	return (struct acl_entry){ htole16((uint16_t)tag), htole16((uint16_t)rights),
				   htole32(id) };
}

int scene_set_acl(const char *path, const struct scene_acl *acl)
{
	struct acl value = { .version = htole32(2) };
	const uint32_t none = UINT32_MAX;
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	value.entries[0] = entry(USER_OBJ, (st.st_mode >> 6) & 7, none);
	value.entries[1] = entry(USER, acl->user, SCENE_NAMED_USER);
	value.entries[2] = entry(GROUP_OBJ, (st.st_mode >> 3) & 7, none);
	value.entries[3] = entry(GROUP, acl->group, SCENE_NAMED_GROUP);
	value.entries[4] = entry(MASK, acl->mask, none);
	value.entries[5] = entry(OTHER, st.st_mode & 7, none);
	return errno_or(setxattr(path, SCENE_ACL, &value, sizeof(value), 0));
}

static void path_of(char path[64], const char *dir, unsigned int batch, size_t a,
		    const char *name)
{
	snprintf(path, 64, "%s/%u-%zu-%s", dir, batch, a, name);
}

struct place scene_place(const char *dir, unsigned int batch, size_t a)
{
	struct place p;

	snprintf(p.dir, sizeof(p.dir), "%s", dir);
	path_of(p.f, dir, batch, a, "f");
	path_of(p.free, dir, batch, a, "free");
	path_of(p.mine, dir, batch, a, "mine");
	path_of(p.theirs, dir, batch, a, "theirs");
	return p;
}

void scene_directory(const struct scene *s, const char *dir)
{
	must(chown(dir, s->dir_owner, SCENE_GROUP));
	must(chmod(dir, s->dir_mode));
}

static void copy_program(int out)
{
	_cleanup_close_ int in = must(open(PROGRAM, O_RDONLY | O_CLOEXEC));
	char buffer[65536];
	ssize_t n;

	while ((n = must(read(in, buffer, sizeof(buffer)))) > 0)
		assert_int_equal(must(write(out, buffer, (size_t)n)), n);
}

static void make(const char *path, bool program, uid_t uid, gid_t gid, mode_t mode)
{
	static const struct timespec past[2] = { { .tv_sec = PAST }, { .tv_sec = PAST } };
	_cleanup_close_ int fd =
		must(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	if (program)
		copy_program(fd);
	else
		must(write(fd, CONTENT, sizeof(CONTENT) - 1));
	/* Where there are no such attributes, there are none on either side. */
	(void)fsetxattr(fd, "user.kept", "kept", 4, 0);
	must(fchown(fd, uid, gid));
	must(fchmod(fd, mode));
	must(futimens(fd, past));
}

void scene_arrange(const struct scene *s, const struct act *act, const struct place *p)
{
	make(p->f, act->needs & ACT_PROGRAM, SCENE_OWNER, SCENE_GROUP, s->mode);
	if (s->acl)
		assert_int_equal(scene_set_acl(p->f, s->acl), 0);
	if (act->needs & ACT_THEIRS)
		make(p->theirs, false, SCENE_OTHER, SCENE_GROUP, 0666);
}

static long long when(const struct timespec *t)
{
	return t->tv_sec > 2LL * PAST ? -1 : t->tv_sec;
}

static struct trace clear(const char *path)
{
	struct trace t;
	struct stat st;
	int fd;

	memset(&t, 0, sizeof(t));
	if (lstat(path, &st) < 0)
		return t;
	t.mode = st.st_mode;
	t.uid = st.st_uid;
	t.gid = st.st_gid;
	t.size = S_ISREG(st.st_mode) ? st.st_size : 0;
	t.atime = when(&st.st_atim);
	t.mtime = when(&st.st_mtim);
	t.kept = lgetxattr(path, "user.kept", NULL, 0);
	t.new = lgetxattr(path, "user.x", NULL, 0);
	t.acl = lgetxattr(path, SCENE_ACL, NULL, 0);
	fd = S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		must(pread(fd, t.content, sizeof(t.content), 0));
		close(fd);
	}
	must(S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path));
	return t;
}

struct traces scene_clear(const struct place *p)
{
	struct traces t;

	memset(&t, 0, sizeof(t));
	t.f = clear(p->f);
	t.free = clear(p->free);
	t.mine = clear(p->mine);
	t.theirs = clear(p->theirs);
	return t;
}
