/* SPDX-License-Identifier: MIT */
/*
 * Keeps a text in a heap, which many processes read at once and one at a time writes. A
 * process that is killed in between holds nobody up. One that is killed while it writes
 * may leave half a text, so the next to come writes an empty one.
 *
 * usage: rwlock get | rwlock set TEXT
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <shmfs/rwlock.h>

struct text {
	struct shmfs_rwlock lock;
	char text[256];
};

/* The caller holds the lock alone if a writer has died. */
static int repair(struct shmfs_heap *heap, struct text *t, int r)
{
	if (r != -EOWNERDEAD)
		return r;
	memset(t->text, 0, sizeof(t->text));
	return shmfs_rwlock_consistent(heap, &t->lock);
}

static int get(struct shmfs_heap *heap, struct text *t)
{
	int r = repair(heap, t, shmfs_rwlock_lock_shared(heap, &t->lock));

	if (r < 0)
		return r;
	printf("%.*s\n", (int)sizeof(t->text), t->text);
	return shmfs_rwlock_unlock(heap, &t->lock);
}

static int set(struct shmfs_heap *heap, struct text *t, const char *text)
{
	int r = repair(heap, t, shmfs_rwlock_lock_exclusive(heap, &t->lock));

	if (r < 0)
		return r;
	snprintf(t->text, sizeof(t->text), "%s", text);
	return shmfs_rwlock_unlock(heap, &t->lock);
}

int main(int argc, char **argv)
{
	struct shmfs_heap *heap;
	void *text;
	int r;

	if (argc < 2 || (strcmp(argv[1], "set") == 0) != (argc == 3))
		return 2;
	r = shmfs_heap_open("example-rwlock", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_heap_find_or_construct(heap, "text", 1, sizeof(struct text),
						 NULL, &text);
	if (r == 0)
		r = argc == 3 ? set(heap, text, argv[2]) : get(heap, text);
	if (r < 0)
		fprintf(stderr, "rwlock: %s\n", strerror(-r));
	return r < 0;
}
