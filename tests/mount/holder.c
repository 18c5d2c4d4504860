/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "holder.h"
#include "mount.h"
#include "threads.h"
#include "trap.h"
#include "util/cleanup.h"

#define PAGE 4096

static struct {
	struct trap trap; /* of one page */
	const char *path;
	_Atomic pid_t changer; /* of the directory */
} held;

static void *write_trapped(void *data)
{
	int fd = open(held.path, O_RDWR | O_CLOEXEC);

	(void)data;
	if (fd < 0 || pwrite(fd, held.trap.pages, PAGE, 0) != PAGE)
		abort();
	close(fd);
	return NULL;
}

static void *remove_it(void *data)
{
	held.changer = (pid_t)syscall(SYS_gettid);
	(void)data;
	if (unlink(held.path) < 0)
		abort();
	return NULL;
}

static void *list_trapped(void *data)
{
	int fd = open(held.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)data;
	if (fd < 0 || syscall(SYS_getdents64, fd, held.trap.pages, PAGE) < 0)
		abort();
	close(fd);
	return NULL;
}

/* It may well be refused. */
static void *make_name(void *data)
{
	held.changer = (pid_t)syscall(SYS_gettid);
	(void)data;
	close(open(at(held.path, "new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	return NULL;
}

/* What its threads do: @hold is the first, and @change the other, or NULL. */
static const struct {
	void *(*hold)(void *);
	void *(*change)(void *);
} deeds[] = {
	[HOLD_OBJECT] = { write_trapped, NULL },
	[HOLD_DIRECTORY] = { write_trapped, remove_it },
	[HOLD_LISTED] = { list_trapped, make_name },
};

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
	/* What is found of his threads is found when /proc is what he holds, too. */
	_cleanup_close_ int threads = open("/proc/self/task", O_PATH | O_CLOEXEC);
	pthread_t holder, changer = 0;
	char byte;
	int r = threads < 0 ? -errno : trap_set(&held.trap, 1);

	if (r == 0)
		r = become(who);
	if (r < 0 || pthread_create(&holder, NULL, deeds[what].hold, NULL) != 0)
		return r < 0 ? r : -EAGAIN;
	trap_await(&held.trap, 1);
	if (deeds[what].change) {
		if (pthread_create(&changer, NULL, deeds[what].change, NULL) != 0)
			return -EAGAIN;
		await_that(held.changer && thread_state(getpid(), held.changer) == 'D');
	}
	if (write(holds, "", 1) != 1)
		return -EPIPE;
	while (read(order, &byte, 1) < 0 && errno == EINTR)
		;
	r = trap_open(&held.trap, 0);
	if (r < 0)
		return r;
	pthread_join(holder, NULL);
	if (deeds[what].change)
		pthread_join(changer, NULL);
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
