/* SPDX-License-Identifier: MIT */
/*
 * Keeps lines of text in a mapped object, as a list of relative pointers. One process at
 * a time may add lines.
 *
 * usage: pointer [LINE...]
 *
 * Adds the lines, and without any prints those there are, the last one first.
 */
#include <stdio.h>
#include <string.h>

#include <shmfs/shmfs.h>

#define LINES 100

struct line {
	SHMFS_POINTER(struct line) next;
	char text[56];
};

struct page {
	SHMFS_POINTER(struct line) last;
	unsigned int n;
	struct line lines[LINES];
};

static int map(const char *name, struct shmfs_region **ret)
{
	struct shmfs_object *object;
	int r;

	r = shmfs_object_open(name, SHMFS_OPEN_OR_CREATE, SHMFS_READ_WRITE,
			      SHMFS_PERM_DEFAULT, &object);
	if (r < 0)
		return r;
	r = shmfs_object_reserve(object, sizeof(struct page));
	if (r == 0)
		r = shmfs_region_map(object, SHMFS_READ_WRITE, 0, sizeof(struct page),
				     NULL, 0, ret);
	shmfs_object_close(object);
	return r;
}

static void add(struct page *page, const char *text)
{
	struct line *line = &page->lines[page->n++];

	snprintf(line->text, sizeof(line->text), "%s", text);
	SHMFS_POINTER_SET(&line->next, SHMFS_POINTER_GET(&page->last));
	SHMFS_POINTER_SET(&page->last, line);
}

int main(int argc, char **argv)
{
	struct shmfs_region *region;
	struct line *line;
	struct page *page;
	int r = map("example-pointer", &region);

	if (r < 0) {
		fprintf(stderr, "example-pointer: %s\n", strerror(-r));
		return 1;
	}
	page = shmfs_region_address(region);
	for (int i = 1; i < argc && page->n < LINES; i++)
		add(page, argv[i]);
	line = argc > 1 ? NULL : SHMFS_POINTER_GET(&page->last);
	for (; line; line = SHMFS_POINTER_GET(&line->next))
		printf("%s\n", line->text);
	shmfs_region_unmap(region);
	return 0;
}
