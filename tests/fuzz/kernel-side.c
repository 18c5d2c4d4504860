/* SPDX-License-Identifier: MIT */
/*
 * What a kernel checks is in its fs/fuse/dev.c (the length of an answer, its errno) and
 * where each answer is taken in. What it trusts in, and we must not get wrong, is checked
 * as well: that all opens of a node go the same way, and that a backing file is there for
 * as long as a file of it is open.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel-side.h"
#include "target.h"

#define FS_SHIFT   56
#define ERRNO_MAX  511          /* what is beyond is the kernel's own */
#define ANSWER_MAX (256u << 20) /* who asks for more may not even get a buffer */

static struct kernel *current;

/*
 * Requests
 */
static bool takes_no_answer(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
}

/* Somebody else has the lock. */
static bool may_wait(uint32_t opcode)
{
	return opcode == FUSE_SETLK || opcode == FUSE_SETLKW;
}

/* The most that an answer to @opcode may carry, as the body at @in says. */
static uint32_t most_of(uint32_t opcode, const void *in)
{
	switch (opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return ((const struct fuse_read_in *)in)->size;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return ((const struct fuse_getxattr_in *)in)->size;
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)in)->size;
	default:
		return 0;
	}
}

static struct kernel_node *find_node(struct kernel *k, uint64_t number)
{
	for (unsigned int i = 0; i < k->n_nodes; i++)
		if (k->nodes[i].number == number)
			return &k->nodes[i];
	return NULL;
}

static void forget(struct kernel *k, uint64_t number, uint64_t lookups)
{
	struct kernel_node *n = find_node(k, number);

	if (n)
		n->lookups -= lookups < n->lookups ? lookups : n->lookups;
}

unsigned int kernel_fs_of(const struct kernel *k, uint64_t node)
{
	unsigned int i = (unsigned int)(node >> FS_SHIFT);

	return i < k->n_fs ? i : 0;
}

/* The open file of that number in the file system of @node, or NULL. */
static struct kernel_file *find_open(const struct kernel *k, struct kernel_file files[],
				     unsigned int n, uint64_t node, uint64_t number)
{
	for (unsigned int i = 0; i < n; i++)
		if (files[i].open && files[i].number == number &&
		    kernel_fs_of(k, files[i].node) == kernel_fs_of(k, node))
			return &files[i];
	return NULL;
}

static void close_file(struct kernel_file *f)
{
	if (f)
		f->open = false;
}

/* What the request takes back is taken back whatever is answered. */
static void take_back(struct kernel *k, const struct fuse_in_header *request,
		      const void *in)
{
	const struct fuse_batch_forget_in *batch = in;
	const struct fuse_forget_one *one = (const void *)(batch + 1);
	const struct fuse_release_in *file = in;

	if (request->opcode == FUSE_FORGET)
		forget(k, request->nodeid, ((const struct fuse_forget_in *)in)->nlookup);
	if (request->opcode == FUSE_BATCH_FORGET)
		for (uint32_t i = 0; i < batch->count; i++)
			forget(k, one[i].nodeid, one[i].nlookup);
	if (request->opcode == FUSE_RELEASE)
		close_file(find_open(k, k->files, k->n_files, request->nodeid, file->fh));
	if (request->opcode == FUSE_RELEASEDIR)
		close_file(find_open(k, k->dirs, k->n_dirs, request->nodeid, file->fh));
}

struct asked *kernel_ask(struct kernel *k, const struct fuse_in_header *request)
{
	struct asked *a;

	pthread_mutex_lock(&k->lock);
	must(k->n_asked < KERNEL_ASKED);
	a = &k->asked[k->n_asked++];
	*a = (struct asked){
		.unique = request->unique,
		.node = request->nodeid,
		.opcode = request->opcode,
		.size = most_of(request->opcode, request + 1),
		.attempts = k->attempts,
	};
	pthread_mutex_unlock(&k->lock);
	take_back(k, request, request + 1);
	return a;
}

static bool has_backing(const struct kernel *k, uint64_t node, int32_t id)
{
	return k->has_backing(kernel_fs_of(k, node), id);
}

static void check_backings(const struct kernel *k)
{
	for (unsigned int i = 0; i < k->n_files; i++) {
		const struct kernel_file *f = &k->files[i];

		if (f->open && f->flags & KERNEL_OPEN_PASSTHROUGH)
			must(has_backing(k, f->node, f->backing_id));
	}
}

