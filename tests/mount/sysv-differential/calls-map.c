/* SPDX-License-Identifier: MIT */
/*
 * Mappings, shared and private, that stay while their files are closed, removed, and
 * written to by others, and that children inherit.
 *
 * What is not passed through refuses to share (ENODEV), and its private mappings show the
 * file as it was when they were made: so those are made, read, and unmapped at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "util/cleanup.h"

/* The bytes of a first page that there are, for who must not touch more. */
static size_t first_bytes(int64_t size, off_t offset)
{
	if (offset >= size)
		return 0;
	return size - offset < 4096 ? (size_t)(size - offset) : 4096;
}

static void look_and_say(struct side *side, const struct op *op, struct outcome *out)
{
	unsigned char page[4096];
	struct stat st = { 0 };
	size_t n;

	(void)!fstat(side->fds[op->slot], &st);
	n = first_bytes(st.st_size, maps_offset(op));
	if (copy_mapped(page, side->maps.map[op->map].at, n) == 0)
		say_bytes(out, page, n);
}

/* Whether what is mapped of it may stay. */
static bool passes(const struct side *side, unsigned int slot)
{
	char io[20] = "";

	return side->shares &&
	       fgetxattr(side->fds[slot], "user.shmfs.io", io, sizeof(io)) > 0 &&
	       !strncmp(io, "passthrough", 11);
}

static long mount_mmap(struct side *side, const struct op *op, struct outcome *out)
{
	struct stat st;
	long r;

	/* The kernel takes the end for a private mapping from what it saw last.
	 * (difference: size) */
	(void)!fstat(side->fds[op->slot], &st);
	r = maps_make(&side->maps, op, side->fds[op->slot]);
	if (r < 0 || passes(side, op->slot))
		return r;
	look_and_say(side, op, out);
	maps_unmap(&side->maps, op);
	return 0;
}

static int reopen(int fd, const struct file *f)
{
	int flags = f->reads ? O_RDONLY : O_WRONLY;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (f->reads && f->writes ? O_RDWR : flags) | O_CLOEXEC);
}

static void say_first(const struct twin *twin, const struct op *op, struct outcome *out)
{
	unsigned char page[4096];
	off_t offset = maps_offset(op);
	size_t n = twin ? first_bytes((int64_t)twin->size, offset) : 0;

	if (n > 0)
		twin_read(twin, page, n, offset);
	say_bytes(out, page, n);
}

static void say_written(const struct pending *pending, const struct op *op,
			struct outcome *out)
{
	unsigned char page[4096];
	ssize_t n = pread(pending->data, page, sizeof(page), maps_offset(op));

	say_bytes(out, page, n > 0 ? (size_t)n : 0);
}

static long model_mmap(struct model *model, const struct op *op, struct outcome *out)
{
	struct maps *maps = &model->maps[op->actor];
	struct file *f = model_file(model, op);
	const struct twin *twin = f ? file_twin(f) : NULL;
	bool written = f && !twin && f->pending->data >= 0;
	_cleanup_close_ int fd = -1;
	long r;

	if (f && written)
		fd = reopen(f->pending->data, f);
	else if (f)
		fd = reopen(twin ? twin->memory : model->nothing, f);
	r = maps_make(maps, op, fd);
	if (r < 0 || (model->shares && !f->direct))
		return r;
	maps_unmap(maps, op);
	if (maps_is_shared(op))
		return -ENODEV;
	if (written)
		say_written(f->pending, op, out);
	else
		say_first(twin, op, out);
	return 0;
}

static void describe_map(const struct op *op, struct outcome *out)
{
	say(out, "map %u", op->map);
}

static long mount_munmap(struct side *side, const struct op *op, struct outcome *out)
{
	(void)out;
	return maps_unmap(&side->maps, op);
}

static long model_munmap(struct model *model, const struct op *op, struct outcome *out)
{
	(void)out;
	return maps_unmap(&model->maps[op->actor], op);
}

