/* SPDX-License-Identifier: MIT */
/* The table has, for each opcode, what must be known of its body to make one. */
#include <errno.h>
#include <string.h>

#include "request.h"
#include "target.h"

#define BODY_MAX 256 /* the rest of a request behind its structure */
#define NAMES    15

struct shape {
	size_t size;        /* of the structure */
	unsigned int names; /* behind it */
	bool has_file;      /* the structure begins with an open file or directory */
};

static const struct shape shapes[] = {
	[FUSE_LOOKUP] = { .names = 1 },
	[FUSE_FORGET] = { sizeof(struct fuse_forget_in), 0, false },
	[FUSE_GETATTR] = { sizeof(struct fuse_getattr_in), 0, false },
	[FUSE_SETATTR] = { sizeof(struct fuse_setattr_in), 0, false },
	[FUSE_SYMLINK] = { .names = 2 },
	[FUSE_MKNOD] = { sizeof(struct fuse_mknod_in), 1, false },
	[FUSE_MKDIR] = { sizeof(struct fuse_mkdir_in), 1, false },
	[FUSE_UNLINK] = { .names = 1 },
	[FUSE_RMDIR] = { .names = 1 },
	[FUSE_RENAME] = { sizeof(struct fuse_rename_in), 2, false },
	[FUSE_LINK] = { sizeof(struct fuse_link_in), 1, false },
	[FUSE_OPEN] = { sizeof(struct fuse_open_in), 0, false },
	[FUSE_READ] = { sizeof(struct fuse_read_in), 0, true },
	[FUSE_WRITE] = { sizeof(struct fuse_write_in), 0, true },
	[FUSE_RELEASE] = { sizeof(struct fuse_release_in), 0, true },
	[FUSE_FSYNC] = { sizeof(struct fuse_fsync_in), 0, true },
	[FUSE_SETXATTR] = { FUSE_COMPAT_SETXATTR_IN_SIZE, 1, false },
	[FUSE_GETXATTR] = { sizeof(struct fuse_getxattr_in), 1, false },
	[FUSE_LISTXATTR] = { sizeof(struct fuse_getxattr_in), 0, false },
	[FUSE_REMOVEXATTR] = { .names = 1 },
	[FUSE_FLUSH] = { sizeof(struct fuse_flush_in), 0, true },
	[FUSE_OPENDIR] = { sizeof(struct fuse_open_in), 0, false },
	[FUSE_READDIR] = { sizeof(struct fuse_read_in), 0, true },
	[FUSE_RELEASEDIR] = { sizeof(struct fuse_release_in), 0, true },
	[FUSE_FSYNCDIR] = { sizeof(struct fuse_fsync_in), 0, true },
	[FUSE_GETLK] = { sizeof(struct fuse_lk_in), 0, true },
	[FUSE_SETLK] = { sizeof(struct fuse_lk_in), 0, true },
	[FUSE_SETLKW] = { sizeof(struct fuse_lk_in), 0, true },
	[FUSE_ACCESS] = { sizeof(struct fuse_access_in), 0, false },
	[FUSE_CREATE] = { sizeof(struct fuse_create_in), 1, false },
	[FUSE_INTERRUPT] = { sizeof(struct fuse_interrupt_in), 0, false },
	[FUSE_BATCH_FORGET] = { sizeof(struct fuse_batch_forget_in), 0, false },
	[FUSE_FALLOCATE] = { sizeof(struct fuse_fallocate_in), 0, true },
	[FUSE_READDIRPLUS] = { sizeof(struct fuse_read_in), 0, true },
	[FUSE_RENAME2] = { sizeof(struct fuse_rename2_in), 2, false },
	[FUSE_LSEEK] = { sizeof(struct fuse_lseek_in), 0, true },
	[FUSE_COPY_FILE_RANGE] = { sizeof(struct fuse_copy_file_range_in), 0, true },
	[FUSE_IOCTL] = { sizeof(struct fuse_ioctl_in), 0, true },
};
#define N_SHAPES (sizeof(shapes) / sizeof(*shapes))

/* An opcode that the adapter does not know has no larger structure. */
static const struct shape unknown = { .size = 128 };

static const struct shape *shape_of(uint32_t opcode)
{
	const struct shape *s = opcode < N_SHAPES ? &shapes[opcode] : &unknown;

	return s->size || s->names ? s : &unknown;
}

