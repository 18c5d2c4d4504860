/* SPDX-License-Identifier: MIT */
/*
 * Each object has threads of its own that do to it what takes the lock. All that write
 * do so from one page, the trap.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "busy/hold.h"
#include "busy/ring.h"

#define QUEUE 8 /* that wait for a directory that is held */
#define LARGE ((off_t)256 << 20)

static const struct holder *holder;
static const struct trap *trap; /* of one page */
static char *own_pages;         /* a private mapping of a file of the mount */
static atomic_uint ended;

static int start(void *(*run)(void *), unsigned int n)
{
	pthread_attr_t small;
	pthread_t thread;
	int r = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	for (uintptr_t i = 0; i < n && r == 0; i++)
		r = pthread_create(&thread, &small, run, (void *)i);
	return -r;
}

static unsigned int number(void *arg)
{
	return (unsigned int)(uintptr_t)arg;
}

static void write_from(const char *path, const char *page)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (pwrite(fd, page, TRAP_PAGE, 0) == (ssize_t)TRAP_PAGE)
		close(fd);
}

static void *write_native(void *arg)
{
	write_from(place_native(holder->place, 'h', number(arg)).text, trap->pages);
	return NULL;
}

static void *write_mount(void *arg)
{
	write_from(place_path(holder->place, 'h', number(arg)).text, trap->pages);
	return NULL;
}

static int by_write(const struct holder *h)
{
	int r = start(write_native, h->n);

	if (r == 0)
		trap_await(trap, h->n);
	return r;
}

static int by_write_to_mount(const struct holder *h)
{
	int r = start(write_mount, h->n);

	if (r == 0)
		trap_await(trap, h->n);
	return r;
}

/* A worker of the ring writes, and a call that it has begun it also ends. */
static int ring_write(const char *path, unsigned int flags)
{
	const struct io_uring_sqe call = {
		.opcode = IORING_OP_WRITE,
		.flags = IOSQE_ASYNC,
		.fd = open(path, O_RDWR | O_CLOEXEC),
		.addr = (uintptr_t)trap->pages,
		.len = TRAP_PAGE,
	};
	struct ring *ring = calloc(1, sizeof(*ring));
	int r = ring ? ring_open(ring, flags) : -ENOMEM;

	return r < 0 ? r : ring_submit(ring, &call);
}

static int by_ring(const struct holder *h)
{
	int r = 0;

	for (unsigned int i = 0; i < h->n && r == 0; i++)
		r = ring_write(place_native(h->place, 'h', i).text,
			       i % 2 ? IORING_SETUP_SQPOLL : 0);
	if (r == 0)
		trap_await(trap, h->n);
	return r;
}

static int by_ring_to_mount(const struct holder *h)
{
	int r = 0;

	for (unsigned int i = 0; i < h->n && r == 0; i++)
		r = ring_write(place_path(h->place, 'h', i).text,
			       i % 2 ? IORING_SETUP_SQPOLL : 0);
	if (r == 0)
		trap_await(trap, h->n);
	return r;
}

static void *truncate_native(void *arg)
{
	if (truncate(place_native(holder->place, 'h', number(arg)).text, 1) < 0)
		perror("hold: truncate");
	return NULL;
}

static int by_truncate(const struct holder *h)
{
	int r = by_write(h);

	return r < 0 ? r : start(truncate_native, h->n);
}

static atomic_uint allocated;

static void *allocate(void *arg)
{
	int fd = open(place_native(holder->place, 'h', number(arg)).text, O_RDWR);

	/* From then on there is always one who works and one who waits. */
	while (fallocate(fd, 0, 0, LARGE) == 0)
		atomic_fetch_add(&allocated, 1);
	perror("hold: fallocate");
	return NULL;
}

static int by_fallocate(const struct holder *h)
{
	int r = start(allocate, h->n);

	if (r == 0)
		r = start(allocate, h->n);
	while (r == 0 && atomic_load(&allocated) < h->n)
		usleep(1000);
	return r;
}

