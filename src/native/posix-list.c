/* SPDX-License-Identifier: MIT */
/*
 * A stream over a directory of POSIX objects. It keeps one buffer of the kernel's,
 * however many objects there are, and hands the kernel's own positions on: those of tmpfs
 * belong to the entry (Linux 6.6), so that an entry is neither missed nor repeated while
 * others come and go. A stream that is read on from where it stopped never seeks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native/posix-list.h"

/* No entry's position: whoever reads on seeks. */
#define NOWHERE (-1)

struct native_list {
	int fd;
	int64_t position; /* the next entry of the buffer stands behind this one */
	size_t at, end;   /* what of the buffer is not given out yet */
	char buffer[32 * 1024] __attribute__((aligned(__alignof__(struct dirent64))));
};

/* Takes over @fd, which stands at @position. */
static int list_new(int *fd, int64_t position, struct native_list **ret)
{
	struct native_list *l = malloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->position = position;
	l->at = l->end = 0;
	l->fd = take_fd(fd);
	*ret = l;
	return 0;
}

int posix_list_open(const char *path, struct native_list **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : list_new(&fd, 0, ret);
}

int posix_list_descriptor(struct native_list *l)
{
	return l->fd;
}

/* Where it stands is behind what was read ahead of what was given out. */
int posix_list_adopt(int *fd, struct native_list **ret)
{
	return list_new(fd, NOWHERE, ret);
}

void posix_list_close(struct native_list *l)
{
	close_fd(l->fd);
	free(l);
}

static int seek_to(struct native_list *l, int64_t position)
{
	if (position == l->position)
		return 0;
	if (lseek(l->fd, position, SEEK_SET) < 0)
		return -errno;
	l->position = position;
	l->at = l->end = 0;
	return 0;
}

/* Returns 1, or 0 at the end of the directory. */
static int fill(struct native_list *l)
{
	long n = syscall(SYS_getdents64, l->fd, l->buffer, sizeof(l->buffer));

	if (n < 0)
		return -errno;
	l->at = 0;
	l->end = (size_t)n;
	return n > 0;
}

static mode_t type_of(const struct native_list *l, const struct dirent64 *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return DTTOIF(entry->d_type);
	if (fstatat(l->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_mode & S_IFMT;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

int posix_list_next(struct native_list *l, int64_t position, struct list_entry *ret)
{
	const struct dirent64 *entry;
	mode_t type;
	int r = seek_to(l, position);

	if (r < 0)
		return r;
	for (;;) {
		if (l->at >= l->end) {
			r = fill(l);
			if (r <= 0)
				return r;
		}
		entry = (const void *)(l->buffer + l->at);
		l->at += entry->d_reclen;
		l->position = entry->d_off;
		type = type_of(l, entry);
		if (S_ISREG(type) || is_dots(entry->d_name))
			break;
	}
	*ret = (struct list_entry){
		.name = entry->d_name,
		.inode = entry->d_ino,
		.type = type,
		.next = entry->d_off,
	};
	return 1;
}
