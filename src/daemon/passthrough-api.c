/* SPDX-License-Identifier: MIT */
/* Passthrough with libfuse 3.17 and later, which knows of it. */
#include "daemon/passthrough.h"

int passthrough_attach(struct fuse_session *se)
{
	(void)se;
	return 0;
}

static void want(struct fuse_conn_info *conn, uint64_t capability)
{
	if (conn->capable_ext & capability)
		fuse_set_feature_flag(conn, capability);
}

void passthrough_negotiate(struct fuse_conn_info *conn, bool wanted)
{
	if (wanted)
		want(conn, (uint64_t)FUSE_CAP_PASSTHROUGH);
	want(conn, (uint64_t)FUSE_CAP_HANDLE_KILLPRIV_V2);
	want(conn, (uint64_t)FUSE_CAP_PARALLEL_DIROPS);
	want(conn, (uint64_t)FUSE_CAP_DONT_MASK);
	/* The first version of that would leave the bits alone and tell nobody. */
	fuse_unset_feature_flag(conn, (uint64_t)FUSE_CAP_HANDLE_KILLPRIV);
	/* What the kernel sends without waiting is held to a number in all, and closing
	 * is sent so: nothing else may be, as it could wait for users. */
	fuse_unset_feature_flag(conn, (uint64_t)FUSE_CAP_ASYNC_READ);
	fuse_unset_feature_flag(conn, (uint64_t)FUSE_CAP_ASYNC_DIO);
	/* Objects never lie on a stacked file system, and one may still be stacked on us.
	 */
	conn->max_backing_stack_depth = FUSE_BACKING_STACKED_UNDER;
}

static struct fuse_file_info info_of(const struct fs_open_file *file)
{
	struct fuse_file_info fi = { .fh = file->number };

	if (file->io == FS_IO_PASSTHROUGH) {
		fi.backing_id = file->backing_id;
		fi.direct_io = file->direct;
	} else {
		fi.direct_io = 1;
		fi.parallel_direct_writes = 1;
	}
	return fi;
}

int passthrough_reply_open(fuse_req_t req, const struct fs_open_file *file)
{
	struct fuse_file_info fi = info_of(file);

	return fuse_reply_open(req, &fi);
}

int passthrough_reply_create(fuse_req_t req, const struct fuse_entry_param *entry,
			     const struct fs_open_file *file)
{
	struct fuse_file_info fi = info_of(file);

	return fuse_reply_create(req, entry, &fi);
}
