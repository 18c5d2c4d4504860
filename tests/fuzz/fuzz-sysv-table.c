/* SPDX-License-Identifier: MIT */
/* The table of System V segments: whatever text is taken for one is a table in order. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "native/sysv-table.h"
#include "target.h"
#include "util/cleanup.h"

static void check(const struct sysv_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct sysv_row *row = &t->rows[i];

		must(row->shmid >= 0);
		must(i == 0 || row->shmid > row[-1].shmid);
		must(row->cpid >= 0 && row->lpid >= 0);
		must(row->atime >= 0 && row->dtime >= 0 && row->ctime >= 0);
		must(sysv_table_find(t, row->shmid) == row);
	}
	must(!sysv_table_find(t, -1));
}

static void print_row(FILE *f, const struct sysv_row *row)
{
	fprintf(f, "%10d %10d  %4o %21" PRIu64 " %5u %5u  %5" PRIu64 " ", row->key,
		row->shmid, row->perms, row->size, row->cpid, row->lpid, row->nattch);
	fprintf(f, "%5u %5u %5u %5u ", row->uid, row->gid, row->cuid, row->cgid);
	fprintf(f, "%10" PRId64 " %10" PRId64 " %10" PRId64 " ", row->atime, row->dtime,
		row->ctime);
	fprintf(f, "%21" PRIu64 " %21" PRIu64 "\n", row->rss, row->swap);
}

/* As the kernel writes it. */
static char *print(const struct sysv_table *t, size_t *ret_size)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_size);

	must(f);
	fprintf(f, "key shmid perms size cpid lpid nattch uid gid cuid cgid "
		   "atime dtime ctime rss swap\n");
	for (size_t i = 0; i < t->n; i++)
		print_row(f, &t->rows[i]);
	must(fclose(f) == 0);
	return text;
}

/* A table must be the same again when it was written and read. */
static void check_again(const struct sysv_table *t)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *again = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;
	size_t size, size_again;

	text = print(t, &size);
	must(sysv_table_parse(text, size, &again) == 0);
	text_again = print(again, &size_again);
	must(size == size_again && !memcmp(text, text_again, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cleanup_sysv_table) struct sysv_table *t = NULL;
	int r = sysv_table_parse((const char *)data, size, &t);

	must(r == 0 || r == -EINVAL);
	must((r == 0) == (t != NULL));
	if (r < 0)
		return 0;
	check(t);
	check_again(t);
	return 0;
}
