/* SPDX-License-Identifier: MIT */
/* One buffer for each thread that serves, as large as the largest reply that it made. */
#include <pthread.h>
#include <stdlib.h>

#include "daemon/buffer.h"

/* An answer has at most 65535 pages: who asks for more shall not have it allocated. */
#define SIZE_LIMIT ((size_t)256 << 20)

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct buffer {
	size_t size;
	char data[];
};

static void make_key(void)
{
	if (pthread_key_create(&key, free) != 0)
		abort();
}

char *thread_buffer(size_t size)
{
	struct buffer *b;

	if (size > SIZE_LIMIT)
		return NULL;
	pthread_once(&once, make_key);
	b = pthread_getspecific(key);
	if (b && b->size >= size)
		return b->data;
	free(b);
	b = malloc(sizeof(*b) + size);
	if (b)
		b->size = size;
	pthread_setspecific(key, b);
	return b ? b->data : NULL;
}
