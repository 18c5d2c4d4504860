/* SPDX-License-Identifier: MIT */
/*
 * A stream over all segments of the IPC namespace, as they were when it was opened or
 * rewound. Segments have an order, that of their identifiers, and so have positions: the
 * one behind a segment stays behind it whatever comes and goes.
 */
#include <stdlib.h>
#include <string.h>

#include "native/sysv-list.h"
#include "native/sysv-name.h"
#include "native/sysv-table.h"

struct native_list {
	struct sysv_table *table;
	size_t at;        /* the row to be given next */
	int64_t position; /* that which @at belongs to */
	char name[SYSV_NAME_SIZE];
};

/* Behind ".", behind "..", and behind segment 0. */
enum {
	BEHIND_DOT = 1,
	BEHIND_DOTS,
	BEHIND_FIRST,
};

int sysv_list_open(struct kind *k, const struct caller *caller, struct native_list **ret)
{
	struct native_list *l = calloc(1, sizeof(*l));

	(void)k;
	(void)caller;
	if (!l)
		return -ENOMEM;
	/* Read when it is asked for first, which is at its beginning. */
	*ret = l;
	return 0;
}

/* Segments have an order: where it stood is told with what is asked next. */
int sysv_list_adopt(int *fd, struct native_list **ret)
{
	(void)fd;
	return sysv_list_open(NULL, NULL, ret);
}

void sysv_list_close(struct native_list *l)
{
	sysv_table_free(l->table);
	free(l);
}

static int rewind_to_start(struct native_list *l)
{
	struct sysv_table *table;
	int r = sysv_table_read(&table);

	if (r < 0)
		return r;
	sysv_table_free(l->table);
	l->table = table;
	l->at = 0;
	return 0;
}

static int64_t behind(const struct sysv_row *row)
{
	return BEHIND_FIRST + (int64_t)row->shmid;
}

static void seek_to(struct native_list *l, int64_t position)
{
	const struct sysv_table *t = l->table;

	if (position == l->position)
		return;
	for (l->at = 0; l->at < t->n && behind(&t->rows[l->at]) <= position; l->at++)
		;
}

static int give_dots(struct native_list *l, int64_t position, struct list_entry *ret)
{
	strcpy(l->name, position < BEHIND_DOT ? "." : "..");
	*ret = (struct list_entry){
		.name = l->name,
		.inode = SYSV_ROOT_INODE,
		.type = S_IFDIR,
		.next = position + 1,
	};
	return 1;
}

/*
 * readdir(3) passes over entries of inode 0, so the entry has another. It must not come
 * with its attributes, which have that inode, as those of regular files do.
 */
static void hide_inode(struct list_entry *entry)
{
	entry->inode = SYSV_ROOT_INODE;
	entry->type = 0;
}

int sysv_list_next(struct native_list *l, int64_t position, struct list_entry *ret)
{
	const struct sysv_row *row;
	int r;

	if (position == 0 || !l->table) {
		r = rewind_to_start(l);
		if (r < 0)
			return r;
		l->position = BEHIND_DOTS;
	}
	if (position < BEHIND_DOTS)
		return give_dots(l, position, ret);
	seek_to(l, position);
	l->position = position;
	if (l->at == l->table->n)
		return 0;
	row = &l->table->rows[l->at++];
	sysv_name_format(row->key, row->shmid, l->name);
	l->position = behind(row);
	*ret = (struct list_entry){
		.name = l->name,
		.inode = (uint64_t)row->shmid,
		.type = S_IFREG,
		.next = l->position,
	};
	if (row->shmid == 0)
		hide_inode(ret);
	return 1;
}
