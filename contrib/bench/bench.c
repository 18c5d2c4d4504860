/* SPDX-License-Identifier: MIT */
/*
 * Measures what operations on files cost in one directory: a row an operation, with its
 * name, the nanoseconds that one takes and how often it was done, separated by tabs. It
 * knows nothing of what is mounted there; contrib/bench/run puts several side by side.
 *
 * An operation is repeated in batches, each twice the one before, until a batch takes
 * long enough to be measured well; that last batch counts. A batch times only the
 * operation itself: what it needs to be there, or leaves behind, is made and removed with
 * the clock stopped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KIB       1024UL
#define MIB       (1024UL * KIB)
/* Larger than a processor's cache, small enough for any tmpfs. */
#define DATA_SIZE (16UL * MIB)
#define MANY      10000U

struct bench {
	int dir;         /* the directory that is measured */
	int data;        /* a file in it with DATA_SIZE bytes, all allocated */
	char *buffer;    /* of MIB bytes */
	uint64_t random; /* state of the offsets */
	uint64_t begin;  /* when the clock was started last */
	uint64_t spent;  /* nanoseconds that the clock ran in this batch */
};

struct op {
	const char *name;
	/* Does the operation @count times, of @size bytes each: 0 or a negative errno. */
	int (*batch)(struct bench *b, size_t size, uint64_t count);
	size_t size;
	/* What must be there before the first batch, and is removed after the last. */
	int (*setup)(struct bench *b);
	void (*teardown)(struct bench *b);
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void clock_start(struct bench *b)
{
	b->begin = now();
}

static void clock_stop(struct bench *b)
{
	b->spent += now() - b->begin;
}

/* The name of the @n-th of the files that batches make. */
static const char *numbered(char name[32], uint64_t n)
{
	snprintf(name, 32, "bench-%" PRIu64, n);
	return name;
}

static int create_sized(struct bench *b, const char *name, off_t size)
{
	int fd = openat(b->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = ftruncate(fd, size) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static void remove_numbered(struct bench *b, uint64_t count)
{
	char name[32];

	for (uint64_t i = 0; i < count; i++)
		unlinkat(b->dir, numbered(name, i), 0);
}

static int create_numbered(struct bench *b, uint64_t count)
{
	char name[32];
	int r;

	for (uint64_t i = 0; i < count; i++) {
		r = create_sized(b, numbered(name, i), 0);
		if (r < 0) {
			remove_numbered(b, i);
			return r;
		}
	}
	return 0;
}

/*
 * Data
 */
static off_t sequential_offset(size_t size, uint64_t i)
{
	return (off_t)(i * size % DATA_SIZE);
}

/* xorshift64: quick, and the same offsets in each run. */
static off_t random_offset(struct bench *b, size_t size)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (off_t)(b->random % (DATA_SIZE / size) * size);
}

static int batch_pread(struct bench *b, size_t size, uint64_t count)
{
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (pread(b->data, b->buffer, size, sequential_offset(size, i)) !=
		    (ssize_t)size)
			return errno ? -errno : -EIO;
	clock_stop(b);
	return 0;
}

static int batch_pread_random(struct bench *b, size_t size, uint64_t count)
{
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (pread(b->data, b->buffer, size, random_offset(b, size)) !=
		    (ssize_t)size)
			return errno ? -errno : -EIO;
	clock_stop(b);
	return 0;
}

static int batch_pwrite(struct bench *b, size_t size, uint64_t count)
{
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (pwrite(b->data, b->buffer, size, sequential_offset(size, i)) !=
		    (ssize_t)size)
			return errno ? -errno : -EIO;
	clock_stop(b);
	return 0;
}

static char *map_data(struct bench *b)
{
	return mmap(NULL, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, b->data, 0);
}

/* One store to each page of a new mapping, of memory that is there: what a fault costs.
 */
static int fault_pages(struct bench *b, size_t size, uint64_t count)
{
	volatile char *map = map_data(b);

	if (map == MAP_FAILED)
		return -errno;
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		map[i * size] = 1;
	clock_stop(b);
	munmap((void *)map, DATA_SIZE);
	return 0;
}

static int batch_fault(struct bench *b, size_t size, uint64_t count)
{
	const uint64_t pages = DATA_SIZE / size;
	int r = 0;

	for (; count > pages && r == 0; count -= pages)
		r = fault_pages(b, size, pages);
	return r < 0 ? r : fault_pages(b, size, count);
}

static int batch_memset(struct bench *b, size_t size, uint64_t count)
{
	char *map = map_data(b);

	if (map == MAP_FAILED)
		return -errno;
	memset(map, 1, DATA_SIZE);
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		memset(map + sequential_offset(size, i), (int)i, size);
	clock_stop(b);
	munmap(map, DATA_SIZE);
	return 0;
}

/*
 * Metadata
 */
static int batch_fstat(struct bench *b, size_t size, uint64_t count)
{
	struct stat st;

	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (fstat(b->data, &st) < 0)
			return -errno;
	clock_stop(b);
	return 0;
}

static int batch_stat(struct bench *b, size_t size, uint64_t count)
{
	struct stat st;

	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (fstatat(b->dir, "bench-data", &st, 0) < 0)
			return -errno;
	clock_stop(b);
	return 0;
}

static int batch_stat_missing(struct bench *b, size_t size, uint64_t count)
{
	struct stat st;

	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (fstatat(b->dir, "bench-missing", &st, 0) == 0)
			return -EEXIST;
	clock_stop(b);
	return 0;
}

static int batch_open_close(struct bench *b, size_t size, uint64_t count)
{
	int fd;

	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count; i++) {
		fd = openat(b->dir, "bench-data", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	clock_stop(b);
	return 0;
}

static int batch_create(struct bench *b, size_t size, uint64_t count)
{
	char name[32];
	int r = 0;

	clock_start(b);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = create_sized(b, numbered(name, i), (off_t)size);
	clock_stop(b);
	remove_numbered(b, count);
	return r;
}

static int batch_ftruncate(struct bench *b, size_t size, uint64_t count)
{
	int fd = openat(b->dir, "bench-0", O_RDWR | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	clock_start(b);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = ftruncate(fd, (off_t)(size << (i % 2))) < 0 ? -errno : 0;
	clock_stop(b);
	close(fd);
	return r;
}

static int batch_unlink(struct bench *b, size_t size, uint64_t count)
{
	int r = create_numbered(b, count);

	(void)size;
	if (r < 0)
		return r;
	clock_start(b);
	remove_numbered(b, count);
	clock_stop(b);
	return 0;
}

/* Forth and back is one operation's work done twice; the file ends where it was. */
static int batch_rename(struct bench *b, size_t size, uint64_t count)
{
	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count; i++)
		if (renameat(b->dir, "bench-0", b->dir, "bench-1") < 0 ||
		    renameat(b->dir, "bench-1", b->dir, "bench-0") < 0)
			return -errno;
	clock_stop(b);
	b->spent /= 2;
	return 0;
}

static DIR *open_listing(struct bench *b)
{
	int fd = openat(b->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);

	if (!listing && fd >= 0)
		close(fd);
	return listing;
}

static int list_all(struct bench *b)
{
	DIR *listing = open_listing(b);
	uint64_t n = 0;

	if (!listing)
		return -errno;
	while (readdir(listing))
		n++;
	closedir(listing);
	return n < MANY ? -EIO : 0;
}

static int batch_readdir(struct bench *b, size_t size, uint64_t count)
{
	int r = 0;

	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = list_all(b);
	clock_stop(b);
	return r;
}

static int stat_all(struct bench *b)
{
	DIR *listing = open_listing(b);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!listing)
		return -errno;
	while (r == 0 && (entry = readdir(listing)))
		r = fstatat(b->dir, entry->d_name, &st, 0) < 0 ? -errno : 0;
	closedir(listing);
	return r;
}

static int batch_stat_all(struct bench *b, size_t size, uint64_t count)
{
	int r = 0;

	(void)size;
	clock_start(b);
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = stat_all(b);
	clock_stop(b);
	return r;
}

static int setup_one(struct bench *b)
{
	return create_numbered(b, 1);
}

static void teardown_one(struct bench *b)
{
	remove_numbered(b, 1);
}

static int setup_many(struct bench *b)
{
	return create_numbered(b, MANY);
}

static void teardown_many(struct bench *b)
{
	remove_numbered(b, MANY);
}

static const struct op ops[] = {
	{ .name = "pread-64", .batch = batch_pread, .size = 64 },
	{ .name = "pread-4k", .batch = batch_pread, .size = 4 * KIB },
	{ .name = "pread-128k", .batch = batch_pread, .size = 128 * KIB },
	{ .name = "pread-1m", .batch = batch_pread, .size = MIB },
	{ .name = "pread-random-64", .batch = batch_pread_random, .size = 64 },
	{ .name = "pwrite-64", .batch = batch_pwrite, .size = 64 },
	{ .name = "pwrite-4k", .batch = batch_pwrite, .size = 4 * KIB },
	{ .name = "pwrite-128k", .batch = batch_pwrite, .size = 128 * KIB },
	{ .name = "pwrite-1m", .batch = batch_pwrite, .size = MIB },
	{ .name = "fault", .batch = batch_fault, .size = 4 * KIB },
	{ .name = "memset-1m", .batch = batch_memset, .size = MIB },
	{ .name = "fstat", .batch = batch_fstat },
	{ .name = "stat", .batch = batch_stat },
	{ .name = "stat-missing", .batch = batch_stat_missing },
	{ .name = "open-close", .batch = batch_open_close },
	{ .name = "create-size-close", .batch = batch_create, .size = 4 * KIB },
	{ .name = "ftruncate",
	  .batch = batch_ftruncate,
	  .size = 4 * KIB,
	  .setup = setup_one,
	  .teardown = teardown_one },
	{ .name = "unlink", .batch = batch_unlink },
	{ .name = "rename",
	  .batch = batch_rename,
	  .setup = setup_one,
	  .teardown = teardown_one },
	{ .name = "readdir-10000",
	  .batch = batch_readdir,
	  .setup = setup_many,
	  .teardown = teardown_many },
	{ .name = "stat-all-10000",
	  .batch = batch_stat_all,
	  .setup = setup_many,
	  .teardown = teardown_many },
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

/*
 * Running them
 */
static int measure(struct bench *b, const struct op *op, uint64_t enough)
{
	uint64_t count = 1;
	int r;

	for (;; count *= 2) {
		b->spent = 0;
		errno = 0;
		r = op->batch(b, op->size, count);
		if (r < 0)
			return r;
		if (b->spent >= enough)
			break;
	}
	printf("%s\t%.1f\t%" PRIu64 "\n", op->name, (double)b->spent / (double)count,
	       count);
	return 0;
}

/* What does not work there, such as a shared mapping, is a row too. */
static void run_op(struct bench *b, const struct op *op, uint64_t enough)
{
	int r = op->setup ? op->setup(b) : 0;

	if (r == 0) {
		r = measure(b, op, enough);
		if (op->teardown)
			op->teardown(b);
	}
	if (r < 0)
		printf("%s\t-\t%s\n", op->name, strerror(-r));
	fflush(stdout);
}

static int fill_data(struct bench *b)
{
	ssize_t n;

	for (off_t at = 0; at < (off_t)DATA_SIZE; at += n) {
		n = pwrite(b->data, b->buffer, MIB, at);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

static const struct op *find_op(const char *name)
{
	for (size_t i = 0; i < N_OPS; i++)
		if (strcmp(ops[i].name, name) == 0)
			return &ops[i];
	fprintf(stderr, "bench: no operation %s, see bench -l\n", name);
	exit(2);
}

/* Called before anything is made, to exit with nothing left behind. */
static void check_names(char **names)
{
	for (; *names; names++)
		find_op(*names);
}

static void run_ops(struct bench *b, char **names, uint64_t enough)
{
	if (!*names)
		for (size_t i = 0; i < N_OPS; i++)
			run_op(b, &ops[i], enough);
	for (; *names; names++)
		run_op(b, find_op(*names), enough);
}

static int run_with_data(struct bench *b, char **names, uint64_t enough)
{
	int r;

	b->data =
		openat(b->dir, "bench-data", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (b->data < 0)
		return -errno;
	r = fill_data(b);
	if (r == 0)
		run_ops(b, names, enough);
	close(b->data);
	unlinkat(b->dir, "bench-data", 0);
	return r;
}

static int run_in(const char *path, char **names, uint64_t enough)
{
	struct bench b = { .random = 88172645463325252U };
	int r;

	b.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b.dir < 0)
		return -errno;
	b.buffer = calloc(1, MIB);
	r = b.buffer ? run_with_data(&b, names, enough) : -ENOMEM;
	free(b.buffer);
	close(b.dir);
	return r;
}

static void list_ops(void)
{
	for (size_t i = 0; i < N_OPS; i++)
		puts(ops[i].name);
	exit(0);
}

static _Noreturn void usage(void)
{
	fputs("usage: bench [-t MILLISECONDS] DIRECTORY [OPERATION...]\n"
	      "       bench -l\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t enough = 200000000U;
	int option, r;

	while ((option = getopt(argc, argv, "lt:")) != -1) {
		if (option == 'l')
			list_ops();
		else if (option == 't')
			enough = strtoull(optarg, NULL, 10) * 1000000U;
		else
			usage();
	}
	if (optind == argc)
		usage();
	check_names(argv + optind + 1);
	r = run_in(argv[optind], argv + optind + 1, enough);
	if (r < 0)
		fprintf(stderr, "bench: %s: %s\n", argv[optind], strerror(-r));
	return r < 0;
}
