/* SPDX-License-Identifier: MIT */
/* The columns of Linux 6; a kernel with others ends the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"

struct columns {
	int key, id;
	unsigned int perms;
	unsigned long size;
	int cpid, lpid;
	unsigned long nattch;
	unsigned int uid, gid, cuid, cgid;
	long long atime, dtime, ctime;
	unsigned long rss, swap;
};

const char *people_name(const struct people *people, pid_t pid)
{
	if (pid == 0)
		return "nobody";
	if (pid == people->mount)
		return "mount";
	return pid == people->native ? "native" : "another";
}

void say_when(struct outcome *out, const char *what, int64_t seconds)
{
	if (seconds == 0)
		say(out, " %s never", what);
	else
		say(out, " %s @%lld", what, (long long)seconds);
}

void say_memory(struct outcome *out, uint64_t value)
{
	say(out, " ~%llu", (unsigned long long)value);
}

/* Compares the numbers behind a mark, and passes over them. */
static bool numbers_equal(const char **a, const char **b, int64_t tolerance)
{
	char *a_end, *b_end;
	int64_t apart = strtoll(*a + 1, &a_end, 10) - strtoll(*b + 1, &b_end, 10);

	*a = a_end;
	*b = b_end;
	return apart <= tolerance && -apart <= tolerance;
}

bool words_equal(const char *a, const char *b, int64_t seconds, bool memory)
{
	while (*a == *b && *a) {
		int64_t tolerance = *a == '@' ? seconds : memory ? 0 : INT64_MAX;

		if (*a != '@' && *a != '~') {
			a++;
			b++;
		} else if (!numbers_equal(&a, &b, tolerance)) {
			return false;
		}
	}
	return *a == *b;
}

static bool parse(const char *line, struct columns *c)
{
	return sscanf(line, "%d %d %o %lu %d %d %lu %u %u %u %u %lld %lld %lld %lu %lu",
		      &c->key, &c->id, &c->perms, &c->size, &c->cpid, &c->lpid,
		      &c->nattch, &c->uid, &c->gid, &c->cuid, &c->cgid, &c->atime,
		      &c->dtime, &c->ctime, &c->rss, &c->swap) == 16;
}

static void put_into_words(const struct columns *c, const struct people *people,
			   struct row *ret)
{
	struct outcome *out = &ret->words;

	*ret = (struct row){ .key = c->key, .id = c->id, .used = c->rss + c->swap };
	outcome_start(out);
	say(out, "%08x id %d %05o, %lu bytes, by %s, last %s, %lu attached, ",
	    (unsigned int)c->key, c->id, c->perms, c->size, people_name(people, c->cpid),
	    people_name(people, c->lpid), c->nattch);
	say(out, "%u:%u made by %u:%u, uses", c->uid, c->gid, c->cuid, c->cgid);
	say_memory(out, ret->used);
	say_when(out, "a", c->atime);
	say_when(out, "d", c->dtime);
	say_when(out, "c", c->ctime);
}

static void need(bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "/proc/sysvipc/shm cannot be read\n");
	exit(1);
}

static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n;

	need(lseek(fd, 0, SEEK_SET) == 0);
	while ((n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	need(n == 0 && used < size - 1);
	text[used] = '\0';
}

void table_read(int fd, const struct people *people, struct table *ret)
{
	static char text[TABLE_ROWS * 256];
	struct columns columns;
	char *rest = NULL;

	read_all(fd, text, sizeof(text));
	ret->n = 0;
	need(strtok_r(text, "\n", &rest) != NULL);
	for (char *line; (line = strtok_r(NULL, "\n", &rest));) {
		need(ret->n < TABLE_ROWS && parse(line, &columns));
		ret->ids[ret->n] = columns.id;
		put_into_words(&columns, people, &ret->rows[ret->n++]);
	}
}

uint64_t table_used(const struct table *table, int id)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->ids[i] == id)
			return table->rows[i].used;
	return 0;
}