void kernel_asked(struct kernel *k, const struct asked *a)
{
	pthread_mutex_lock(&k->lock);
	/* What is not answered has a thread of its own by now. */
	while (may_wait(a->opcode) && !a->answers && k->attempts == a->attempts)
		pthread_cond_wait(&k->moved, &k->lock);
	if (!takes_no_answer(a->opcode) && a->opcode != FUSE_INTERRUPT &&
	    !may_wait(a->opcode))
		must(a->answers == 1);
	pthread_mutex_unlock(&k->lock);
	check_backings(k);
}

void kernel_attempt(struct kernel *k)
{
	pthread_mutex_lock(&k->lock);
	k->attempts++;
	pthread_cond_signal(&k->moved);
	pthread_mutex_unlock(&k->lock);
}

/*
 * Answers
 */
/* The root of each file system. */
static bool is_directory(uint64_t node)
{
	return (node & ((UINT64_C(1) << FS_SHIFT) - 1)) == FUSE_ROOT_ID;
}

static void check_attr(uint64_t node, const struct fuse_attr *attr)
{
	must(is_directory(node) ? S_ISDIR(attr->mode) : S_ISREG(attr->mode));
	must(attr->atimensec < 1000000000 && attr->mtimensec < 1000000000 &&
	     attr->ctimensec < 1000000000);
	must(attr->size <= INT64_MAX);
}

/* A place for one more: when there are too many, that of one which was forgotten. */
static struct kernel_node *new_node(struct kernel *k)
{
	unsigned int i = 0;

	if (k->n_nodes < KERNEL_MAX)
		return &k->nodes[k->n_nodes++];
	while (i < KERNEL_MAX - 1 && k->nodes[i].lookups)
		i++;
	must(!k->nodes[i].lookups);
	return &k->nodes[i];
}

static void know_node(struct kernel *k, uint64_t number)
{
	struct kernel_node *n = find_node(k, number);

	if (!n) {
		n = new_node(k);
		*n = (struct kernel_node){ .number = number };
	}
	n->lookups++;
}

/* No node: that there is none may be kept. */
static void take_entry(struct kernel *k, const struct fuse_entry_out *e, bool none)
{
	must(e->nodeid || none);
	must(e->nodeid != FUSE_ROOT_ID && e->nodeid >> FS_SHIFT < k->n_fs);
	if (!k->keeps)
		must(!e->attr_valid && !e->attr_valid_nsec);
	/* Directories are there for good. */
	if (!k->keeps && !is_directory(e->nodeid))
		must(!e->entry_valid && !e->entry_valid_nsec);
	if (!e->nodeid)
		return;
	check_attr(e->nodeid, &e->attr);
	know_node(k, e->nodeid);
}

static void take_attr(const struct kernel *k, const struct asked *a,
		      const struct fuse_attr_out *out)
{
	check_attr(a->node, &out->attr);
	if (!k->keeps)
		must(!out->attr_valid && !out->attr_valid_nsec);
}

/* As of protocol 7.40, which the header may not know. */
struct open_out {
	uint64_t fh;
	uint32_t flags;
	int32_t backing_id;
};

static void add_file(const struct kernel *k, struct kernel_file files[], unsigned int *n,
		     uint64_t node, const struct open_out *out)
{
	must(!find_open(k, files, *n, node, out->fh));
	must(*n < KERNEL_MAX && out->fh);
	files[(*n)++] = (struct kernel_file){
		.number = out->fh,
		.node = node,
		.open = true,
		.flags = out->flags,
		.backing_id = out->backing_id,
	};
}

static void check_open_flags(const struct open_out *out)
{
	const uint32_t both = FOPEN_DIRECT_IO | KERNEL_OPEN_PARALLEL_DIRECT_WRITES;

	must((out->flags & ~(both | KERNEL_OPEN_PASSTHROUGH)) == 0);
	/* The one or the other: a page cache would be stale. */
	must(out->flags & (FOPEN_DIRECT_IO | KERNEL_OPEN_PASSTHROUGH));
}

