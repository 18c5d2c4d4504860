/* SPDX-License-Identifier: MIT */
/*
 * The kernel writes the table a page at a time, and lets segments come and go between two
 * pages: those are in it or not. All others are, since it goes on behind the place of the
 * last row, whatever number of rows is before that. Kernels about Linux 5.6 repeat a row
 * for each free place before it: the last one counts, as the news.
 *
 * Columns are found by their names, since more of them came in the past.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "native/sysv-table.h"
#include "util/number.h"

/* Linux 6 has 16. */
#define COLUMNS_MAX 64

#define TEXT_FIRST (16 * 1024)

/* A column that goes into a row. */
struct field {
	const char *name;
	size_t offset, size; /* in the row */
	unsigned int base;
	uint64_t below, above; /* how far from 0 it may be */
};

#define FIELD(member, base_, below_, above_)                                        \
	{                                                                           \
		.name = #member, .offset = offsetof(struct sysv_row, member),       \
		.size = sizeof(((struct sysv_row *)NULL)->member), .base = (base_), \
		.below = (below_), .above = (above_),                               \
	}

static const struct field fields[] = {
	FIELD(key, 10, (uint64_t)INT_MAX + 1, INT_MAX),
	FIELD(shmid, 10, 0, INT_MAX),
	FIELD(perms, 8, 0, UINT_MAX),
	FIELD(size, 10, 0, UINT64_MAX),
	FIELD(cpid, 10, 0, INT_MAX),
	FIELD(lpid, 10, 0, INT_MAX),
	FIELD(nattch, 10, 0, UINT64_MAX),
	FIELD(uid, 10, 0, UINT_MAX),
	FIELD(gid, 10, 0, UINT_MAX),
	FIELD(cuid, 10, 0, UINT_MAX),
	FIELD(cgid, 10, 0, UINT_MAX),
	FIELD(atime, 10, 0, INT64_MAX),
	FIELD(dtime, 10, 0, INT64_MAX),
	FIELD(ctime, 10, 0, INT64_MAX),
	FIELD(rss, 10, 0, UINT64_MAX),
	FIELD(swap, 10, 0, UINT64_MAX),
};
#define FIELDS (sizeof(fields) / sizeof(*fields))

/* What the header line says of the places in the lines below it. */
struct columns {
	size_t n;
	const struct field *at[COLUMNS_MAX]; /* NULL: nothing that we know */
};

/* A part of the text. */
struct span {
	const char *s;
	size_t n;
};

/* Cuts the first line off @text. */
static int cut_line(struct span *text, struct span *ret)
{
	const char *end = memchr(text->s, '\n', text->n);

	if (!end)
		return -EINVAL;
	*ret = (struct span){ text->s, (size_t)(end - text->s) };
	text->s += ret->n + 1;
	text->n -= ret->n + 1;
	return 0;
}

/* Cuts the first word off @line: of no length if there is none. */
static struct span cut_word(struct span *line)
{
	const char *end = line->s + line->n, *from = line->s, *to;

	while (from < end && *from == ' ')
		from++;
	for (to = from; to < end && *to != ' ';)
		to++;
	*line = (struct span){ to, (size_t)(end - to) };
	return (struct span){ from, (size_t)(to - from) };
}

static const struct field *field_of(struct span name)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strlen(fields[i].name) == name.n &&
		    !memcmp(fields[i].name, name.s, name.n))
			return &fields[i];
	return NULL;
}

/* Each field must be there, once. */
static int parse_header(struct span line, struct columns *ret)
{
	bool seen[FIELDS] = { false };
	struct span name;
	size_t found = 0;

	for (ret->n = 0; name = cut_word(&line), name.n; ret->n++) {
		const struct field *f = field_of(name);

		if (ret->n == COLUMNS_MAX || (f && seen[f - fields]))
			return -EINVAL;
		ret->at[ret->n] = f;
		if (f) {
			seen[f - fields] = true;
			found++;
		}
	}
	return found == FIELDS ? 0 : -EINVAL;
}

static void store(struct sysv_row *row, const struct field *f, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;
	char *to = (char *)row + f->offset;

	if (f->size == sizeof(narrow))
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &value, sizeof(value));
}

