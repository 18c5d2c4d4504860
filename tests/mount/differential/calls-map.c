/* SPDX-License-Identifier: MIT */
/*
 * Mappings, shared and private, that stay while their files are closed, renamed, removed,
 * shrunk and written to by others. A touch past the end is a SIGBUS, here an outcome like
 * any other; stores get their memory first, so that a full file system is one as well.
 *
 * A mount without passthrough refuses to share (ENODEV), and its private mappings show
 * the file as it was when they were made: so those are made, read, and unmapped at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(bus_error, 1);
}

/* Copies @length bytes, one side of which is mapped. Return: 0, or -EFAULT for a SIGBUS.
 */
static long copy_mapped(void *to, const void *from, size_t length)
{
	struct sigaction action = { .sa_handler = on_bus_error };
	struct sigaction saved;
	volatile long r = -EFAULT;

	sigaction(SIGBUS, &action, &saved);
	if (!sigsetjmp(bus_error, 1)) {
		memcpy(to, from, length);
		r = 0;
	}
	sigaction(SIGBUS, &saved, NULL);
	return r;
}

/* Unmaps by reserving the room again, so that nothing else ever moves in. */
static long reserve(struct side *side, unsigned int map)
{
	unsigned char *at = side->arena + (size_t)map * MAP_DISTANCE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	side->maps[map] = (struct map){ 0 };
	return mmap(at, MAP_DISTANCE, PROT_NONE, flags, -1, 0) == MAP_FAILED ? -errno : 0;
}

static long unmap(struct side *side, unsigned int map)
{
	return side->maps[map].at ? reserve(side, map) : -EINVAL;
}

static long say_mapped(struct outcome *out, const unsigned char *at, size_t length)
{
	static unsigned char bytes[OP_LENGTH_MAX];
	long r = copy_mapped(bytes, at, length);

	if (r == 0)
		say_bytes(out, bytes, length);
	return r;
}

/*
 * What is left of a mapping where the subject keeps none. On the reference, which fills a
 * hole with memory when it is only looked at through a mapping, the same bytes are read.
 */
static void say_private(struct side *side, const struct op *op, struct outcome *out)
{
	struct stat st = { 0 };
	char page[4096];
	size_t length;

	fstat(side_fd(side, op->slot), &st);
	if (st.st_size <= op->offset)
		return;
	length = 1 + (size_t)(st.st_size - op->offset - 1) % sizeof(page);
	if (!side->model)
		say_mapped(out, side->maps[op->map].at, length);
	else if (pread(side_fd(side, op->slot), page, length, op->offset) ==
		 (ssize_t)length)
		say_bytes(out, page, length);
}

static long pass_by(struct side *side, const struct op *op, int flags,
		    struct outcome *out)
{
	if (flags & MAP_PRIVATE)
		say_private(side, op, out);
	reserve(side, op->map);
	return flags & MAP_SHARED ? side_refused(side, 0, ENODEV, "shared-map") : 0;
}

/*
 * On tmpfs a mapping keeps the open file that it was made through, and that one's locks.
 * Through passthrough it keeps the object alone, and the locks go with the last close. So
 * what is mapped is an open file of its own, which no lock can belong to.
 * (difference: lock-end)
 */