uint8_t input_byte(struct input *in)
{
	uint8_t byte = 0;

	input_bytes(in, &byte, 1);
	return byte;
}

void input_bytes(struct input *in, void *buf, size_t n)
{
	size_t there = n < in->size ? n : in->size;

	memset(buf, 0, n);
	if (there)
		memcpy(buf, in->data, there);
	in->data += there;
	in->size -= there;
}

const char *request_name(unsigned int choice)
{
	static char longest[256], too_long[1024];
	static const char *const names[NAMES] = {
		"a",
		"b",
		"c",
		"posix",
		"sysv",
		longest,
		"",
		".",
		"..",
		"a/b",
		"/a",
		too_long,
		"user.a",
		"user.shmfs.io",
		"security.capability",
	};

	memset(longest, 'x', sizeof(longest) - 1);
	memset(too_long, 'x', sizeof(too_long) - 1);
	return names[choice % NAMES];
}

/* A body that is being made: its structure, and what grows behind it. */
struct body {
	uint64_t node; /* that the request is about */
	char data[128 + 2 * 1024 + BODY_MAX + 2];
	size_t size;
};

static void append(struct body *b, const void *data, size_t n)
{
	must(n <= sizeof(b->data) - b->size);
	memcpy(b->data + b->size, data, n);
	b->size += n;
}

/* The end of a name is what it ends with; that of the request ends one, too. */
static void append_name(struct body *b, unsigned int choice, struct input *rest)
{
	const char *name = request_name(choice - 1);
	size_t n;

	if (choice > 0) {
		append(b, name, strlen(name) + 1);
		return;
	}
	n = strnlen((const char *)rest->data, rest->size);
	append(b, rest->data, n);
	append(b, "", 1);
	if (n < rest->size)
		n++;
	rest->data += n;
	rest->size -= n;
}

/*
 * Numbers
 */
static uint64_t odd_number(uint64_t known, unsigned int choice)
{
	const uint64_t numbers[] = {
		0,
		FUSE_ROOT_ID,
		2,
		UINT64_MAX,
		UINT32_MAX,
		UINT64_C(1) << 32,
		known + (UINT64_C(1) << 32),
		known - (UINT64_C(1) << 32),
		known + 1,
		known | UINT64_C(1) << 56,
		known | UINT64_C(1) << 63,
	};

	return numbers[choice % (sizeof(numbers) / sizeof(*numbers))];
}

#define CHOICE_ODD 224 /* and above */

/* Of what was ever told, or near it. */
static uint64_t node_number(const struct kernel *k, unsigned int choice)
{
	uint64_t known = k->n_nodes ? k->nodes[choice % k->n_nodes].number : 0;

	if (choice == 0)
		return FUSE_ROOT_ID;
	return choice >= CHOICE_ODD ? odd_number(known, choice) : known;
}

static bool is_of_directory(uint32_t opcode)
{
	return opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS ||
	       opcode == FUSE_RELEASEDIR || opcode == FUSE_FSYNCDIR;
}

/* An open file, or directory where @opcode is about one; @node_ret becomes its node. */
static uint64_t file_number(const struct kernel *k, uint32_t opcode, unsigned int choice,
			    uint64_t *ret_node)
{
	const struct kernel_file *files = is_of_directory(opcode) ? k->dirs : k->files;
	unsigned int n = is_of_directory(opcode) ? k->n_dirs : k->n_files;
	uint64_t known = n ? files[choice % n].number : 0;

	if (n)
		*ret_node = files[choice % n].node;
	return choice >= CHOICE_ODD ? odd_number(known, choice) : known;
}

static void fill_copy(const struct kernel *k, const struct choice *c,
		      struct fuse_copy_file_range_in *in)
{
	uint64_t node = FUSE_ROOT_ID;

	if (c->name)
		in->fh_out = file_number(k, c->opcode, c->name, &node);
	if (!in->nodeid_out)
		in->nodeid_out = node;
}

/* To another directory, or else within the same. */
static void fill_rename(uint64_t *parent, uint64_t node)
{
	if (!*parent)
		*parent = node;
}

static void fill_interrupt(const struct kernel *k, const struct choice *c,
			   struct fuse_interrupt_in *in)
{
	if (c->file && k->n_asked)
		in->unique = k->asked[c->file % k->n_asked].unique;
}

