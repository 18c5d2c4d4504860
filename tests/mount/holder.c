/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "holder.h"
#include "mount.h"
#include "util/cleanup.h"

#define PAGE 4096

static struct {
	int fault;
	char *page;
	const char *path;
	_Atomic pid_t remover;
} held;

static int set_trap(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	held.fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (held.fault < 0 || ioctl(held.fault, UFFDIO_API, &api) < 0)
		return -errno;
	held.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	range.range.start = (uintptr_t)held.page;
	range.range.len = PAGE;
	return errno_or(ioctl(held.fault, UFFDIO_REGISTER, &range));
}

static void *write_trapped(void *data)
{
	int fd = open(held.path, O_RDWR | O_CLOEXEC);

	(void)data;
	if (fd < 0 || pwrite(fd, held.page, PAGE, 0) != PAGE)
		abort();
	close(fd);
	return NULL;
}

static void *remove_it(void *data)
{
	held.remover = (pid_t)syscall(SYS_gettid);
	(void)data;
	if (unlink(held.path) < 0)
		abort();
	return NULL;
}

/* Whether a thread of ours sleeps where no signal reaches it: in the call, then. */
static bool is_held_up(pid_t thread)
{
	char path[64], line[256] = "";
	const char *state;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
	stat = fopen(path, "re");
	if (!stat)
		return false;
	if (!fgets(line, sizeof(line), stat))
		line[0] = '\0';
	fclose(stat);
	state = strrchr(line, ')');
	return state && strncmp(state, ") D", 3) == 0;
}

static int become(const struct person *who)
{
	if (setgroups(who->group_count, who->groups) < 0 ||
	    setresgid(who->gid, who->gid, who->gid) < 0 ||
	    setresuid(who->uid, who->uid, who->uid) < 0)
		return -errno;
	return 0;
}

/* In a process of his own. Returns when he has let go. */
static int hold(const struct person *who, enum hold what, int holds, int order)
{
	struct uffdio_zeropage zero = { 0 };
	pthread_t writer, remover;
	struct uffd_msg message;
	char byte;
	int r = set_trap();

	if (r == 0)
		r = become(who);
	if (r < 0 || pthread_create(&writer, NULL, write_trapped, NULL) != 0)
		return r < 0 ? r : -EAGAIN;
	if (read(held.fault, &message, sizeof(message)) != sizeof(message))
		return -EIO;
	if (what == HOLD_DIRECTORY) {
		if (pthread_create(&remover, NULL, remove_it, NULL) != 0)
			return -EAGAIN;
		await_that(held.remover && is_held_up(held.remover));
	}
	if (write(holds, "", 1) != 1)
		return -EPIPE;
	while (read(order, &byte, 1) < 0 && errno == EINTR)
		;
	zero.range.start = (uintptr_t)held.page;
	zero.range.len = PAGE;
	if (ioctl(held.fault, UFFDIO_ZEROPAGE, &zero) < 0)
		return -errno;
	pthread_join(writer, NULL);
	if (what == HOLD_DIRECTORY)
		pthread_join(remover, NULL);
	return 0;
}

void holder_start(struct holder *h, const struct person *who, const char *path,
		  enum hold what)
{
	int holds[2], order[2];
	char byte;

	held.path = path;
	must(pipe2(holds, O_CLOEXEC));
	must(pipe2(order, O_CLOEXEC));
	h->pid = must(fork());
	if (h->pid == 0) {
		close(holds[0]);
		close(order[1]);
		_exit(-hold(who, what, holds[1], order[0]));
	}
	close(holds[1]);
	close(order[0]);
	h->order = order[1];
	if (read(holds[0], &byte, 1) != 1) {
		int status = 0;

		close(holds[0]);
		close(h->order);
		must(waitpid(h->pid, &status, 0));
		print_message("nothing can be held: %s\n", strerror(WEXITSTATUS(status)));
		skip();
	}
	close(holds[0]);
}

void holder_release(struct holder *h)
{
	int status;

	/* Who was started meanwhile has the pipe as well. */
	must(write(h->order, "", 1));
	close(h->order);
	must(waitpid(h->pid, &status, 0));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void holder_kill(struct holder *h)
{
	must(kill(h->pid, SIGKILL));
	close(h->order);
	must(waitpid(h->pid, NULL, 0));
}