static int open_again(const struct side *side, unsigned int slot)
{
	int flags = fcntl(side_fd(side, slot), F_GETFL) & O_ACCMODE;
	char path[64];

	if (side->io != IO_PASSTHROUGH)
		return fcntl(side_fd(side, slot), F_DUPFD_CLOEXEC, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", side_fd(side, slot));
	return open(path, flags | O_CLOEXEC);
}

static long run_mmap(struct side *side, const struct op *op, struct outcome *out)
{
	static const int protections[] = { PROT_READ, PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_WRITE, PROT_WRITE };
	int prot = protections[choose(op, 0, 4)];
	int flags = chance(op, 1, 70) ? MAP_SHARED : MAP_PRIVATE;
	off_t offset = chance(op, 2, 90) ? op->offset / 4096 * 4096 : op->offset;
	unsigned char *at = side->arena + (size_t)op->map * MAP_DISTANCE;
	_cleanup_close_ int fd = -1;
	struct op aligned = *op;
	long r;

	aligned.offset = offset;
	say(out, "mmap(slot %u, %zu, prot %d, flags %d, at %lld) as map %u", op->slot,
	    op->length, prot, flags, (long long)offset, op->map);
	fd = open_again(side, op->slot);
	if (fd < 0)
		return -errno;
	unmap(side, op->map);
	side_access(side, op->slot);
	if (mmap(at, op->length, prot, flags | MAP_FIXED, fd, offset) == MAP_FAILED) {
		r = -errno;
		reserve(side, op->map);
		return r;
	}
	side->maps[op->map] = (struct map){ at, op->length };
	return side->io == IO_DIRECT ? pass_by(side, &aligned, flags, out) : 0;
}

static long run_munmap(struct side *side, const struct op *op, struct outcome *out)
{
	say(out, "munmap(map %u)", op->map);
	return unmap(side, op->map);
}

/* A part of the mapping, at least one byte of it. */
static unsigned char *part(const struct map *map, const struct op *op, size_t *ret_length)
{
	size_t start = choose(op, 5, (unsigned int)map->length);
	size_t most = map->length - start;

	*ret_length = 1 + choose(op, 6, most < 9000 ? (unsigned int)most : 9000);
	return map->at + start;
}

static long run_load(struct side *side, const struct op *op, struct outcome *out)
{
	const struct map *map = &side->maps[op->map];
	unsigned char *at;
	size_t length;

	say(out, "load(map %u)", op->map);
	if (!map->at)
		return -EINVAL;
	at = part(map, op, &length);
	say(out, " %zu bytes at %td", length, at - map->at);
	return say_mapped(out, at, length);
}

static long run_store(struct side *side, const struct op *op, struct outcome *out)
{
	const struct map *map = &side->maps[op->map];
	unsigned char *at, *page;
	size_t length;

	say(out, "store(map %u)", op->map);
	if (!map->at)
		return -EINVAL;
	at = part(map, op, &length);
	say(out, " %zu bytes at %td", length, at - map->at);
	page = map->at + (at - map->at) / 4096 * 4096;
	if (madvise(page, (size_t)(at - page) + length, MADV_POPULATE_WRITE) < 0)
		return -errno;
	return copy_mapped(at, op_bytes(op), length);
}

static long run_msync(struct side *side, const struct op *op, struct outcome *out)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_SYNC | MS_INVALIDATE,
				     MS_SYNC | MS_ASYNC };
	const struct map *map = &side->maps[op->map];
	int flag = flags[choose(op, 0, 4)];

	say(out, "msync(map %u, %d)", op->map, flag);
	if (!map->at)
		return -EINVAL;
	return errno_or(msync(map->at, map->length, flag));
}

static long run_madvise(struct side *side, const struct op *op, struct outcome *out)
{
	static const int advices[] = { MADV_NORMAL,   MADV_RANDOM,       MADV_SEQUENTIAL,
				       MADV_WILLNEED, MADV_DONTNEED,     MADV_REMOVE,
				       MADV_FREE,     MADV_POPULATE_READ };
	const struct map *map = &side->maps[op->map];
	int advice = advices[choose(op, 0, 8)];

	say(out, "madvise(map %u, %d)", op->map, advice);
	if (!map->at)
		return -EINVAL;
	return errno_or(madvise(map->at, map->length, advice));
}

const struct call map_calls[] = {
	{ "mmap", 45, MAY_BOTH, false, run_mmap },
	{ "munmap", 4, MAY_BOTH | NEEDS_SHARING, false, run_munmap },
	{ "load", 35, MAY_BOTH | NEEDS_SHARING, false, run_load },
	{ "store", 40, MAY_BOTH | NEEDS_SHARING, false, run_store },
	{ "msync", 8, MAY_BOTH | NEEDS_SHARING, false, run_msync },
	{ "madvise", 12, MAY_BOTH | NEEDS_SHARING, false, run_madvise },
	{ 0 },
};