static int parse_field(struct span word, const struct field *f, struct sysv_row *row)
{
	bool negative = f->below && word.s[0] == '-';
	uint64_t value;
	int r;

	if (negative)
		r = number_parse(word.s + 1, word.n - 1, f->base, f->below, &value);
	else
		r = number_parse(word.s, word.n, f->base, f->above, &value);
	if (r < 0)
		return r;
	store(row, f, negative ? -value : value);
	return 0;
}

static int parse_row(struct span line, const struct columns *columns,
		     struct sysv_row *row)
{
	for (size_t i = 0; i < columns->n; i++) {
		struct span word = cut_word(&line);
		int r;

		if (!word.n)
			return -EINVAL;
		r = columns->at[i] ? parse_field(word, columns->at[i], row) : 0;
		if (r < 0)
			return r;
	}
	return cut_word(&line).n ? -EINVAL : 0;
}

static size_t count_lines(struct span text)
{
	struct span line;
	size_t n = 0;

	while (!cut_line(&text, &line))
		n++;
	return n;
}

static int parse_rows(struct span text, const struct columns *columns,
		      struct sysv_row *rows, size_t *ret_n)
{
	struct span line;
	size_t n = 0;
	int r;

	while (text.n) {
		r = cut_line(&text, &line);
		if (r < 0)
			return r;
		r = parse_row(line, columns, &rows[n]);
		if (r < 0)
			return r;
		n++;
	}
	*ret_n = n;
	return 0;
}

/* Where the row of a segment is. */
struct place {
	int shmid;
	size_t i;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->shmid != y->shmid)
		return x->shmid < y->shmid ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

/* Puts @rows in order, and of equal ones the last alone. */
static int arrange(const struct sysv_row *rows, size_t n, struct sysv_table **ret)
{
	_cleanup_free_ struct place *places = calloc(n + 1, sizeof(*places));
	struct sysv_table *t = places ? malloc(sizeof(*t) + n * sizeof(*rows)) : NULL;

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){ .shmid = rows[i].shmid, .i = i };
	qsort(places, n, sizeof(*places), compare_places);
	t->n = 0;
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || places[i].shmid != places[i + 1].shmid)
			t->rows[t->n++] = rows[places[i].i];
	*ret = t;
	return 0;
}

int sysv_table_parse(const char *text, size_t size, struct sysv_table **ret)
{
	_cleanup_free_ struct sysv_row *rows = NULL;
	struct span rest = { text, size }, header;
	struct columns columns;
	size_t n;
	int r;

	r = cut_line(&rest, &header);
	if (r < 0)
		return r;
	r = parse_header(header, &columns);
	if (r < 0)
		return r;
	rows = calloc(count_lines(rest) + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	r = parse_rows(rest, &columns, rows, &n);
	if (r < 0)
		return r;
	return arrange(rows, n, ret);
}

/* Reads all of @fd, which does not say how much that is. @text is its owner's to free. */
static int read_all(int fd, char **text, size_t *size)
{
	size_t room = 0;
	ssize_t n;

	*size = 0;
	do {
		if (*size == room) {
			size_t larger = room ? room * 2 : TEXT_FIRST;
			char *more = realloc(*text, larger);

			if (!more)
				return -ENOMEM;
			*text = more;
			room = larger;
		}
		n = read(fd, *text + *size, room - *size);
		if (n < 0)
			return -errno;
		*size += (size_t)n;
	} while (n > 0);
	return 0;
}

int sysv_table_read(struct sysv_table **ret)
{
	_cleanup_close_ int fd = open("/proc/sysvipc/shm", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, &text, &size);
	if (r < 0)
		return r;
	return sysv_table_parse(text, size, ret);
}

struct sysv_table *sysv_table_free(struct sysv_table *t)
{
	free(t);
	return NULL;
}

static int compare_shmid(const void *key, const void *row)
{
	int shmid = *(const int *)key, other = ((const struct sysv_row *)row)->shmid;

	return (shmid > other) - (shmid < other);
}

const struct sysv_row *sysv_table_find(const struct sysv_table *t, int shmid)
{
	return bsearch(&shmid, t->rows, t->n, sizeof(t->rows[0]), compare_shmid);
}
