/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"
#include "patience.h"
#include "side.h"
#include "util/cleanup.h"

enum { SECONDS = 5 };

void side_init(struct side *side, bool all, bool shares, int table,
	       const struct people *people)
{
	*side = (struct side){ .shares = shares, .table = table, .people = *people };
	side->dir = all ? MOUNT_DIR "/sysv" : MOUNT_DIR;
	side->inodes = all ? UINT64_C(1) << 48 : 0;
	for (unsigned int i = 0; i < SLOTS; i++)
		side->fds[i] = -1;
	maps_init(&side->maps);
}

uint64_t side_inode(const struct side *side, uint64_t inode)
{
	return inode - side->inodes;
}

void side_done(struct side *side)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		side_close(side, i);
	maps_done(&side->maps);
}

static const char *path_in(struct side *side, unsigned int which, struct name name)
{
	char *path = side->paths[which];

	snprintf(path, sizeof(side->paths[which]), "%s/%s", side->dir, name.text);
	return path;
}

const char *side_path(struct side *side, const struct op *op)
{
	return path_in(side, 0, op_name(op));
}

const char *side_to_path(struct side *side, const struct op *op)
{
	return path_in(side, 1, op_to(op));
}

long side_close(struct side *side, unsigned int slot)
{
	int fd = take_fd(&side->fds[slot]);

	return errno_or(close(fd));
}

uint64_t side_used(const struct side *side, int id)
{
	static struct table table;

	table_read(side->table, &side->people, &table);
	return table_used(&table, id);
}

static bool blocks_are_true(const struct side *side, const struct stat *st)
{
	if (st->st_ino >= PENDING_INODES)
		return true;
	return (uint64_t)st->st_blocks * 512 == side_used(side, (int)st->st_ino);
}

static long look_at(struct side *side, const struct op *op, struct stat *ret,
		    int (*look)(struct side *, const struct op *, struct stat *))
{
	long r = errno_or(look(side, op, ret));

	if (r == 0)
		ret->st_ino = side_inode(side, ret->st_ino);
	return r;
}

long side_say_stat(struct side *side, const struct op *op, struct outcome *out,
		   int (*look)(struct side *, const struct op *, struct stat *))
{
	struct patience patience = patience_of(SECONDS);
	struct stat st = { 0 };
	long r;

	while ((r = look_at(side, op, &st, look)) == 0 && !blocks_are_true(side, &st) &&
	       !patience_over(&patience))
		sched_yield();
	if (r == 0)
		say_attributes(out, &st);
	return r;
}

void say_attributes(struct outcome *out, const struct stat *st)
{
	say(out, " {%06o, %u links, %u:%u, %lld bytes, io of %ld, blocks", st->st_mode,
	    (unsigned int)st->st_nlink, st->st_uid, st->st_gid, (long long)st->st_size,
	    (long)st->st_blksize);
	say_memory(out, (uint64_t)st->st_blocks);
	if (st->st_ino >= PENDING_INODES)
		say(out, " pending,");
	else
		say(out, " inode %llu,", (unsigned long long)st->st_ino);
	say_when(out, "a", st->st_atim.tv_sec);
	say_when(out, "m", st->st_mtim.tv_sec);
	say_when(out, "c", st->st_ctim.tv_sec);
	say(out, "}");
}
