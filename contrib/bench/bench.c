/* SPDX-License-Identifier: MIT */
/*
 * Measures what operations on files cost in one directory: a row an operation, see
 * print_help(). It knows nothing of what is mounted there; contrib/bench/run puts several
 * side by side.
 *
 * An operation is repeated in batches, each twice the one before, until a batch takes
 * long enough to be measured well; that last batch counts. A batch times only the
 * operation itself: what it needs to be there, or leaves behind, is made and removed with
 * the clock stopped.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "segments.h"

/* Larger than most processors' caches, small enough for any tmpfs. */
#define FILE_SIZE (16 * MIB)

/*
 * Larger than nearly all: copying from an attachment is the one operation that costs no
 * more than the memory does, so what is measured has to be that, and not a cache.
 */
#define SEGMENT_SIZE (64 * MIB)

/* With fewer delays there is no 99.9th percentile; more would not fit. */
#define SAMPLES_MIN 1000U
#define SAMPLES_MAX 100000U

static const struct op *const file_groups[] = { data_ops,   name_ops,  listing_ops,
						thread_ops, delay_ops, NULL };
static const struct op *const segment_file_groups[] = { segment_data_ops,
							segment_name_ops, NULL };
static const struct op *const map_file_groups[] = { segment_data_ops, segment_no_name_ops,
						    NULL };
static const struct op *const segment_groups[] = { segment_ops, NULL };

/* What is in a directory, and thus what can be done there. */
struct content {
	const char *name;
	const struct op *const *groups;
	size_t data_size;
	int (*make_data)(struct bench *b);
	void (*remove_data)(struct bench *b);
	char *(*map)(const struct bench *b);
	void (*unmap)(const struct bench *b, char *map);
};

static const struct content contents[] = {
	{ .name = "files",
	  .groups = file_groups,
	  .data_size = FILE_SIZE,
	  .make_data = data_make,
	  .remove_data = data_remove,
	  .map = data_map,
	  .unmap = data_unmap },
	{ .name = "segments",
	  .groups = segment_file_groups,
	  .data_size = SEGMENT_SIZE,
	  .make_data = segments_make_data,
	  .remove_data = segments_remove_data,
	  .map = data_map,
	  .unmap = data_unmap },
	{ .name = "map_files",
	  .groups = map_file_groups,
	  .data_size = SEGMENT_SIZE,
	  .make_data = segments_attach_data,
	  .remove_data = segments_detach_data,
	  .map = data_map,
	  .unmap = data_unmap },
	{ .name = "sysvipc",
	  .groups = segment_groups,
	  .data_size = SEGMENT_SIZE,
	  .make_data = segments_make_data,
	  .remove_data = segments_remove_data,
	  .map = segment_map,
	  .unmap = segment_unmap },
};

struct options {
	const struct content *content;
	bool list;
	uint64_t enough; /* nanoseconds that a batch takes at least */
	uint64_t count;  /* not 0: how often an operation is done instead */
};

/* Set by a signal. What was begun is brought to its end, so that no file is left. */
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static void stop_on_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

static int run_batch(struct bench *b, const struct op *op, uint64_t count)
{
	if (stopped)
		return -EINTR;
	clock_reset(b->clock);
	return op->batch(b, op->size, count);
}

static void print_batch(const struct bench *b, const struct op *op, uint64_t count)
{
	printf("%s\t%.1f\t%" PRIu64 "\t%.1f\t-\n", op->name,
	       (double)b->clock->spent / (double)count, count,
	       (double)b->clock->cpu / (double)count);
}

static int measure(struct bench *b, const struct op *op, uint64_t enough)
{
	uint64_t count = 1;
	int r = run_batch(b, op, count);

	while (r == 0 && b->clock->spent < enough) {
		count *= 2;
		r = run_batch(b, op, count);
	}
	if (r == 0)
		print_batch(b, op, count);
	return r;
}

