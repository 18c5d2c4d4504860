/* SPDX-License-Identifier: MIT */
/*
 * One mapping that is shared with processes cloned from this one. Its pages come when
 * they are written to, so that it is as large as it could ever be needed. What writes to
 * it may end between any two instructions, but all that it has written stays: so it is
 * the compiler alone that must keep the order.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/ledger.h"

#define PAGE 4096

/* Records there is room for: at most so many, and where that is refused fewer. */
#if UINTPTR_MAX > UINT32_MAX
#define NODES_MOST (1u << 26)
#else
#define NODES_MOST (1u << 20)
#endif
#define NODES_LEAST (1u << 20)
#define FILES_SHARE 8 /* of nodes for one open file */

static size_t pages(size_t n, size_t size)
{
	return (n * size + PAGE - 1) / PAGE * PAGE;
}

static int map(struct ledger *l, uint32_t nodes)
{
	uint32_t files = nodes / FILES_SHARE;
	size_t of_nodes = pages(nodes, sizeof(struct ledger_node));
	size_t of_files = pages(files, sizeof(struct ledger_file));
	size_t of_dirs = pages(files, sizeof(struct ledger_dir));
	size_t of_locks = pages(files, sizeof(struct ledger_lock));
	size_t size = PAGE + of_nodes + of_files + of_dirs + of_locks;
	char *region = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (region == MAP_FAILED)
		return -ENOMEM;
	*l = (struct ledger){
		.state = (void *)region,
		.nodes = (void *)(region + PAGE),
		.files = (void *)(region + PAGE + of_nodes),
		.dirs = (void *)(region + PAGE + of_nodes + of_files),
		.locks = (void *)(region + PAGE + of_nodes + of_files + of_dirs),
		.max_nodes = nodes,
		.max_files = files,
		.size = size,
	};
	return 0;
}

/* Whether memory counts as used that is only reserved: vm.overcommit_memory is 2. */
static bool reserving_takes(void)
{
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
	char mode = '0';
	bool known = fd >= 0 && read(fd, &mode, 1) == 1;

	close_fd(fd);
	return known && mode == '2';
}

int ledger_new(struct ledger **ret)
{
	struct ledger *l = malloc(sizeof(*l));
	uint32_t nodes = reserving_takes() ? NODES_LEAST : NODES_MOST;
	int r;

	if (!l)
		return -ENOMEM;
	while ((r = map(l, nodes)) < 0 && nodes > NODES_LEAST)
		nodes /= 2;
	if (r < 0)
		free(l);
	else
		*ret = l;
	return r;
}

struct ledger *ledger_free(struct ledger *l)
{
	if (l)
		munmap(l->state, l->size);
	free(l);
	return NULL;
}

/* Makes a record count whose rest is written, or not count before that goes. */
static void publish(uint64_t *first, uint64_t value)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)first = value;
	atomic_signal_fence(memory_order_seq_cst);
}

/* Before a record is written: whoever reads must look that far. */
static void reach(struct ledger_numbers *n, uint32_t at)
{
	if (at >= n->end)
		n->end = at + 1;
}

static void gone(struct ledger_numbers *n, uint64_t number)
{
	if (slots_uses(number) >= n->uses)
		n->uses = slots_uses(number) + 1;
}

/*
 * Nodes
 */
static struct ledger_node *node_of(struct ledger *l, uint64_t number)
{
	return &l->nodes[slots_index(number)];
}

static struct ledger_node *page_of(struct ledger *l, uint32_t at)
{
	return &l->nodes[at / SLOTS_CHUNK * SLOTS_CHUNK];
}

int ledger_add_node(struct ledger *l, uint64_t number, const struct object_id *id)
{
	uint32_t at = slots_index(number);
	struct ledger_node *n;

	if (!l)
		return 0;
	if (at >= l->max_nodes)
		return -ENOMEM;
	reach(&l->state->nodes, at);
	n = node_of(l, number);
	n->id = *id;
	n->lookups = 0;
	page_of(l, at)->in_page++;
	publish(&n->number, number);
	return 0;
}

void ledger_set_lookups(struct ledger *l, uint64_t number, uint64_t lookups)
{
	if (l)
		node_of(l, number)->lookups = lookups;
}

void ledger_remove_node(struct ledger *l, uint64_t number)
{
	if (!l)
		return;
	gone(&l->state->nodes, number);
	publish(&node_of(l, number)->number, 0);
	page_of(l, slots_index(number))->in_page--;
}

void ledger_trim(struct ledger *l)
{
	uint32_t end = l ? l->state->nodes.end : 0;
	uint32_t at = 0, from;

	while (at < end) {
		for (from = at; at < end && page_of(l, at)->in_page == 0;)
			at += SLOTS_CHUNK;
		if (at > from)
			madvise(&l->nodes[from], (size_t)(at - from) / SLOTS_CHUNK * PAGE,
				MADV_REMOVE);
		else
			at += SLOTS_CHUNK;
	}
}

/*
 * What is open
 */
int ledger_add_file(struct ledger *l, const struct ledger_file *f)
{
	uint32_t at = slots_index(f->number);
	struct ledger_file *to;

	if (!l)
		return 0;
	if (at >= l->max_files)
		return -ENFILE;
	reach(&l->state->files, at);
	to = &l->files[at];
	memcpy(&to->node, &f->node, sizeof(*f) - sizeof(f->number));
	publish(&to->number, f->number);
	return 0;
}

void ledger_remove_file(struct ledger *l, uint64_t number)
{
	if (!l)
		return;
	gone(&l->state->files, number);
	publish(&l->files[slots_index(number)].number, 0);
}

int ledger_add_dir(struct ledger *l, const struct ledger_dir *d)
{
	uint32_t at = slots_index(d->number);
	struct ledger_dir *to;

	if (!l)
		return 0;
	if (at >= l->max_files)
		return -ENFILE;
	reach(&l->state->dirs, at);
	to = &l->dirs[at];
	to->request = d->request;
	to->fd = d->fd;
	to->uid = d->uid;
	publish(&to->number, d->number);
	return 0;
}

void ledger_remove_dir(struct ledger *l, uint64_t number)
{
	if (!l)
		return;
	gone(&l->state->dirs, number);
	publish(&l->dirs[slots_index(number)].number, 0);
}

/*
 * Locks
 */
int ledger_set_lock(struct ledger *l, int fd, const struct ledger_lock *lock)
{
	struct ledger_lock *to;

	if (!l)
		return 0;
	if ((uint32_t)fd >= l->max_files)
		return -ENOLCK;
	to = &l->locks[fd];
	to->owner = lock->owner;
	to->pid = lock->pid;
	to->uid = lock->uid;
	to->flock = lock->flock;
	to->writable = lock->writable;
	publish(&to->file, lock->file);
	return 0;
}

void ledger_remove_lock(struct ledger *l, int fd)
{
	if (l && fd >= 0)
		publish(&l->locks[fd].file, 0);
}

const struct ledger_lock *ledger_lock_of(const struct ledger *l, int fd)
{
	bool is = (uint32_t)fd < l->max_files && l->locks[fd].file;

	return is ? &l->locks[fd] : NULL;
}
