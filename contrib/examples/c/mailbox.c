/* SPDX-License-Identifier: MIT */
/*
 * Passes texts from process to process through a mailbox in a heap, which holds one text:
 * a mutex protects it, and a condition tells of changes. A process that is killed in
 * between holds nobody up.
 *
 * usage: mailbox send TEXT... | mailbox receive COUNT
 *
 * mailbox.cpp does the same with Boost.Interprocess.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmfs/condition.h>

struct mailbox {
	struct shmfs_mutex mutex;
	struct shmfs_condition changed;
	int full; /* changed last: a text is there as a whole, or not */
	char text[256];
};

/* Puts @text in as soon as there is room; without one takes a text out and prints it. */
static int pass(struct shmfs_heap *heap, struct mailbox *box, const char *text)
{
	int r = shmfs_mutex_lock(heap, &box->mutex);

	while (r == -EOWNERDEAD || (r == 0 && box->full == (text != NULL)))
		/* If the last holder died, there is nothing to repair. */
		r = r < 0 ? shmfs_mutex_consistent(heap, &box->mutex)
			  : shmfs_condition_wait(heap, &box->changed, &box->mutex);
	if (r < 0)
		return r;
	if (text)
		snprintf(box->text, sizeof(box->text), "%s", text);
	else
		printf("%s\n", box->text);
	box->full = text != NULL;
	shmfs_condition_broadcast(heap, &box->changed);
	return shmfs_mutex_unlock(heap, &box->mutex);
}

int main(int argc, char **argv)
{
	int send = argc > 2 && strcmp(argv[1], "send") == 0;
	int n = argc < 3 ? 0 : send ? argc - 2 : atoi(argv[2]);
	struct shmfs_heap *heap;
	void *box;
	int r;

	r = shmfs_heap_open("mailbox", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_heap_find_or_construct(heap, "mailbox", 1,
						 sizeof(struct mailbox), NULL, &box);
	for (int i = 0; r == 0 && i < n; i++)
		r = pass(heap, box, send ? argv[2 + i] : NULL);
	if (r < 0)
		fprintf(stderr, "mailbox: %s\n", strerror(-r));
	return r < 0;
}
