/* SPDX-License-Identifier: MIT */
/* Both sides do an operation at the same time, since they have nothing in common. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actors.h"
#include "calls.h"

/* What a worker is. */
enum sort { MOUNT, MODEL, NATIVE };

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void set_limit(const char *path, int value)
{
	FILE *file = fopen(path, "we");

	need(file && fprintf(file, "%d", value) > 0 && fclose(file) == 0, path);
}

/* Each namespace has its own. */
static void set_limits(bool forced)
{
	set_limit("/proc/sys/kernel/shmmax", SHMMAX);
	set_limit("/proc/sys/kernel/shmall", SHMALL);
	set_limit("/proc/sys/kernel/shmmni", SHMMNI);
	set_limit("/proc/sys/kernel/shm_rmid_forced", forced);
}

static void enter(struct actors *actors, unsigned int side)
{
	need(setns(actors->namespaces[side], CLONE_NEWIPC) == 0, "setns");
}

static void open_namespace(struct actors *actors, unsigned int side)
{
	set_limits(actors->what->forced);
	actors->namespaces[side] = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	actors->tables[side] = open("/proc/sysvipc/shm", O_RDONLY | O_CLOEXEC);
	need(actors->namespaces[side] >= 0 && actors->tables[side] >= 0, "/proc");
}

/* Everybody needs a table of his own: its position is that of the open file. */
static int own_table(void)
{
	int fd = open("/proc/sysvipc/shm", O_RDONLY | O_CLOEXEC);

	need(fd >= 0, "/proc/sysvipc/shm");
	return fd;
}

/* Who does an operation. */
struct doer {
	enum sort sort;
	struct side side;
	struct model model;
	struct natives natives;
};

static struct doer *doer_new(enum sort sort, const struct differential *what,
			     const struct people *people)
{
	struct doer *doer = calloc(1, sizeof(*doer));
	struct people self = *people;

	need(doer != NULL, "calloc");
	doer->sort = sort;
	if (sort == MODEL)
		self.mount = getpid();
	if (sort == MOUNT)
		side_init(&doer->side, what->all, what->shares, own_table(), people);
	else if (sort == MODEL)
		model_init(&doer->model, what->shares, own_table(), &self);
	return doer;
}

static void do_op(struct doer *doer, const struct op *op, struct outcome *ret)
{
	const struct call *call = call_at(op->call);

	outcome_start(ret);
	call->describe(op, ret);
	say(ret, ":");
	if (doer->sort == MODEL) {
		ret->result = call->model(&doer->model, op, ret);
		return;
	}
	user_become(op->user);
	ret->result = doer->sort == MOUNT ? call->mount(&doer->side, op, ret)
					  : call->native(&doer->natives, op, ret);
	user_return();
}

/* A worker's whole life: until the other end of its socket is closed. */
static _Noreturn void serve(struct doer *doer, int socket)
{
	struct outcome outcome;
	struct op op;

	while (recv(socket, &op, sizeof(op), 0) == (ssize_t)sizeof(op)) {
		do_op(doer, &op, &outcome);
		need(send(socket, &outcome, sizeof(outcome), 0) == sizeof(outcome),
		     "send");
	}
	if (doer->sort == MOUNT)
		side_done(&doer->side);
	if (doer->sort == MODEL)
		model_done(&doer->model);
	_exit(0);
}

static void close_sockets(const struct actors *actors)
{
	close(actors->mounts[ACTOR_HERE].socket);
	close(actors->mounts[ACTOR_THERE].socket);
	close(actors->model.socket);
	close(actors->natives[SUBJECT].socket);
	close(actors->natives[REFERENCE].socket);
}

static void worker_start(struct actors *actors, struct worker *worker, enum sort sort,
			 const struct people *people)
{
	int ends[2];

	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0,
	     "socketpair");
	worker->pid = fork();
	need(worker->pid >= 0, "fork");
	if (worker->pid == 0) {
		close_sockets(actors);
		close(ends[0]);
		serve(doer_new(sort, actors->what, people), ends[1]);
	}
	close(ends[1]);
	worker->socket = ends[0];
}

static void start_native(struct actors *actors, unsigned int side)
{
	struct people *people = &actors->people[side];

	worker_start(actors, &actors->natives[side], NATIVE, people);
	people->native = actors->natives[side].pid;
}

void actors_start(struct actors *actors, const struct differential *what)
{
	*actors = (struct actors){
		.mounts = { { -1, 0 }, { -1, 0 } },
		.model = { -1, 0 },
		.natives = { { -1, 0 }, { -1, 0 } },
		.what = what,
		.people[SUBJECT].mount = what->daemon,
	};
	fflush(NULL);
	open_namespace(actors, SUBJECT);
	start_native(actors, SUBJECT);
	for (int i = 0; i < MOUNT_ACTORS; i++)
		worker_start(actors, &actors->mounts[i], MOUNT, &actors->people[SUBJECT]);
	need(unshare(CLONE_NEWIPC) == 0, "unshare");
	open_namespace(actors, REFERENCE);
	start_native(actors, REFERENCE);
	worker_start(actors, &actors->model, MODEL, &actors->people[REFERENCE]);
	actors->people[REFERENCE].mount = actors->model.pid;
	enter(actors, SUBJECT);
}

static void start_op(const struct worker *worker, const struct op *op)
{
	need(send(worker->socket, op, sizeof(*op), 0) == sizeof(*op), "send");
}

static void end_op(const struct worker *worker, struct outcome *ret)
{
	need(recv(worker->socket, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret),
	     "an actor has died");
}

void actors_do(struct actors *actors, const struct op *op, struct outcome ret[SIDES])
{
	const struct worker *subject = &actors->natives[SUBJECT];
	const struct worker *reference = &actors->natives[REFERENCE];

	if (op->actor != ACTOR_NATIVE) {
		subject = &actors->mounts[op->actor];
		reference = &actors->model;
	}
	start_op(subject, op);
	start_op(reference, op);
	end_op(subject, &ret[SUBJECT]);
	end_op(reference, &ret[REFERENCE]);
}

static void worker_stop(struct worker *worker)
{
	close(worker->socket);
	need(waitpid(worker->pid, NULL, 0) == worker->pid, "waitpid");
}

void actors_stop(struct actors *actors)
{
	for (int i = 0; i < MOUNT_ACTORS; i++)
		worker_stop(&actors->mounts[i]);
	worker_stop(&actors->model);
	for (int i = 0; i < SIDES; i++) {
		worker_stop(&actors->natives[i]);
		close(actors->namespaces[i]);
	}
}

bool actors_both(struct actors *actors, bool (*act)(bool subject))
{
	bool done[SIDES];

	for (unsigned int i = 0; i < SIDES; i++) {
		enter(actors, i);
		done[i] = act(i == SUBJECT);
	}
	enter(actors, SUBJECT);
	return done[SUBJECT] || done[REFERENCE];
}