/* The gate stays shut the first time, when what is remembered later is asked for. */
static int count_only(struct bench *b, const struct op *op, uint64_t count)
{
	const int gate = b->clock->gate;
	int r;

	b->clock->gate = -1;
	r = run_batch(b, op, op->slow ? 1 : count);
	b->clock->gate = gate;
	if (r == 0)
		r = run_batch(b, op, op->slow ? 1 : count);
	if (r == 0)
		print_batch(b, op, op->slow ? 1 : count);
	return r;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_delays(const struct op *op, uint64_t *delays, size_t n)
{
	qsort(delays, n, sizeof(*delays), compare);
	printf("%s\t%" PRIu64 "\t%zu\t-\t%" PRIu64 "\n", op->name, delays[n / 2], n,
	       delays[n - 1 - n / 1000]);
}

static int sample(struct bench *b, const struct op *op, uint64_t enough)
{
	const uint64_t end = clock_now() + enough;
	uint64_t *delays = calloc(SAMPLES_MAX, sizeof(*delays));
	size_t n = 0;
	int r = delays ? 0 : -ENOMEM;

	while (r == 0 && n < SAMPLES_MAX && (n < SAMPLES_MIN || clock_now() < end))
		r = stopped ? -EINTR : op->sample(b, &delays[n++]);
	if (r == 0)
		print_delays(op, delays, n);
	free(delays);
	return r;
}

/* What does not work there, such as a shared mapping, is a row too. */
static void run_op(struct bench *b, const struct op *op, const struct options *o)
{
	int r = op->setup ? op->setup(b) : 0;

	if (r == 0) {
		if (op->sample)
			r = sample(b, op, o->enough);
		else if (o->count != 0)
			r = count_only(b, op, o->count);
		else
			r = measure(b, op, o->enough);
		clock_reset(b->clock);
		if (op->teardown)
			op->teardown(b);
	}
	if (r < 0)
		printf("%s\t-\t%s\n", op->name, strerror(-r));
	fflush(stdout);
}

static const struct op *find_op(const struct content *content, const char *name)
{
	for (const struct op *const *group = content->groups; *group; group++)
		for (const struct op *op = *group; op->name; op++)
			if (strcmp(op->name, name) == 0)
				return op;
	return NULL;
}

static void run_all(struct bench *b, const struct options *o)
{
	for (const struct op *const *group = o->content->groups; *group; group++)
		for (const struct op *op = *group; op->name; op++)
			run_op(b, op, o);
}

static void run_ops(struct bench *b, char **names, const struct options *o)
{
	if (!*names)
		run_all(b, o);
	for (; *names; names++)
		run_op(b, find_op(o->content, *names), o);
}

static int run_here(struct bench *b, char **names, const struct options *o)
{
	int r;

	/* Programs that read so much at once align it, such as cat: it is faster. */
	b->buffer = aligned_alloc(4 * KIB, MIB);
	if (!b->buffer)
		return -ENOMEM;
	memset(b->buffer, 0, MIB);
	b->data_size = o->content->data_size;
	b->map = o->content->map;
	b->unmap = o->content->unmap;
	r = o->content->make_data(b);
	if (r == 0) {
		run_ops(b, names, o);
		o->content->remove_data(b);
	}
	free(b->buffer);
	return r < 0 ? r : (stopped ? -EINTR : 0);
}

static void list_ops(const struct content *content)
{
	for (const struct op *const *group = content->groups; *group; group++)
		for (const struct op *op = *group; op->name; op++)
			puts(op->name);
	exit(0);
}

static void print_help(FILE *to)
{
	fputs("usage: bench [option...] DIRECTORY [OPERATION...]\n"
	      "       bench [-k CONTENT] -l\n"
	      "  -k CONTENT       what is in DIRECTORY: files (default); segments, which are\n"
	      "                   files that are those of System V; sysvipc, the list of\n"
	      "                   these, such as /proc/sysvipc: then they are used natively;\n"
	      "                   map_files, which is /proc/self/map_files: then they are\n"
	      "                   used as the files that the kernel has for them, by root\n"
	      "  -t MILLISECONDS  the least that a measurement takes (default: 200)\n"
	      "  -c COUNT         does operations COUNT times instead (slow ones once)\n"
	      "  -g FILE          1 is written to it while the clock runs, then 0\n"
	      "  -p PID           a server whose CPU time is told (again for more)\n"
	      "  -n DIRECTORY     the one behind the measured one, for notify-delay\n"
	      "  -l               lists the operations (default: all of them)\n"
	      "Rows have, separated by tabs: operation, nanoseconds for one, how many were\n"
	      "done, nanoseconds of CPU time of the servers for one, and - ; notify-delay\n"
	      "has the median, how many were done, -, and the 99.9th percentile.\n"
	      "A row of what failed has: operation, -, error.\n",
	      to);
}

static _Noreturn void refuse(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "bench: %s%s%s: %s\n", option, *option ? " " : "", value, why);
	exit(2);
}

static uint64_t parse_number(const char *option, const char *value)
{
	char *end;
	unsigned long long number = strtoull(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || number == 0 || number > 1000000000U)
		refuse(option, value, "not a number of 1 to 1000000000");
	return number;
}

static const struct content *find_content(const char *name)
{
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		if (strcmp(contents[i].name, name) == 0)
			return &contents[i];
	refuse("-k", name, "not files, segments, sysvipc or map_files");
}

static int open_or_refuse(const char *option, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		refuse(option, path, strerror(errno));
	return fd;
}

static void add_server(struct clock *clock, const char *value)
{
	int r = clock_add_server(clock, (int)parse_number("-p", value));

	if (r < 0)
		refuse("-p", value, strerror(-r));
}

static void take_option(int option, struct bench *b, struct options *o)
{
	switch (option) {
	case 'k':
		o->content = find_content(optarg);
		break;
	case 'l':
		o->list = true;
		break;
	case 't':
		o->enough = parse_number("-t", optarg) * 1000000U;
		break;
	case 'c':
		o->count = parse_number("-c", optarg);
		break;
	case 'g':
		b->clock->gate = open_or_refuse("-g", optarg, O_WRONLY);
		break;
	case 'p':
		add_server(b->clock, optarg);
		break;
	case 'n':
		b->native = open_or_refuse("-n", optarg, O_RDONLY | O_DIRECTORY);
		break;
	case 'h':
		print_help(stdout);
		exit(0);
	default:
		print_help(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct clock clock = { .gate = -1 };
	struct options o = { .content = &contents[0], .enough = 200000000U };
	struct bench b = { .data_name = "bench-data",
			   .random = 88172645463325252U,
			   .clock = &clock,
			   .segment = -1,
			   .native = -1 };
	int option, r;

	while ((option = getopt(argc, argv, "k:lt:c:g:p:n:h")) != -1)
		take_option(option, &b, &o);
	if (o.list)
		list_ops(o.content);
	if (optind == argc)
		take_option('?', &b, &o);
	for (char **name = argv + optind + 1; *name; name++)
		if (!find_op(o.content, *name))
			refuse("", *name, "no such operation, see bench -l");
	if (chdir(argv[optind]) < 0)
		refuse("", argv[optind], strerror(errno));
	stop_on_signals();
	r = run_here(&b, argv + optind + 1, &o);
	if (r < 0)
		fprintf(stderr, "bench: %s: %s\n", argv[optind], strerror(-r));
	return r < 0;
}