static void take_file(struct kernel *k, uint64_t node, const struct open_out *out)
{
	const uint32_t way = KERNEL_OPEN_PASSTHROUGH;

	check_open_flags(out);
	if (out->flags & way)
		must(has_backing(k, node, out->backing_id));
	for (unsigned int i = 0; i < k->n_files; i++) {
		const struct kernel_file *f = &k->files[i];

		if (!f->open || f->node != node)
			continue;
		must((f->flags & way) == (out->flags & way));
		must(!(f->flags & way) || f->backing_id == out->backing_id);
	}
	add_file(k, k->files, &k->n_files, node, out);
}

static void take_dir(struct kernel *k, uint64_t node, const struct open_out *out)
{
	must((out->flags & ~(uint32_t)(FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE)) == 0);
	must(k->keeps || !out->flags);
	add_file(k, k->dirs, &k->n_dirs, node, out);
}

static void take_create(struct kernel *k, const void *data)
{
	const struct fuse_entry_out *entry = data;

	take_entry(k, entry, false);
	take_file(k, entry->nodeid, (const void *)(entry + 1));
}

static void check_name(const struct fuse_dirent *d)
{
	must(d->namelen > 0 && d->namelen <= NAME_MAX);
	must(!memchr(d->name, '/', d->namelen) && !memchr(d->name, '\0', d->namelen));
	must(d->off <= INT64_MAX);
}

static void take_listing(const char *at, size_t left)
{
	while (left > 0) {
		const struct fuse_dirent *d = (const void *)at;

		must(left >= FUSE_NAME_OFFSET && left >= FUSE_DIRENT_SIZE(d));
		check_name(d);
		left -= FUSE_DIRENT_SIZE(d);
		at += FUSE_DIRENT_SIZE(d);
	}
}

static void take_listing_plus(struct kernel *k, const char *at, size_t left)
{
	while (left > 0) {
		const struct fuse_direntplus *d = (const void *)at;

		must(left >= FUSE_NAME_OFFSET_DIRENTPLUS &&
		     left >= FUSE_DIRENTPLUS_SIZE(d));
		check_name(&d->dirent);
		take_entry(k, &d->entry_out, true);
		left -= FUSE_DIRENTPLUS_SIZE(d);
		at += FUSE_DIRENTPLUS_SIZE(d);
	}
}

/* Flags that were not offered are the kernel's to refuse, but for one of old. */
static void take_init(struct kernel *k, const struct fuse_init_out *out)
{
	k->taken = out->flags;
	if (out->flags & FUSE_INIT_EXT)
		k->taken |= (uint64_t)out->flags2 << 32;
	must((k->taken & ~k->offered & ~(uint64_t)FUSE_BIG_WRITES) == 0);
	must(!(k->taken & FUSE_WRITEBACK_CACHE));
}

static bool has_passthrough(const struct kernel *k)
{
	return k->taken & KERNEL_INIT_PASSTHROUGH;
}

/* The field is in what older headers call unused. */
static void check_stacking(const struct kernel *k, const void *data)
{
	uint32_t depth;

	memcpy(&depth, (const char *)data + 36, sizeof(depth));
	must(depth == (has_passthrough(k) ? 1 : 0));
}

static void take_count(const struct asked *a, const struct fuse_write_out *out)
{
	if (a->opcode == FUSE_WRITE)
		must(out->size <= a->size);
}

static void take_data(struct kernel *k, const struct asked *a, const void *data, size_t n)
{
	switch (a->opcode) {
	case FUSE_INIT:
		take_init(k, data);
		check_stacking(k, data);
		break;
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_LINK:
		take_entry(k, data, a->opcode == FUSE_LOOKUP && k->keeps);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		take_attr(k, a, data);
		break;
	case FUSE_OPEN:
		take_file(k, a->node, data);
		break;
	case FUSE_OPENDIR:
		take_dir(k, a->node, data);
		break;
	case FUSE_CREATE:
		take_create(k, data);
		break;
	case FUSE_READDIR:
		take_listing(data, n);
		break;
	case FUSE_READDIRPLUS:
		take_listing_plus(k, data, n);
		break;
	case FUSE_WRITE:
	case FUSE_COPY_FILE_RANGE:
		take_count(a, data);
		break;
	default:
		break;
	}
}

/* Linux 6.6; the header at hand may be older. */
#define OPCODE_STATX 52
#define STATX_OUT    288 /* bytes */

