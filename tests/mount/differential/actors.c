/* SPDX-License-Identifier: MIT */
/*
 * A user is put on for one operation and taken off again: real and effective ids, groups,
 * and with them the capabilities. The saved id stays root's, which is the way back.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"
#include "calls.h"

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void become(enum user user)
{
	static const uid_t ids[USERS] = { 0, 1000, 1001 };
	const gid_t groups[] = { ids[user], 2000 };

	need(setgroups(user == USER_ROOT ? 0 : 2, groups) == 0, "setgroups");
	need(setresgid(ids[user], ids[user], 0) == 0, "setresgid");
	need(setresuid(ids[user], ids[user], 0) == 0, "setresuid");
}

static void come_back(void)
{
	need(setresuid(0, 0, 0) == 0, "setresuid");
	become(USER_ROOT);
}

static void perform(struct side sides[SIDES], const struct op *op,
		    struct outcome ret[SIDES])
{
	unsigned int end = op->subject_alone ? REFERENCE : SIDES;

	if (op->user != USER_ROOT)
		become(op->user);
	for (unsigned int i = 0; i < end; i++) {
		outcome_start(&ret[i]);
		ret[i].result = call_at(op->call)->run(&sides[i], op, &ret[i]);
	}
	if (op->user != USER_ROOT)
		come_back();
}

/* An actor's whole life: until the other end of its socket is closed. */
static _Noreturn void serve(struct side sides[SIDES], int socket)
{
	struct outcome outcomes[SIDES];
	struct op op;

	while (recv(socket, &op, sizeof(op), 0) == (ssize_t)sizeof(op)) {
		perform(sides, &op, outcomes);
		need(send(socket, outcomes, sizeof(outcomes), 0) == sizeof(outcomes),
		     "send");
	}
	_exit(0);
}

static void start_other(struct actors *actors, enum actor actor, struct side sides[SIDES])
{
	int ends[2];
	pid_t pid;

	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0,
	     "socketpair");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		for (int i = 0; i < ACTORS; i++)
			close(actors->others[i].socket);
		close(ends[0]);
		serve(sides, ends[1]);
	}
	close(ends[1]);
	actors->others[actor].socket = ends[0];
	actors->others[actor].pid = pid;
}

void actors_start(struct actors *actors, const char *const dirs[SIDES],
		  const char *native, enum io io)
{
	struct side natives[SIDES];

	fflush(NULL);
	for (int i = 0; i < ACTORS; i++)
		actors->others[i].socket = -1;
	for (int i = 0; i < SIDES; i++) {
		side_init(&actors->here[i], dirs[i], io, i == REFERENCE);
		side_init(&natives[i], i == SUBJECT ? native : dirs[i], IO_PLAIN,
			  i == REFERENCE);
	}
	start_other(actors, ACTOR_OTHER, actors->here);
	start_other(actors, ACTOR_NATIVE, natives);
	for (int i = 0; i < SIDES; i++)
		side_done(&natives[i]);
}

void actors_do(struct actors *actors, const struct op *op, struct outcome ret[SIDES])
{
	const size_t size = SIDES * sizeof(ret[0]);
	struct outcome outcomes[SIDES];
	int socket = actors->others[op->actor].socket;

	if (socket < 0) {
		perform(actors->here, op, ret);
		return;
	}
	need(send(socket, op, sizeof(*op), 0) == sizeof(*op), "send");
	need(recv(socket, outcomes, size, 0) == (ssize_t)size, "an actor has died");
	ret[SUBJECT] = outcomes[SUBJECT];
	if (!op->subject_alone)
		ret[REFERENCE] = outcomes[REFERENCE];
}

void actors_stop(struct actors *actors)
{
	for (int i = 0; i < SIDES; i++)
		side_done(&actors->here[i]);
	for (int i = 0; i < ACTORS; i++) {
		if (actors->others[i].socket < 0)
			continue;
		close(actors->others[i].socket);
		waitpid(actors->others[i].pid, NULL, 0);
	}
}