static long mount_load(struct side *side, const struct op *op, struct outcome *out)
{
	return maps_load(&side->maps, op, out);
}

static long model_load(struct model *model, const struct op *op, struct outcome *out)
{
	return maps_load(&model->maps[op->actor], op, out);
}

static long mount_store(struct side *side, const struct op *op, struct outcome *out)
{
	return maps_store(&side->maps, op, out);
}

static long model_store(struct model *model, const struct op *op, struct outcome *out)
{
	return maps_store(&model->maps[op->actor], op, out);
}

static long mount_mprotect(struct side *side, const struct op *op, struct outcome *out)
{
	return maps_protect(&side->maps, op, out);
}

static long model_mprotect(struct model *model, const struct op *op, struct outcome *out)
{
	return maps_protect(&model->maps[op->actor], op, out);
}

static long mount_madvise(struct side *side, const struct op *op, struct outcome *out)
{
	return maps_advise(&side->maps, op, out);
}

static long model_madvise(struct model *model, const struct op *op, struct outcome *out)
{
	return maps_advise(&model->maps[op->actor], op, out);
}

/* What a child does with what it inherited; what it stores privately is lost with it. */
static long use_inherited(const struct maps *maps, const struct op *op,
			  struct outcome *out)
{
	return maps->map[op->map].shared ? maps_store(maps, op, out)
					 : maps_load(maps, op, out);
}

static void describe_fork(const struct op *op, struct outcome *out)
{
	say(out, "a child's map %u and slot %u, %zu", op->map, op->slot, op->length);
}

/* In a child: its words come back through shared memory. */
static long in_child(struct side *side, const struct op *op, struct outcome *out,
		     long (*act)(struct side *, const struct op *, struct outcome *))
{
	struct outcome *common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (common == MAP_FAILED)
		return -ENOMEM;
	*common = *out;
	common->result = -ECHILD;
	pid = fork();
	if (pid == 0) {
		common->result = act(side, op, common);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	*out = *common;
	munmap(common, sizeof(*common));
	return out->result;
}

static long fork_reads(struct side *side, const struct op *op, struct outcome *out)
{
	long r = use_inherited(&side->maps, op, out);
	long n = mount_read(side, op, out);

	say(out, " then read %ld", n);
	/* Its end would do so in an order of its own. */
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		side_close(side, slot);
	return r;
}

static long mount_fork(struct side *side, const struct op *op, struct outcome *out)
{
	return in_child(side, op, out, fork_reads);
}

/* Nothing tells a child from its parent, nor what it closes. */
static long model_fork(struct model *model, const struct op *op, struct outcome *out)
{
	long r = use_inherited(&model->maps[op->actor], op, out);
	long n = model_read(model, op, out);

	say(out, " then read %ld", n);
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		if (model->slots[op->actor][slot])
			pending_flush(model, model->slots[op->actor][slot]);
	return r;
}

const struct call map_calls[] = {
	{ "mmap", 90, MAY_BOTH, maps_describe, mount_mmap, model_mmap, NULL },
	{ "munmap", 4, MAY_BOTH | NEEDS_SHARING, describe_map, mount_munmap, model_munmap,
	  NULL },
	{ "load", 35, MAY_BOTH | NEEDS_SHARING, describe_map, mount_load, model_load,
	  NULL },
	{ "store", 60, MAY_BOTH | NEEDS_SHARING, describe_map, mount_store, model_store,
	  NULL },
	{ "mprotect", 10, MAY_BOTH | NEEDS_SHARING, describe_map, mount_mprotect,
	  model_mprotect, NULL },
	{ "madvise", 8, MAY_BOTH | NEEDS_SHARING, describe_map, mount_madvise,
	  model_madvise, NULL },
	{ "fork", 8, MAY_BOTH | NEEDS_SHARING, describe_fork, mount_fork, model_fork,
	  NULL },
	{ 0 },
};