/* The length that an answer without an error must have, or -1: at most what was asked. */
static ssize_t length_of(const struct asked *a)
{
	switch (a->opcode) {
	case FUSE_INIT:
		return sizeof(struct fuse_init_out);
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_LINK:
		return sizeof(struct fuse_entry_out);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return sizeof(struct fuse_attr_out);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return sizeof(struct open_out);
	case FUSE_CREATE:
		return sizeof(struct fuse_entry_out) + sizeof(struct open_out);
	case FUSE_WRITE:
	case FUSE_COPY_FILE_RANGE:
		return sizeof(struct fuse_write_out);
	case FUSE_STATFS:
		return sizeof(struct fuse_statfs_out);
	case FUSE_GETLK:
		return sizeof(struct fuse_lk_out);
	case FUSE_LSEEK:
		return sizeof(struct fuse_lseek_out);
	case OPCODE_STATX:
		return STATX_OUT;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return a->size ? -1 : (ssize_t)sizeof(struct fuse_getxattr_out);
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return -1;
	default:
		return 0;
	}
}

/* Touches each byte: valgrind tells then of those that nobody has set. */
static void must_be_defined(const unsigned char *data, size_t n)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += data[i];
	must(sum <= n * UCHAR_MAX);
}

/* What there is to say yes to only if the node is a directory. */
static bool is_about_names(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_UNLINK:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_OPENDIR:
		return true;
	default:
		return false;
	}
}

static void check_answer(const struct asked *a, const struct fuse_out_header *out,
			 size_t n)
{
	ssize_t length = length_of(a);

	must(!takes_no_answer(a->opcode) && a->answers == 1);
	must(out->error <= 0 && out->error >= -ERRNO_MAX);
	/* An interrupt for what is not there is to be sent again, later. */
	if (a->opcode == FUSE_INTERRUPT)
		must(out->error == -EAGAIN);
	if (out->error)
		must(n == 0);
	else if (length < 0)
		must(n <= a->size && a->size <= ANSWER_MAX);
	else
		must(n == (size_t)length);
}

static struct asked *find(struct kernel *k, uint64_t unique)
{
	for (unsigned int i = 0; i < k->n_asked; i++)
		if (k->asked[i].unique == unique)
			return &k->asked[i];
	return NULL;
}

/* Returns false where who asked is gone. */
static bool take(struct kernel *k, const struct fuse_out_header *out, const void *data,
		 size_t n)
{
	struct asked *a;
	bool gone;

	pthread_mutex_lock(&k->lock);
	a = find(k, out->unique);
	must(a);
	a->answers++;
	check_answer(a, out, n);
	must_be_defined(data, n);
	gone = k->gone;
	k->gone = false;
	if (!out->error && is_about_names(a->opcode))
		must(is_directory(a->node) && a->node >> FS_SHIFT < k->n_fs);
	if (!out->error && !gone)
		take_data(k, a, data, n);
	pthread_cond_signal(&k->moved);
	pthread_mutex_unlock(&k->lock);
	return !gone;
}

/* In one piece, of just its size. */
static void *join(const struct iovec *iov, int count, size_t *ret_size)
{
	char *all, *at;
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += iov[i].iov_len;
	all = at = malloc(n);
	must(all);
	for (int i = 0; i < count; i++) {
		memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	*ret_size = n;
	return all;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	struct fuse_out_header *out;
	bool taken;
	size_t n;

	if (!current || fd != current->fd)
		return syscall(SYS_writev, fd, iov, count);
	out = join(iov, count, &n);
	must(n >= sizeof(*out) && out->len == n);
	taken = take(current, out, out + 1, n - sizeof(*out));
	free(out);
	if (taken)
		return (ssize_t)n;
	errno = ENOENT;
	return -1;
}

/*
 * Life
 */
void kernel_begin(struct kernel *k, int fd)
{
	k->fd = fd;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->moved, NULL);
	current = k;
}

void kernel_end(struct kernel *k)
{
	for (unsigned int i = 0; i < k->n_asked; i++) {
		const struct asked *a = &k->asked[i];

		if (!takes_no_answer(a->opcode) && a->opcode != FUSE_INTERRUPT)
			must(a->answers == 1);
	}
	current = NULL;
	pthread_cond_destroy(&k->moved);
	pthread_mutex_destroy(&k->lock);
}