/* A file that is chosen comes with its node, as from a kernel. */
static void fill_file(const struct kernel *k, const struct choice *c, uint64_t *fh,
		      uint64_t *node)
{
	uint64_t own = *node;

	if (c->file)
		*fh = file_number(k, c->opcode, c->file, &own);
	if (!c->node)
		*node = own;
}

static void fill_numbers(const struct kernel *k, const struct choice *c, void *data,
			 uint64_t *node)
{
	struct fuse_getattr_in *getattr = data;
	struct fuse_setattr_in *setattr = data;
	struct fuse_link_in *link = data;

	if (shape_of(c->opcode)->has_file)
		fill_file(k, c, data, node);
	else if (c->opcode == FUSE_GETATTR)
		fill_file(k, c, &getattr->fh, node);
	else if (c->opcode == FUSE_SETATTR)
		fill_file(k, c, &setattr->fh, node);
	else if (c->opcode == FUSE_INTERRUPT)
		fill_interrupt(k, c, data);
	if (c->opcode == FUSE_COPY_FILE_RANGE)
		fill_copy(k, c, data);
	if (c->opcode == FUSE_LINK && c->file)
		link->oldnodeid = node_number(k, c->file);
	if (c->opcode == FUSE_RENAME || c->opcode == FUSE_RENAME2)
		fill_rename(data, *node);
}

/* What counts what is behind the structure counts no more than @left bytes. */
static void bound(uint32_t opcode, void *data, size_t left)
{
	struct fuse_batch_forget_in *batch = data;
	struct fuse_setxattr_in *setxattr = data;
	struct fuse_write_in *write = data;

	if (opcode == FUSE_WRITE && write->size > left)
		write->size = (uint32_t)left;
	if (opcode == FUSE_SETXATTR && setxattr->size > left)
		setxattr->size = (uint32_t)left;
	if (opcode == FUSE_BATCH_FORGET &&
	    batch->count > left / sizeof(struct fuse_forget_one))
		batch->count = (uint32_t)(left / sizeof(struct fuse_forget_one));
}

/* Entries to forget stand in the body as choices: a node and how often, a byte each. */
static void append_forgets(const struct kernel *k, struct body *b, struct input *rest)
{
	while (rest->size >= 2) {
		struct fuse_forget_one one = {
			.nodeid = node_number(k, input_byte(rest)),
		};

		one.nlookup = input_byte(rest);
		append(b, &one, sizeof(one));
	}
}

static void make_body(const struct kernel *k, const struct choice *c, struct input *rest,
		      struct body *b)
{
	const struct shape *s = shape_of(c->opcode);
	size_t named;

	input_bytes(rest, b->data, s->size);
	b->size = s->size;
	fill_numbers(k, c, b->data, &b->node);
	if (s->names >= 1)
		append_name(b, c->name & 15, rest);
	if (s->names >= 2)
		append_name(b, c->name >> 4, rest);
	named = b->size;
	if (c->opcode == FUSE_BATCH_FORGET)
		append_forgets(k, b, rest);
	else
		append(b, rest->data, rest->size);
	bound(c->opcode, b->data, b->size - named);
}

struct fuse_in_header *request_new(const struct kernel *k, const struct choice *c,
				   struct input *in)
{
	struct body b = { .node = node_number(k, c->node) };
	struct fuse_in_header *request;
	uint8_t data[BODY_MAX];
	struct input rest = { data, c->length };
	uint32_t size;

	input_bytes(in, data, c->length);
	make_body(k, c, &rest, &b);
	size = (uint32_t)(sizeof(*request) + b.size);
	request = malloc(size);
	must(request);
	*request = (struct fuse_in_header){
		.len = size,
		.opcode = c->opcode,
		/* As the kernel counts: the odd ones are interrupts. */
		.unique = 2 * (k->n_asked + UINT64_C(1)) | (c->opcode == FUSE_INTERRUPT),
		.nodeid = b.node,
		.uid = c->who & 3 ? 1000 + (c->who & 3u) : 0,
		.gid = c->who & 4 ? 1000 : 0,
		.pid = c->who >> 3,
	};
	memcpy(request + 1, b.data, b.size);
	return request;
}