static int by_lease(const struct holder *h)
{
	signal(SIGIO, SIG_IGN);
	for (unsigned int i = 0; i < h->n; i++) {
		int fd = open(place_native(h->place, 'h', i).text, O_RDWR | O_CLOEXEC);

		if (fd < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
			return -errno;
	}
	return 0;
}

static void *write_one(void *arg)
{
	(void)arg;
	write_from(place_native(holder->place, 'd', 0).text, trap->pages);
	return NULL;
}

static void *unlink_one(void *arg)
{
	(void)arg;
	unlink(place_native(holder->place, 'd', 0).text);
	return NULL;
}

static void *rename_one(void *arg)
{
	(void)arg;
	rename(place_native(holder->place, 'd', 0).text,
	       place_native(holder->place, 'd', 1).text);
	return NULL;
}

static void *link_one(void *arg)
{
	(void)arg;
	if (link(place_native(holder->place, 'd', 0).text,
		 place_native(holder->place, 'd', 1).text) < 0)
		perror("hold: link");
	return NULL;
}

static void *create_one(void *arg)
{
	close(open(place_native(holder->place, 'd', 2 + number(arg)).text,
		   O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	return NULL;
}

/* The object first: who changes its name has the directory's lock and waits for it. */
static int directory(void *(*change)(void *))
{
	int r = start(write_one, 1);

	if (r < 0)
		return r;
	trap_await(trap, 1);
	return start(change, 1);
}

static int by_unlink(const struct holder *h)
{
	(void)h;
	return directory(unlink_one);
}

static int by_rename(const struct holder *h)
{
	(void)h;
	return directory(rename_one);
}

static int by_link(const struct holder *h)
{
	(void)h;
	return directory(link_one);
}

static int by_create(const struct holder *h)
{
	int r = by_unlink(h);

	return r < 0 ? r : start(create_one, QUEUE);
}

/* Its lock is shared, until somebody wants it alone. */
static void *list(void *arg)
{
	int fd = open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	syscall(SYS_getdents64, fd, trap->pages, TRAP_PAGE);
	return NULL;
}

static int list_and_create(const char *dir, void *(*create)(void *))
{
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, list, (void *)(uintptr_t)dir);

	if (r < 0)
		return r;
	trap_await(trap, 1);
	return start(create, QUEUE);
}

static int by_listing(const struct holder *h)
{
	return list_and_create(h->place->native, create_one);
}

static void *create_one_on_mount(void *arg)
{
	close(open(place_path(holder->place, 'd', 2 + number(arg)).text,
		   O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	return NULL;
}

static int by_listing_mount(const struct holder *h)
{
	return list_and_create(h->place->dir, create_one_on_mount);
}

static void *write_one_to_mount(void *arg)
{
	(void)arg;
	write_from(place_path(holder->place, 'd', 0).text, trap->pages);
	return NULL;
}

static void *unlink_one_on_mount(void *arg)
{
	(void)arg;
	unlink(place_path(holder->place, 'd', 0).text);
	return NULL;
}

static int by_unlink_on_mount(const struct holder *h)
{
	int r = start(write_one_to_mount, 1);

	(void)h;
	if (r < 0)
		return r;
	trap_await(trap, 1);
	return start(unlink_one_on_mount, 1);
}

/* Read by the daemon when they are touched, since nobody else has them in memory. */
static int map_own_pages(const struct holder *h)
{
	size_t size = (size_t)h->n * TRAP_PAGE;
	int fd = open(h->direct, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	own_pages = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (own_pages == MAP_FAILED)
		return -errno;
	/* The kernel asks for some of them in the background, and for some not. */
	return madvise(own_pages, size / 2, MADV_RANDOM) < 0 ? -errno : 0;
}

static void *write_own(void *arg)
{
	const struct place *p = holder->place;
	unsigned int i = number(arg);
	struct path path = p->native ? place_native(p, 'h', i) : place_path(p, 'h', i);

	write_from(path.text, own_pages + (size_t)i * TRAP_PAGE);
	atomic_fetch_add(&ended, 1);
	return NULL;
}

/* They wait behind the trap, and before all requests. */
static int by_own_pages(const struct holder *h)
{
	int r = map_own_pages(h);

	if (r == 0)
		r = start(h->place->native ? write_native : write_mount, h->n);
	if (r < 0)
		return r;
	trap_await(trap, h->n);
	return start(write_own, h->n);
}

/* Each write has the lock now, and wants its page from the daemon. */
static int spring_own_pages(const struct holder *h)
{
	int r = trap_open(trap, 0);

	while (r == 0 && atomic_load(&ended) < h->n)
		usleep(1000);
	return r;
}

const struct hold holds[] = {
	{ .name = "write", .needs = HOLD_NATIVE, .take = by_write },
	{ .name = "ring", .needs = HOLD_NATIVE, .variant = true, .take = by_ring },
	{ .name = "truncate",
	  .needs = HOLD_NATIVE,
	  .variant = true,
	  .take = by_truncate },
	{ .name = "fallocate",
	  .needs = HOLD_NATIVE,
	  .objects = 2,
	  .restless = true,
	  .take = by_fallocate },
	{ .name = "lease", .needs = HOLD_NATIVE, .unopened = true, .take = by_lease },
	{ .name = "unlink", .needs = HOLD_NATIVE, .directory = true, .take = by_unlink },
	{ .name = "rename",
	  .needs = HOLD_NATIVE,
	  .variant = true,
	  .directory = true,
	  .take = by_rename },
	{ .name = "link",
	  .needs = HOLD_NATIVE,
	  .variant = true,
	  .directory = true,
	  .take = by_link },
	{ .name = "create",
	  .needs = HOLD_NATIVE,
	  .variant = true,
	  .directory = true,
	  .take = by_create },
	{ .name = "listing",
	  .needs = HOLD_NATIVE | HOLD_DEFAULT,
	  .variant = true,
	  .directory = true,
	  .take = by_listing },
	{ .name = "own-pages",
	  .needs = HOLD_DIRECT,
	  .take = by_own_pages,
	  .spring = spring_own_pages },
	{ .name = "write-on-mount", .file = true, .take = by_write_to_mount },
	{ .name = "unlink-on-mount",
	  .mount_directory = true,
	  .take = by_unlink_on_mount },
	{ .name = "listing-on-mount", .mount_directory = true, .take = by_listing_mount },
	{ .name = "ring-on-mount", .file = true, .take = by_ring_to_mount },
};

const unsigned int holds_count = sizeof(holds) / sizeof(holds[0]);

int hold_take(const struct hold *hold, const struct holder *h)
{
	holder = h;
	trap = h->trap;
	return hold->take(h);
}
