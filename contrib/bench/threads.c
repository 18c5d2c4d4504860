/* SPDX-License-Identifier: MIT */
/*
 * The same operations by several threads at once, each with a file of its own, so that
 * what they wait for is the file system and not each other. The time of one operation is
 * then the time that all of them took, divided by how many there were.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "clock.h"

#define N_THREADS   4U
#define THREAD_DATA (4 * MIB)

struct worker {
	struct bench bench;
	char name[32];
	char buffer[4 * KIB];
	pthread_t thread;
	pthread_barrier_t *start;
	batch_fn *batch;
	size_t size;
	uint64_t count;
	int result;
};

static void *work(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(w->start);
	w->result = w->batch(&w->bench, w->size, w->count);
	return NULL;
}

/* The first result that is none: all threads must have worked. */
static int join_all(struct bench *b)
{
	int r = 0;

	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(b->workers[i].thread, NULL);
		if (r == 0)
			r = b->workers[i].result;
	}
	return r;
}

/* A thread that cannot be made would leave the others waiting: there is no way on. */
static void start_all(struct bench *b)
{
	for (unsigned i = 0; i < N_THREADS; i++) {
		if (pthread_create(&b->workers[i].thread, NULL, work, &b->workers[i]) !=
		    0) {
			fputs("bench: cannot make threads\n", stderr);
			abort();
		}
	}
}

static int in_threads(struct bench *b, batch_fn *batch, size_t size, uint64_t count)
{
	pthread_barrier_t start;
	int r;

	pthread_barrier_init(&start, NULL, N_THREADS + 1);
	for (unsigned i = 0; i < N_THREADS; i++) {
		b->workers[i].start = &start;
		b->workers[i].batch = batch;
		b->workers[i].size = size;
		b->workers[i].count = (count + N_THREADS - 1) / N_THREADS;
	}
	start_all(b);
	clock_start(b->clock);
	pthread_barrier_wait(&start);
	r = join_all(b);
	clock_stop(b->clock);
	pthread_barrier_destroy(&start);
	return r;
}

static int batch_open_close_threads(struct bench *b, size_t size, uint64_t count)
{
	return in_threads(b, batch_open_close, size, count);
}

static int batch_stat_threads(struct bench *b, size_t size, uint64_t count)
{
	return in_threads(b, batch_stat, size, count);
}

static int batch_pread_threads(struct bench *b, size_t size, uint64_t count)
{
	return in_threads(b, batch_pread, size, count);
}

static int batch_pwrite_threads(struct bench *b, size_t size, uint64_t count)
{
	return in_threads(b, batch_pwrite, size, count);
}

static void remove_workers(struct bench *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		data_remove(&b->workers[i].bench);
	free(b->workers);
	b->workers = NULL;
}

static int make_worker(const struct bench *b, struct worker *w, unsigned number)
{
	int r;

	snprintf(w->name, sizeof(w->name), "bench-thread-%u", number);
	w->bench.data_name = w->name;
	w->bench.data_size = THREAD_DATA;
	w->bench.native = -1;
	/* Filled from the large one, worked with a small one of its own. */
	w->bench.buffer = b->buffer;
	r = data_make(&w->bench);
	w->bench.buffer = w->buffer;
	return r;
}

static int setup_workers(struct bench *b)
{
	int r = 0;

	b->workers = calloc(N_THREADS, sizeof(*b->workers));
	if (!b->workers)
		return -ENOMEM;
	for (unsigned i = 0; i < N_THREADS && r == 0; i++) {
		r = make_worker(b, &b->workers[i], i);
		if (r < 0)
			remove_workers(b, i);
	}
	return r;
}

static void teardown_workers(struct bench *b)
{
	remove_workers(b, N_THREADS);
}

const struct op thread_ops[] = {
	{ .name = "open-close-4t",
	  .batch = batch_open_close_threads,
	  .setup = setup_workers,
	  .teardown = teardown_workers },
	{ .name = "stat-4t",
	  .batch = batch_stat_threads,
	  .setup = setup_workers,
	  .teardown = teardown_workers },
	{ .name = "pread-4k-4t",
	  .batch = batch_pread_threads,
	  .size = 4 * KIB,
	  .setup = setup_workers,
	  .teardown = teardown_workers },
	{ .name = "pwrite-4k-4t",
	  .batch = batch_pwrite_threads,
	  .size = 4 * KIB,
	  .setup = setup_workers,
	  .teardown = teardown_workers },
	{ .name = NULL },
};
