/* SPDX-License-Identifier: MIT */
/*
 * One child per act: the credentials of a process cannot be given back once all three
 * user ids are changed, and only then are they what an ordinary user's process has.
 */
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"
#include "person.h"

#define CANNOT_BECOME 254

static int become(const struct person *who)
{
	if (setgroups(who->group_count, who->groups) < 0)
		return -errno;
	if (setresgid(who->gid, who->gid, who->gid) < 0)
		return -errno;
	return setresuid(who->uid, who->uid, who->uid) < 0 ? -errno : 0;
}

static _Noreturn void child(const struct person *who, int (*act)(const void *),
			    const void *arg)
{
	if (who && become(who) < 0)
		_exit(CANNOT_BECOME);
	_exit(-act(arg) & 0xff);
}

pid_t person_start(const struct person *who, int (*act)(const void *arg), const void *arg)
{
	pid_t pid = must(fork());

	if (pid == 0)
		child(who, act, arg);
	return pid;
}

int person_end(const struct person *who, pid_t pid)
{
	int status = 0;

	assert_int_equal(must(waitpid(pid, &status, 0)), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == CANNOT_BECOME)
		fail_msg("%s: cannot act (status %#x)", who ? who->name : "we", status);
	return -WEXITSTATUS(status);
}

int person_do(const struct person *who, int (*act)(const void *arg), const void *arg)
{
	return person_end(who, person_start(who, act, arg));
}

long person_call(pid_t pid)
{
	char path[64];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

void person_needs_root(void)
{
	if (!mount_privileged()) {
		print_message("skipped: one user only\n");
		skip();
	}
}
