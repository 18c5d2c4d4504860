/* SPDX-License-Identifier: MIT */
/*
 * shmfs-check: looks whether heaps are in order. It only reads, unless it is asked to
 * undo the change that somebody died over. The exit status is put together as that of
 * fsck(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <shmfs/heap.h>

#include "config.h"
#include "util/cleanup.h"

enum status {
	STATUS_IN_ORDER = 0,
	STATUS_REPAIRED = 1,
	STATUS_PROBLEMS = 4,
	STATUS_ERROR = 8,
	STATUS_USAGE = 16,
};

struct options {
	bool repair;
	bool verbose;
};

DEFINE_CLEANUP(struct shmfs_heap, heap, shmfs_heap_close);

/* How often a heap that others change is looked at again, and for how long in between. */
#define LOOKS   50
#define LOOK_NS 10000000

static const char help[] =
	"usage: shmfs-check [-rv] FILE...\n"
	"\n"
	"Looks whether heaps (libshmfs) are in order.\n"
	"\n"
	"  -r, --repair   undo the change of a process that died over it\n"
	"  -v, --verbose  say what is in each heap\n"
	"  -h, --help     print this\n"
	"  -V, --version  print the version\n"
	"\n"
	"Exit status, added up: 0 in order, 1 repaired, 4 problems left, 8 a file that\n"
	"cannot be checked, 16 wrong usage.\n";

static void print_problem(const char *problem, void *file)
{
	printf("%s: %s\n", (const char *)file, problem);
}

static const char *explain(int error)
{
	switch (error) {
	case -EINVAL:
		return "this is no heap";
	case -EPROTONOSUPPORT:
		return "the heap has another byte order or version, or a feature that this "
		       "program does not know";
	case -EROFS:
		return "the heap has a feature that this program can only read";
	case -EUCLEAN:
		return "the header of the heap is damaged, or the file was cut off";
	default:
		return strerror(-error);
	}
}

static void print_info(const char *file, struct shmfs_heap *heap)
{
	struct shmfs_heap_info i;

	shmfs_heap_info(heap, &i);
	printf("%s: %" PRIu64 " of %" PRIu64 " bytes in use, in %" PRIu64
	       " blocks; %" PRIu64 " named objects; it may grow to %" PRIu64
	       " bytes; %" PRIu64 " attachments, %" PRIu64 " deaths repaired\n",
	       file, i.used, i.size, i.allocations, i.names, i.limit, i.attachments,
	       i.deaths);
}

/* A reader may come in the middle of a change, so it looks again. */
static int check(struct shmfs_heap *heap, const char *file)
{
	const struct timespec moment = { .tv_nsec = LOOK_NS };

	for (int i = 0; i < LOOKS; i++) {
		if (shmfs_heap_check(heap, NULL, NULL) == 0)
			return 0;
		nanosleep(&moment, NULL);
	}
	return shmfs_heap_check(heap, print_problem, (char *)file);
}

static uint64_t deaths(struct shmfs_heap *heap)
{
	struct shmfs_heap_info i;

	shmfs_heap_info(heap, &i);
	return i.deaths;
}

/* The next process to lock the heap undoes the change that the last owner died over. */
static int repair(struct shmfs_heap *heap, const char *file)
{
	uint64_t before = deaths(heap);
	int r = shmfs_heap_check(heap, print_problem, (char *)file);

	if (deaths(heap) == before)
		return r;
	printf("%s: the change of a process that died is undone\n", file);
	return r > 0 ? r : -STATUS_REPAIRED;
}

static int check_file(const char *file, const struct options *o)
{
	_cleanup_(cleanup_heap) struct shmfs_heap *heap = NULL;
	_cleanup_close_ int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == 0)
		r = shmfs_heap_open_fd(fd, o->repair ? SHMFS_READ_WRITE : SHMFS_READ_ONLY,
				       &heap);
	if (r < 0) {
		fprintf(stderr, "shmfs-check: %s: %s\n", file, explain(r));
		return STATUS_ERROR;
	}
	r = o->repair ? repair(heap, file) : check(heap, file);
	if (o->verbose)
		print_info(file, heap);
	return r > 0 ? STATUS_PROBLEMS : -r;
}

static bool read_options(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {
		{ "repair", no_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "rvhV", names, NULL)) >= 0) {
		switch (c) {
		case 'r':
			ret->repair = true;
			break;
		case 'v':
			ret->verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(STATUS_IN_ORDER);
		case 'V':
			puts("shmfs-check " SHMFS_VERSION);
			exit(STATUS_IN_ORDER);
		default:
			return false;
		}
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct options options = { .repair = false };
	int status = STATUS_IN_ORDER;

	if (!read_options(argc, argv, &options)) {
		fputs("usage: shmfs-check [-rv] FILE...; --help tells more\n", stderr);
		return STATUS_USAGE;
	}
	for (int i = optind; i < argc; i++)
		status |= check_file(argv[i], &options);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "shmfs-check: standard output: %s\n", strerror(errno));
		status |= STATUS_ERROR;
	}
	return status;
}
