/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trap.h"
#include "util/cleanup.h"

int trap_set(struct trap *t, size_t n)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	t->n = n;
	t->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0 || ioctl(t->fd, UFFDIO_API, &api) < 0)
		return -errno;
	t->pages = mmap(NULL, n * TRAP_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->pages == MAP_FAILED)
		return -errno;
	range.range.start = (uintptr_t)t->pages;
	range.range.len = n * TRAP_PAGE;
	return ioctl(t->fd, UFFDIO_REGISTER, &range) < 0 ? -errno : 0;
}

void trap_await(const struct trap *t, unsigned int n)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	struct uffd_msg message;

	for (unsigned int i = 0; i < n; i++)
		while (read(t->fd, &message, sizeof(message)) < 0)
			poll(&p, 1, -1);
}

int trap_open(const struct trap *t, size_t i)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)t->pages + i * TRAP_PAGE, TRAP_PAGE },
	};

	return ioctl(t->fd, UFFDIO_ZEROPAGE, &zero) < 0 ? -errno : 0;
}

void trap_done(struct trap *t)
{
	munmap(t->pages, t->n * TRAP_PAGE);
	t->fd = close_fd(t->fd);
}
