/* SPDX-License-Identifier: MIT */
/*
 * Passes texts from process to process through a mailbox in a heap, which holds one text:
 * a mutex protects it, and a condition tells of changes. Whoever is killed in between
 * holds nobody up.
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
	char text[256]; /* empty: none */
};

/* Waits until there is a text, or until there is none, and holds the mutex then. */
static int wait_for(struct shmfs_heap *heap, struct mailbox *box, int full)
{
	int r = shmfs_mutex_lock(heap, &box->mutex);

	while (r == -EOWNERDEAD || (r == 0 && (box->text[0] != '\0') != full)) {
		/* A sender stores the first byte last: the text is whole or not there. */
		if (r == -EOWNERDEAD)
			r = shmfs_mutex_consistent(heap, &box->mutex);
		else
			r = shmfs_condition_wait(heap, &box->changed, &box->mutex);
	}
	return r;
}

static int change(struct shmfs_heap *heap, struct mailbox *box, char first)
{
	box->text[0] = first;
	shmfs_condition_broadcast(heap, &box->changed);
	return shmfs_mutex_unlock(heap, &box->mutex);
}

static int send(struct shmfs_heap *heap, struct mailbox *box, const char *text)
{
	int r = wait_for(heap, box, 0);

	if (r < 0)
		return r;
	snprintf(box->text + 1, sizeof(box->text) - 1, "%s", text[0] ? text + 1 : "");
	return change(heap, box, text[0]);
}

static int receive(struct shmfs_heap *heap, struct mailbox *box)
{
	int r = wait_for(heap, box, 1);

	if (r < 0)
		return r;
	printf("%s\n", box->text);
	return change(heap, box, '\0');
}

int main(int argc, char **argv)
{
	struct shmfs_heap *heap;
	void *box;
	int r;

	if (argc < 3)
		return 2;
	r = shmfs_heap_open("mailbox", SHMFS_OPEN_OR_CREATE, NULL, &heap);
	if (r == 0)
		r = shmfs_heap_find_or_construct(heap, "mailbox", 1,
						 sizeof(struct mailbox), NULL, &box);
	if (strcmp(argv[1], "send") == 0) {
		for (int i = 2; r == 0 && i < argc; i++)
			r = send(heap, box, argv[i]);
	} else {
		for (int n = atoi(argv[2]); r == 0 && n > 0; n--)
			r = receive(heap, box);
	}
	if (r < 0)
		fprintf(stderr, "mailbox: %s\n", strerror(-r));
	return r < 0;
}
