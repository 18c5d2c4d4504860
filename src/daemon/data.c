/* SPDX-License-Identifier: MIT */
/*
 * Without passthrough each byte is copied twice, between the object and the daemon and
 * between the daemon and the caller. For large pieces a pipe saves one of them: it takes
 * references to pages, the object's for a read and the caller's for a write.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "daemon/data.h"

/* Below this, copying costs less than the system calls around a pipe. */
#define SPLICE_MIN (64u * 1024)

/* One buffer for each thread that serves, freed with the thread. */
static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;

struct buffer {
	size_t size;
	char data[];
};

static void make_buffer_key(void)
{
	if (pthread_key_create(&buffer_key, free) != 0)
		abort();
}

char *data_buffer(size_t size)
{
	struct buffer *b;

	pthread_once(&buffer_once, make_buffer_key);
	b = pthread_getspecific(buffer_key);
	if (b && b->size >= size)
		return b->data;
	free(b);
	b = malloc(sizeof(*b) + size);
	if (b)
		b->size = size;
	pthread_setspecific(buffer_key, b);
	return b ? b->data : NULL;
}

static struct fuse_bufvec at(int fd, uint64_t offset, size_t n)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(n);

	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = fd;
	data.buf[0].pos = (off_t)offset;
	return data;
}

static void read_copied(fuse_req_t req, struct fs *fs, uint64_t file, size_t n,
			uint64_t offset)
{
	char *buf = data_buffer(n);
	ssize_t r = buf ? fs_read(fs, file, buf, n, offset) : -ENOMEM;

	if (r < 0)
		fuse_reply_err(req, (int)-r);
	else
		fuse_reply_buf(req, buf, (size_t)r);
}

void data_read(fuse_req_t req, struct fs *fs, uint64_t file, size_t n, uint64_t offset)
{
	_cleanup_native_ struct native_file *native = NULL;
	struct fuse_bufvec data;
	int fd = n < SPLICE_MIN ? -EOPNOTSUPP : fs_data(fs, file, &native);

	if (fd < 0) {
		read_copied(req, fs, file, n, offset);
		return;
	}
	data = at(fd, offset, n);
	fuse_reply_data(req, &data, 0);
}

/* From wherever @data is, by way of a buffer. */
static ssize_t write_copied(struct fs *fs, uint64_t file, struct fuse_bufvec *data,
			    uint64_t offset, bool append)
{
	size_t n = fuse_buf_size(data);
	struct fuse_bufvec copy = FUSE_BUFVEC_INIT(n);
	ssize_t r;

	copy.buf[0].mem = data_buffer(n);
	if (!copy.buf[0].mem)
		return -ENOMEM;
	r = fuse_buf_copy(&copy, data, 0);
	return r < 0 ? r : fs_write(fs, file, copy.buf[0].mem, (size_t)r, offset, append);
}

ssize_t data_write(struct fs *fs, uint64_t file, struct fuse_bufvec *data,
		   uint64_t offset, bool append)
{
	_cleanup_native_ struct native_file *native = NULL;
	struct fuse_bufvec to;
	int fd;

	if (!(data->buf[0].flags & FUSE_BUF_IS_FD))
		return fs_write(fs, file, data->buf[0].mem, data->buf[0].size, offset,
				append);
	fd = append ? -EOPNOTSUPP : fs_data(fs, file, &native);
	if (fd < 0)
		return write_copied(fs, file, data, offset, append);
	to = at(fd, offset, fuse_buf_size(data));
	return fuse_buf_copy(&to, data, 0);
}
