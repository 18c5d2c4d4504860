/* SPDX-License-Identifier: MIT */
/*
 * Passthrough with libfuse 3.14 to 3.16, which does not know of it. Two things are said
 * to the kernel in its own words (linux/fuse.h, protocol 7.40; the header at hand may be
 * older, so what it lacks is spelled out here): flags in the reply to INIT, which is
 * completed on its way out, and the backing id in the replies to OPEN and CREATE.
 * Requests are handled one after the other until INIT is answered, so what is remembered
 * of it needs no lock.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/passthrough.h"

#define WIRE_PARALLEL_DIROPS    (UINT64_C(1) << 18)
#define WIRE_HANDLE_KILLPRIV_V2 (UINT64_C(1) << 28)
#define WIRE_INIT_EXT           (UINT64_C(1) << 30)
#define WIRE_PASSTHROUGH        (UINT64_C(1) << 37)

#define WIRE_OPEN_DIRECT_IO              (1u << 0)
#define WIRE_OPEN_PARALLEL_DIRECT_WRITES (1u << 6)
#define WIRE_OPEN_PASSTHROUGH            (1u << 7)

struct wire_init_in {
	uint32_t major, minor, max_readahead, flags, flags2, unused[11];
};

struct wire_init_out {
	uint32_t major, minor, max_readahead, flags;
	uint16_t max_background, congestion_threshold;
	uint32_t max_write, time_gran;
	uint16_t max_pages, map_alignment;
	uint32_t flags2, max_stack_depth, unused[6];
};
_Static_assert(sizeof(struct wire_init_out) == 64, "the reply to INIT");

struct wire_open_out {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id;
};

struct wire_create_out {
	struct fuse_entry_out entry;
	struct wire_open_out open;
};

static struct {
	bool wanted; /* by op init */
	bool answered;
	uint64_t unique; /* of the INIT request; 0: not seen */
	uint64_t offered;
} init;

static void see_init(const void *request, size_t n)
{
	const struct fuse_in_header *header = request;
	const struct wire_init_in *in = (const void *)(header + 1);

	if (n < sizeof(*header) + sizeof(*in) || header->opcode != FUSE_INIT)
		return;
	init.unique = header->unique;
	init.offered = in->flags;
	if (in->flags & WIRE_INIT_EXT)
		init.offered |= (uint64_t)in->flags2 << 32;
}

static ssize_t wire_read(int fd, void *buf, size_t n, void *userdata)
{
	ssize_t r = read(fd, buf, n);

	(void)userdata;
	/* The file system went with a request on its way to us: as good as gone before.
	 */
	if (r < 0 && errno == ECONNABORTED)
		errno = ENODEV;
	if (!init.answered && r > 0)
		see_init(buf, (size_t)r);
	return r;
}

static void complete(struct wire_init_out *out)
{
	uint64_t flags = WIRE_PARALLEL_DIROPS | WIRE_HANDLE_KILLPRIV_V2;

	if (init.wanted)
		flags |= WIRE_PASSTHROUGH;
	flags &= init.offered;
	out->flags |= (uint32_t)flags;
	if (flags & WIRE_PASSTHROUGH) {
		out->flags2 |= (uint32_t)(flags >> 32);
		/* Objects lie on no stacked file system, and one may still be stacked on
		 * us. */
		out->max_stack_depth = 1;
	}
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	const struct fuse_out_header *header = iov[0].iov_base;
	struct iovec completed[2];
	struct wire_init_out out;

	(void)userdata;
	if (init.answered || !init.unique || header->unique != init.unique)
		return writev(fd, iov, count);
	init.answered = true;
	if (header->error || count != 2 || iov[1].iov_len != sizeof(out))
		return writev(fd, iov, count);
	memcpy(&out, iov[1].iov_base, sizeof(out));
	complete(&out);
	completed[0] = iov[0];
	completed[1] = (struct iovec){ .iov_base = &out, .iov_len = sizeof(out) };
	return writev(fd, completed, 2);
}

int passthrough_attach(struct fuse_session *se)
{
	static const struct fuse_custom_io io = {
		.read = wire_read,
		.writev = wire_writev,
	};

	memset(&init, 0, sizeof(init));
	return fuse_session_custom_io(se, &io, fuse_session_fd(se));
}

void passthrough_negotiate(struct fuse_conn_info *conn, bool wanted)
{
	conn->want |= conn->capable & FUSE_CAP_DONT_MASK;
	/* What the kernel sends without waiting is held to a number in all, and closing
	 * is sent so: nothing else may be, as it could wait for users. */
	conn->want &= ~(unsigned int)(FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO);
	init.wanted = wanted;
}

static struct wire_open_out open_out(const struct fs_open_file *file)
{
	struct wire_open_out out = { .fh = file->number };

	if (file->io == FS_IO_PASSTHROUGH) {
		out.open_flags = WIRE_OPEN_PASSTHROUGH;
		if (file->direct)
			out.open_flags |= WIRE_OPEN_DIRECT_IO;
		out.backing_id = file->backing_id;
	} else {
		out.open_flags = WIRE_OPEN_DIRECT_IO | WIRE_OPEN_PARALLEL_DIRECT_WRITES;
	}
	return out;
}

int passthrough_reply_open(fuse_req_t req, const struct fs_open_file *file)
{
	struct wire_open_out out = open_out(file);

	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}

static struct fuse_attr attr_of(const struct stat *st)
{
	return (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.blksize = (uint32_t)st->st_blksize,
	};
}

int passthrough_reply_create(fuse_req_t req, const struct fuse_entry_param *entry,
			     const struct fs_open_file *file)
{
	struct wire_create_out out = {
		.entry = {
			.nodeid = entry->ino,
			.generation = entry->generation,
			.entry_valid = (uint64_t)entry->entry_timeout,
			.attr_valid = (uint64_t)entry->attr_timeout,
			.attr = attr_of(&entry->attr),
		},
		.open = open_out(file),
	};

	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}
